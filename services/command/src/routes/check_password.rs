//! `POST /v1/passwords/check`: which rules would this password break, and how strong is it? Nothing is kept.

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use credential::Personal;
use domain::{Address, Name};
use postkey_http::{Body, BrokenRule, Caller, Checked, Code, Fields, FromFields, Operation, Problem};
use secrecy::SecretString;
use serde_json::json;

use super::new_password;
use crate::app::App;
use crate::refusal::overloaded;

pub struct Check {
    password: SecretString,
    personal: Personal,
}

impl FromFields for Check {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let password = new_password(fields, "password");
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

pub fn operation() -> Operation {
    let typed = json!({"password": "Tram-Lemon-River", "address": "zoe@walk.example", "first_name": "Zoe"});
    Operation::new("check_password", "passwords", "Which rules would a password break, and how strong is it?")
        .details("Nothing is kept. With the user's address and names, it is judged as it would be for that user.")
        .any_role()
        .body::<Check>(&[("typed", typed)])
        .answers(StatusCode::OK, "What is said of it.", &Checked::example())
        .problems(&[Code::Overloaded])
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
        .map(|violation| BrokenRule { code: Cow::Borrowed(violation.code.as_str()), hint: violation.hint })
        .collect();
    Ok(Json(Checked { violations, score: assessed.score.value() }))
}
