//! Why there is no page as asked for, and the page that says so.

use std::panic::AssertUnwindSafe;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use postkey_http::{CallError, Code};

use crate::accounts::AccountsError;
use crate::app::App;
use crate::frame::{Frame, encoded, page, retried_after, see_other};
use crate::visit::Visit;

/// Why there is no page as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is none, or it is another customer's.
    NotFound,
    /// What was sent can't be read, or came from another site.
    Refused,
    /// It is more than is taken.
    TooLarge,
    /// Something that is needed is away.
    Later,
    /// It is our fault.
    Broken,
    /// Nobody is signed in, or no longer.
    SessionEnded {
        /// What to come back to.
        back: String,
        /// Whether there was a session.
        had_one: bool,
        /// Whether something was sent that is lost now.
        unsaved: bool,
    },
}

impl Failure {
    const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Refused => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Later => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
            Self::SessionEnded { .. } => StatusCode::SEE_OTHER,
        }
    }
}

impl From<AccountsError> for Failure {
    fn from(error: AccountsError) -> Self {
        tracing::error!(%error, "the panel's accounts can't be asked");
        Self::Later
    }
}

impl From<CallError> for Failure {
    /// What a service's answer means where no form can say it better.
    fn from(error: CallError) -> Self {
        match &error {
            CallError::Problem(problem) if problem.code == Some(Code::NotFound) => Self::NotFound,
            CallError::Problem(problem) if problem.status == 503 => {
                tracing::warn!(%error, "a service can't answer now");
                Self::Later
            }
            CallError::Problem(problem) if matches!(problem.code, Some(Code::InvalidInput)) => Self::Refused,
            CallError::Problem(_) => {
                tracing::error!(%error, "a service refuses what the panel asks");
                Self::Broken
            }
            CallError::Unreachable { .. } => {
                tracing::error!(%error, "a service can't be reached");
                Self::Later
            }
        }
    }
}

impl IntoResponse for Failure {
    /// Without a page: [`told`] makes it, for it knows who asks.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A page that says why there is none as asked for.
#[derive(Template)]
#[template(path = "failure.html")]
pub struct FailurePage {
    frame: Frame,
    title: &'static str,
    lead: &'static str,
    request_id: String,
}

impl FailurePage {
    fn new(frame: Frame, failure: &Failure, request_id: String) -> Self {
        let t = frame.t;
        let (title, lead) = match failure {
            Failure::NotFound => (t.failure_not_found, t.failure_not_found_lead),
            Failure::Refused => (t.failure_refused, t.failure_refused_lead),
            Failure::TooLarge => (t.failure_too_large, t.failure_too_large_lead),
            Failure::Later => (t.failure_later, t.failure_later_lead),
            Failure::Broken | Failure::SessionEnded { .. } => (t.failure_broken, t.failure_broken_lead),
        };
        Self { frame, title, lead, request_id }
    }

    #[cfg(test)]
    pub fn sample(language: crate::texts::Language) -> Self {
        Self::new(Frame::sample(language), &Failure::Later, "d33da2f3-2bd8-4f66-b8dd-94aaef03cf7b".to_owned())
    }
}

/// Makes a page of every failure, also of a panic, in the language of whoever asks.
pub async fn told(State(app): State<App>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let visit = Visit::of(&parts, &app);
    let script = parts.headers.get(header::ACCEPT).is_some_and(|accept| accept == "application/json");
    let answered = AssertUnwindSafe(next.run(Request::from_parts(parts, body))).catch_unwind().await;
    // What it panicked with may hold anything; the panic hook has it.
    let response = answered.unwrap_or_else(|_| Failure::Broken.into_response());
    match response.extensions().get::<Failure>().cloned() {
        None => response,
        Some(Failure::SessionEnded { .. }) if script => StatusCode::UNAUTHORIZED.into_response(),
        Some(Failure::SessionEnded { back, had_one, unsaved }) => {
            let why = match (had_one, unsaved) {
                (_, true) => "&ended=unsaved",
                (true, false) => "&ended=yes",
                (false, false) => "",
            };
            see_other(&format!("/sign-in?back={}{why}", encoded(&back)))
        }
        Some(failure) => {
            let again = (failure == Failure::Later).then_some(5);
            retried_after(failure_page(&visit, &app, &failure), again)
        }
    }
}

fn failure_page(visit: &Visit, app: &App, failure: &Failure) -> Response {
    let template = FailurePage::new(Frame::new(visit, app), failure, visit.request_id.clone());
    page(failure.status(), &template).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// What no route answers.
pub async fn no_such_page() -> Failure {
    Failure::NotFound
}
