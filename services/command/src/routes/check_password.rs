//! `POST /v1/passwords/check`: which rules would this password break, and how strong is it? Nothing is kept.

use axum::Json;
use axum::extract::State;
use credential::Personal;
use domain::{Address, Name};
use postkey_http::{Body, Caller, Fields, FromFields, Problem};
use secrecy::SecretString;
use serde::Serialize;

use super::new_password;
use crate::app::App;
use crate::refusal::overloaded;

pub struct Check {
    password: SecretString,
    personal: Personal,
}

impl FromFields for Check {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let password = new_password(fields);
        let mut personal = Personal::default();
        if let Some(address) = fields.optional("address", Address::parse) {
            personal = personal.with_address(&address);
        }
        for name in ["first_name", "last_name"] {
            if let Some(name) = fields.optional(name, Name::parse) {
                personal = personal.with_name(&name);
            }
        }
        Some(Self { password: password?, personal })
    }
}

#[derive(Serialize)]
pub struct Checked {
    violations: Vec<BrokenRule>,
    /// zxcvbn's score, 0 to 4.
    score: u8,
}

#[derive(Serialize)]
struct BrokenRule {
    code: &'static str,
    hint: String,
}

pub async fn check_password(
    State(app): State<App>,
    _any: Caller,
    Body(check): Body<Check>,
) -> Result<Json<Checked>, Problem> {
    let assessed = app.hasher.assess(check.password, &app.policy, Some(check.personal)).await.map_err(overloaded)?;
    let violations = assessed
        .violations
        .into_iter()
        .map(|violation| BrokenRule { code: violation.code.as_str(), hint: violation.hint })
        .collect();
    Ok(Json(Checked { violations, score: assessed.score.value() }))
}
