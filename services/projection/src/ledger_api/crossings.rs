//! `GET /ledger/crossings`: where one of the ledger's keys took the place of another.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use keys::KeptCrossing;
use postkey_http::{Caller, Code, Operation, Problem};
use serde_json::{Value, json};

use super::ROLES;
use super::checkpoint::EXAMPLE;
use crate::app::App;

pub fn operation() -> Operation {
    let text = |says: &str| json!({"type": "string", "description": says});
    let crossing = json!({
        "type": "object",
        "required": ["note", "old", "new"],
        "properties": {
            "note": text("The checkpoint at which the key was replaced: a signed note with the signatures of both."),
            "old": text("The verifier key (C2SP signed-note) of before."),
            "new": text("The verifier key from there on."),
        },
    });
    let schema = json!({
        "type": "object",
        "required": ["crossings"],
        "properties": {"crossings": {"type": "array", "items": crossing}},
    });
    let key = "postkey/0b8f9a52-5d0c-4a2e-9a5e-0e4f4c1f7a11";
    let example = json!({"crossings": [{
        "note": EXAMPLE,
        "old": format!("{key}+2a8caf84+AY7olxEzDBzPOaLmWtErvX30pKLuhX9TtII/AP7Le9JS"),
        "new": format!("{key}+77bb51b2+AVUyleS4SL7ngcMKDIaltzEzCAbqrKIU3hleSHYbimHu"),
    }]});
    Operation::new("crossings", "ledger", "Which key of the ledger took the place of which?")
        .details(
            "All of them, the oldest first. Whoever trusts the key of before, and finds both signatures under the checkpoint, may trust \
             the one after.",
        )
        .roles(ROLES)
        .answers_with(StatusCode::OK, "The crossings, none where no key was replaced.", "application/json", schema, example)
        .problems(&[Code::KeysUnavailable])
}

/// From the key store, where each is kept with the checkpoint that it is.
pub async fn crossings(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    caller.require(ROLES)?;
    let kept = app.checkpoints.crossings().await.map_err(|_| Problem::new(Code::KeysUnavailable))?;
    let crossings: Vec<_> =
        kept.into_iter().map(|KeptCrossing { note, old, new }| json!({"note": note, "old": old, "new": new})).collect();
    Ok(Json(json!({"crossings": crossings})))
}
