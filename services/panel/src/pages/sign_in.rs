//! Sign in to the panel, and out of it; and the language of its pages.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use credential::Verdict;
use secrecy::SecretString;
use serde::Deserialize;

use super::{Asked, At, Errors, Typed};
use crate::accounts::{AccountName, SessionToken};
use crate::app::App;
use crate::failure::Failure;
use crate::frame::{Frame, encoded, page, retried_after, see_other};
use crate::texts::{Language, fill};
use crate::visit::{FORGET, SESSION, Visit, cookie, language_cookie, no_cookie, own_path, session_cookie};

/// The page.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub struct SignInPage {
    frame: Frame,
    errors: Errors,
    notice: &'static str,
    name: String,
    back: String,
}

impl SignInPage {
    #[cfg(test)]
    pub fn sample(language: Language) -> Self {
        let frame = Frame { account: None, ..Frame::sample(language) };
        let errors = Errors::whole(frame.t.sign_in_wrong);
        Self { errors, notice: frame.t.session_ended, name: "demo".to_owned(), back: "/".to_owned(), frame }
    }
}

/// Why somebody comes to the page, and from where.
#[derive(Deserialize)]
pub struct Came {
    #[serde(default)]
    back: String,
    #[serde(default)]
    ended: String,
}

/// `GET /sign-in`.
pub async fn show(State(app): State<App>, visit: Visit, Asked(came): Asked<Came>) -> Result<Response, Failure> {
    let t = visit.texts();
    let notice = match came.ended.as_str() {
        "unsaved" => t.session_ended_unsaved,
        "yes" => t.session_ended,
        "out" => t.signed_out,
        _ => "",
    };
    let back = own_path(&came.back).to_owned();
    let frame = Frame::new(&visit, &app);
    page(StatusCode::OK, &SignInPage { frame, errors: Errors::default(), notice, name: String::new(), back })
}

/// What is typed.
#[derive(Deserialize)]
pub struct Credentials {
    #[serde(default)]
    name: String,
    password: SecretString,
    #[serde(default)]
    back: String,
}

/// `POST /sign-in`. The same answer, in the same time, for a name that nobody has, a wrong password and a disabled account; each
/// counts against the name and the address that it came from.
pub async fn sign_in(
    State(app): State<App>,
    visit: Visit,
    jar: CookieJar,
    Typed(typed): Typed<Credentials>,
) -> Result<Response, Failure> {
    let name = AccountName::parse(&typed.name).ok();
    // A name that nobody can have counts like one that nobody has.
    let tried = typed.name.trim().to_ascii_lowercase();
    let again = |status: StatusCode, text: String, wait: Option<u64>| {
        let back = own_path(&typed.back).to_owned();
        let here = encoded(&format!("/sign-in?back={}", encoded(&back)));
        let frame = Frame { here: Some(here), ..Frame::new(&visit, &app) };
        let template = SignInPage { frame, errors: Errors::whole(text), notice: "", name: typed.name.clone(), back };
        page(status, &template).map(|response| retried_after(response, wait))
    };
    let t = visit.texts();
    let admitted = match app.admission.admit(&tried, visit.origin).await {
        Ok(admitted) => admitted,
        Err(throttled) => {
            let seconds = throttled.seconds();
            let text = fill(t.sign_in_wait, &[&seconds.to_string()]);
            return again(StatusCode::TOO_MANY_REQUESTS, text, Some(seconds));
        }
    };
    let account = match &name {
        Some(name) => app.accounts.by_name(name).await?,
        None => None,
    };
    let hash = account.as_ref().map(|account| &account.hash);
    let Ok(verdict) = app.hasher.verify(typed.password.clone(), hash).await else {
        return again(StatusCode::SERVICE_UNAVAILABLE, t.sign_in_later.to_owned(), Some(1));
    };
    let token = SessionToken::draw(&*app.entropy);
    let begun = match (&account, verdict) {
        (Some(account), Verdict::Right) => app.accounts.begin(account, &token, app.sessions, app.clock.now()).await?,
        _ => false,
    };
    if !begun {
        admitted.wrong();
        return again(StatusCode::UNAUTHORIZED, t.sign_in_wrong.to_owned(), None);
    }
    admitted.right();
    if let Some(before) = cookie(&jar, &app, SESSION) {
        app.accounts.end(&before).await?;
    }
    let jar = jar.add(session_cookie(&app, SESSION, &token));
    Ok((jar, see_other(own_path(&typed.back))).into_response())
}

/// `POST /sign-out`.
pub async fn sign_out(State(app): State<App>, jar: CookieJar) -> Result<Response, Failure> {
    if let Some(token) = cookie(&jar, &app, SESSION) {
        app.accounts.end(&token).await?;
    }
    Ok((jar.add(no_cookie(&app, SESSION)), FORGET, see_other("/sign-in?ended=out")).into_response())
}

/// Where to come back to.
#[derive(Deserialize)]
pub struct Back {
    #[serde(default)]
    back: String,
}

/// `GET /language/{tag}`.
pub async fn language(
    State(app): State<App>,
    At(tag): At<String>,
    Asked(Back { back }): Asked<Back>,
    jar: CookieJar,
) -> Result<Response, Failure> {
    let language = Language::of_tag(&tag).ok_or(Failure::NotFound)?;
    Ok((jar.add(language_cookie(&app, language)), see_other(own_path(&back))).into_response())
}
