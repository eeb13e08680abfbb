//! Webmail sign-in: stands in for a webmail server, and shows how one asks. The password is checked again at every click, as
//! Roundcube's IMAP connections do it, so that whoever signed in with a password that has been changed is out at the next one.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use postkey_http::{CallError, CallProblem, Code, Verified, VerifyClient};
use secrecy::SecretString;
use serde::Deserialize;

use super::{Errors, Typed};
use crate::accounts::SessionToken;
use crate::app::App;
use crate::failure::Failure;
use crate::frame::{Frame, page, retried_after, see_other};
#[cfg(test)]
use crate::texts::Language;
use crate::texts::{Texts, fill};
use crate::visit::{FORGET, Visit, WEBMAIL, cookie, no_cookie, session_cookie};
use crate::words::{isolated, size};

/// The page where somebody signs in.
#[derive(Template)]
#[template(path = "webmail_sign_in.html")]
pub struct WebmailSignInPage {
    frame: Frame,
    errors: Errors,
    notice: &'static str,
    address: String,
}

/// The page of somebody who has.
#[derive(Template)]
#[template(path = "webmail.html")]
pub struct WebmailPage {
    frame: Frame,
    hello: String,
    address: String,
    quota: String,
    with: String,
}

impl WebmailSignInPage {
    #[cfg(test)]
    pub fn sample(language: Language) -> Self {
        let frame = Frame { account: None, ..Frame::sample(language) };
        let errors = Errors::whole(frame.t.webmail_wrong);
        Self { errors, notice: frame.t.webmail_changed, address: "zoe@walk.example".to_owned(), frame }
    }
}

impl WebmailPage {
    fn new(frame: Frame, verified: &Verified) -> Self {
        let t = frame.t;
        let name = isolated(&format!("{} {}", verified.first_name, verified.last_name));
        Self {
            hello: fill(t.webmail_hello, &[&name]),
            address: verified.address.clone(),
            quota: size(verified.quota_bytes, frame.language),
            with: fill(t.webmail_with, &[&verified.credential_revision.to_string()]),
            frame,
        }
    }

    #[cfg(test)]
    pub fn sample(language: Language) -> Self {
        Self::new(Frame { account: None, ..Frame::sample(language) }, &Verified::example())
    }
}

/// Why nobody is signed in.
enum Refused {
    /// The same for an unknown address, a suspended user and a wrong password.
    Wrong,
    /// Too many attempts: the seconds to wait.
    Wait(u64),
    /// Nobody can be judged now.
    Later,
}

impl Refused {
    fn of(error: &CallError) -> Self {
        match error {
            CallError::Problem(CallProblem { code: Some(Code::InvalidCredentials | Code::InvalidInput), .. }) => {
                Self::Wrong
            }
            CallError::Problem(CallProblem { code: Some(Code::Throttled), retry_after, .. }) => {
                Self::Wait(retry_after.map_or(1, |wait| wait.as_secs().max(1)))
            }
            error => {
                tracing::warn!(%error, "a webmail sign-in can't be judged");
                Self::Later
            }
        }
    }

    fn said(&self, t: &Texts) -> (StatusCode, String) {
        match self {
            Self::Wrong => (StatusCode::UNAUTHORIZED, t.webmail_wrong.to_owned()),
            Self::Wait(seconds) => (StatusCode::TOO_MANY_REQUESTS, fill(t.sign_in_wait, &[&seconds.to_string()])),
            Self::Later => (StatusCode::SERVICE_UNAVAILABLE, t.sign_in_later.to_owned()),
        }
    }

    const fn wait(&self) -> Option<u64> {
        match self {
            Self::Wrong => None,
            Self::Wait(seconds) => Some(*seconds),
            Self::Later => Some(5),
        }
    }
}

fn client(app: &App) -> Result<&VerifyClient, Failure> {
    app.verify.as_ref().ok_or(Failure::NotFound)
}

/// `GET /webmail`: whoever has signed in is judged again, and may be out.
pub async fn show(State(app): State<App>, visit: Visit, jar: CookieJar) -> Result<Response, Failure> {
    let verify = client(&app)?;
    let frame = Frame::new(&visit, &app);
    let sign_in =
        |frame: Frame, notice| WebmailSignInPage { frame, errors: Errors::default(), notice, address: String::new() };
    let Some(token) = cookie(&jar, &app, WEBMAIL) else { return page(StatusCode::OK, &sign_in(frame, "")) };
    let t = frame.t;
    let Some((address, password)) = app.webmail.of(&token, app.sessions, app.clock.now()) else {
        let ended = page(StatusCode::OK, &sign_in(frame, t.session_ended))?;
        return Ok((jar.add(no_cookie(&app, WEBMAIL)), ended).into_response());
    };
    match verify.verify(&address, &password, visit.origin, &visit.request_id).await {
        Ok(verified) => page(StatusCode::OK, &WebmailPage::new(frame, &verified)),
        Err(error) => match Refused::of(&error) {
            Refused::Wrong => {
                app.webmail.end_all(&address, &password);
                let ended = page(StatusCode::UNAUTHORIZED, &sign_in(frame, t.webmail_changed))?;
                Ok((jar.add(no_cookie(&app, WEBMAIL)), ended).into_response())
            }
            // The session stands: it can't be said now that it may not.
            refused => again(frame, &refused, address),
        },
    }
}

/// The page where somebody signs in, with why nobody is.
fn again(frame: Frame, refused: &Refused, address: String) -> Result<Response, Failure> {
    let (status, text) = refused.said(frame.t);
    let response = page(status, &WebmailSignInPage { frame, errors: Errors::whole(text), notice: "", address })?;
    Ok(retried_after(response, refused.wait()))
}

/// What is typed.
#[derive(Deserialize)]
pub struct Credentials {
    #[serde(default)]
    address: String,
    password: SecretString,
}

/// `POST /webmail`.
pub async fn sign_in(
    State(app): State<App>,
    visit: Visit,
    jar: CookieJar,
    Typed(Credentials { address, password }): Typed<Credentials>,
) -> Result<Response, Failure> {
    let verify = client(&app)?;
    let address = address.trim().to_owned();
    match verify.verify(&address, &password, visit.origin, &visit.request_id).await {
        Ok(verified) => {
            if let Some(before) = cookie(&jar, &app, WEBMAIL) {
                app.webmail.end(&before);
            }
            let token = SessionToken::draw(&*app.entropy);
            app.webmail.begin(&token, &verified.address, password, app.clock.now());
            Ok((jar.add(session_cookie(&app, WEBMAIL, &token)), see_other("/webmail")).into_response())
        }
        Err(error) => again(Frame::new(&visit, &app), &Refused::of(&error), address),
    }
}

/// `POST /webmail/sign-out`.
pub async fn sign_out(State(app): State<App>, jar: CookieJar) -> Response {
    if let Some(token) = cookie(&jar, &app, WEBMAIL) {
        app.webmail.end(&token);
    }
    (jar.add(no_cookie(&app, WEBMAIL)), FORGET, see_other("/webmail")).into_response()
}
