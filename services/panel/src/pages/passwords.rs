//! What the script of the form asks while somebody types: what the policy says of a password, and a suggestion. Both are sent in
//! bodies, never in a URL, and answered to nobody but whoever has signed in.

use axum::Json;
use axum::extract::State;
use postkey_http::{CallError, Code};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::Typed;
use super::user_typed::check_of;
use crate::app::App;
use crate::failure::Failure;
use crate::visit::SignedIn;

/// What is typed so far.
#[derive(Deserialize)]
pub struct Candidate {
    password: SecretString,
    #[serde(default)]
    address: String,
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
}

/// What is said of it.
#[derive(Serialize)]
pub struct Judged {
    /// The codes of the rules that it breaks.
    broken: Vec<String>,
    /// zxcvbn's score, 0 to 4.
    score: u8,
}

/// `POST /passwords/check`.
pub async fn check(
    State(app): State<App>,
    _who: SignedIn,
    Typed(candidate): Typed<Candidate>,
) -> Result<Json<Judged>, Failure> {
    let Candidate { password, address, first_name, last_name } = candidate;
    match app.commands.check_password(&check_of(password, &address, &first_name, &last_name)).await {
        Ok(checked) => {
            let broken = checked.violations.into_iter().map(|rule| rule.code.into_owned()).collect();
            Ok(Json(Judged { broken, score: checked.score }))
        }
        // More than can be judged at all.
        Err(CallError::Problem(problem)) if problem.code == Some(Code::InvalidInput) => {
            Ok(Json(Judged { broken: vec!["too_long".to_owned()], score: 0 }))
        }
        Err(error) => Err(error.into()),
    }
}

/// A suggestion, for the field.
#[derive(Serialize)]
pub struct Suggested {
    password: String,
}

/// `POST /passwords/suggest`.
pub async fn suggest(State(app): State<App>, _who: SignedIn) -> Result<Json<Suggested>, Failure> {
    let password = app.commands.suggest_password().await?;
    Ok(Json(Suggested { password: password.expose_secret().to_owned() }))
}
