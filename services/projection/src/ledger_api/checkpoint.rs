//! `GET /ledger/checkpoint`: the newest checkpoint.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use postkey_http::{Caller, Code, Operation, Problem};

use super::ROLES;
use crate::app::App;

/// A checkpoint as the document shows it.
pub(super) const EXAMPLE: &str = "postkey/0b8f9a52-5d0c-4a2e-9a5e-0e4f4c1f7a11\n4711\nPAb5plclr2BSYfY2ZyyWINQJcx2JpFHXRV/pxK4WeCk=\n\n\
    — postkey/0b8f9a52-5d0c-4a2e-9a5e-0e4f4c1f7a11 \
    irIDMqaEZzfjomHe7sFrA5TVe5O5U6LTzxKnZtKnYBTP6myd3u8WAVuPOE180JUT0LlLi0pmlg9sZfeRFHLipkqVgAI=\n";

pub fn operation() -> Operation {
    Operation::new("checkpoint", "ledger", "How large is the log, and what is the root of its tree?")
        .details(
            "A signed note (C2SP tlog-checkpoint): origin, size and root, and signatures of the ledger's key, or of two while it \
             is being replaced. A change is held by one at most a second after it is in force.",
        )
        .roles(ROLES)
        .answers_text(StatusCode::OK, "The newest checkpoint.", "text/plain", EXAMPLE)
        .problems(&[Code::NotFound])
}

/// 404 as long as there is none.
pub async fn checkpoint(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    caller.require(ROLES)?;
    let note = app.served.borrow().as_ref().map(|served| served.note.to_string());
    let note = note.ok_or_else(|| Problem::not_found().with_detail("no checkpoint has been signed yet"))?;
    // A shared cache would have to know tokens, and any would serve what is no longer the newest.
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")], note).into_response())
}
