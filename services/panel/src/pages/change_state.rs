//! Suspend, reactivate, remove: each says what will happen, and asks.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use postkey_http::{CallError, Code, Guard, Service, User};
use serde::Deserialize;

use super::user_form::new_key;
use super::{At, Errors, ServiceLinks, Typed, full_name, id, shown_address};
use crate::app::App;
use crate::failure::Failure;
use crate::frame::{Frame, page, see_other};
use crate::pages::saved::{What, saved_path};
#[cfg(test)]
use crate::texts::Language;
use crate::texts::{Texts, fill};
use crate::visit::SignedIn;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nobody can sign in for a while.
    Suspend,
    /// It can be signed in again.
    Reactivate,
    /// For good.
    Remove,
}

impl Change {
    fn of(name: &str) -> Option<Self> {
        match name {
            "suspend" => Some(Self::Suspend),
            "reactivate" => Some(Self::Reactivate),
            "remove" => Some(Self::Remove),
            _ => None,
        }
    }

    /// Whether it can be done with a user in this state.
    fn fits(self, state: &str) -> bool {
        match self {
            Self::Suspend => state == "active",
            Self::Reactivate => state == "suspended",
            Self::Remove => state == "active" || state == "suspended",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Reactivate => "reactivate",
            Self::Remove => "remove",
        }
    }

    /// The question, what will happen, and what the button is called.
    const fn words(self, t: &Texts) -> [&'static str; 3] {
        match self {
            Self::Suspend => [t.suspend_title, t.suspend_what, t.suspend],
            Self::Reactivate => [t.reactivate_title, t.reactivate_what, t.reactivate],
            Self::Remove => [t.remove_title, t.remove_what, t.remove],
        }
    }

    const fn what(self) -> What {
        match self {
            Self::Suspend => What::Suspended,
            Self::Reactivate => What::Reactivated,
            Self::Remove => What::Removed,
        }
    }
}

/// The page.
#[derive(Template)]
#[template(path = "change_state.html")]
pub struct ChangeStatePage {
    frame: Frame,
    links: ServiceLinks,
    title: String,
    what: &'static str,
    button: &'static str,
    grave: bool,
    name: String,
    action: String,
    revision: u64,
    key: String,
    errors: Errors,
}

impl ChangeStatePage {
    fn new(frame: Frame, service: &Service, user: &User, change: Change, (key, errors): (String, Errors)) -> Self {
        let t = frame.t;
        let [title, what, button] = change.words(t);
        let links = ServiceLinks::of(service);
        Self {
            title: fill(title, &[&shown_address(t, user.address.as_deref())]),
            what,
            button,
            grave: change == Change::Remove,
            name: full_name(t, user.first_name.as_deref(), user.last_name.as_deref()),
            action: links.user(user.user, change.name()),
            revision: user.revision,
            key,
            errors,
            links,
            frame,
        }
    }

    #[cfg(test)]
    pub fn sample(language: Language, change: Change) -> Self {
        let frame = Frame::sample(language);
        let errors = Errors::whole(frame.t.stale_again);
        Self::new(frame, &Service::example(), &User::example(), change, ("k".to_owned(), errors))
    }
}

/// Whom it is about, as they are now, and what is asked.
async fn look(app: &App, who: &SignedIn, path: &[String; 3]) -> Result<(Service, User, Change), Failure> {
    let [service, user, change] = path;
    let change = Change::of(change).ok_or(Failure::NotFound)?;
    let (behalf, service, user) = (who.behalf(), id(service)?, id(user)?);
    let (service, user) = tokio::join!(app.queries.service(&behalf, service), app.queries.user(&behalf, service, user));
    Ok((service?, user?, change))
}

/// `GET /services/email/{service}/users/{user}/{change}`.
pub async fn show(State(app): State<App>, who: SignedIn, At(path): At<[String; 3]>) -> Result<Response, Failure> {
    let (service, user, change) = look(&app, &who, &path).await?;
    if !change.fits(&user.state) {
        return Err(Failure::NotFound);
    }
    let asked = (new_key(&app), Errors::default());
    page(StatusCode::OK, &ChangeStatePage::new(Frame::of(&who, &app), &service, &user, change, asked))
}

/// What comes back: that it was confirmed, of the user as the page showed it.
#[derive(Deserialize)]
pub struct Confirmed {
    revision: u64,
    key: String,
}

/// `POST /services/email/{service}/users/{user}/{change}`.
pub async fn confirm(
    State(app): State<App>,
    who: SignedIn,
    At(path): At<[String; 3]>,
    Typed(confirmed): Typed<Confirmed>,
) -> Result<Response, Failure> {
    let (service, user, change) = look(&app, &who, &path).await?;
    let behalf = who.behalf();
    let at = Guard { key: confirmed.key.clone(), revision: Some(confirmed.revision) };
    let done = match change {
        Change::Suspend => app.commands.suspend_user(&behalf, service.service, user.user, &at).await,
        Change::Reactivate => app.commands.reactivate_user(&behalf, service.service, user.user, &at).await,
        Change::Remove => app.commands.remove_user(&behalf, service.service, user.user, &at).await,
    };
    let error = match done {
        Ok(receipt) => {
            app.outcomes.saved(user.user, &receipt, change.what());
            return Ok(see_other(&saved_path(&ServiceLinks::of(&service), user.user, receipt.position)));
        }
        Err(error) => error,
    };
    let frame = Frame::of(&who, &app);
    let t = frame.t;
    let button = change.words(t)[2];
    let (later, conflict) = (StatusCode::SERVICE_UNAVAILABLE, StatusCode::CONFLICT);
    let (status, text, key) = match &error {
        CallError::Unreachable { .. } => (later, fill(t.unsure, &[button]), confirmed.key),
        CallError::Problem(problem) => match problem.code {
            Some(Code::LogUnavailable) => (later, fill(t.unsure, &[button]), confirmed.key),
            Some(Code::StaleRevision) => (conflict, t.stale_again.to_owned(), new_key(&app)),
            Some(Code::WrongState) => (conflict, t.error_refused.to_owned(), new_key(&app)),
            Some(Code::IdempotencyMismatch) => (conflict, fill(t.used_before, &[button]), new_key(&app)),
            _ if problem.status == 503 => (later, t.later.to_owned(), confirmed.key),
            _ => return Err(error.into()),
        },
    };
    let asked = (key, Errors::whole(text));
    page(status, &ChangeStatePage::new(frame, &service, &user, change, asked))
}
