//! `POST /v1/self/password/roundcube`: the same as `/v1/self/password` for Roundcube's `password` plugin, driver `httpapi`,
//! which posts a form and takes an answer for a success that is 2xx and says `ok`.
//!
//! Roundcube goes on with the new password at once, so `ok` is said only once it is in force: where that is not known in
//! time, 503, though the change is stored. Errors are problems as everywhere; Roundcube shows none of their words.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use postkey_http::{Code, Fields, FromFields, Operation, Problem, Role};
use serde_json::json;

use super::change_own_password::{EVENTS, KIND, OwnPassword, REFUSALS, TOLD, carry_out};
use super::command;
use crate::app::App;
use crate::context::{Ask, Asked, Canonical, Sent};
use crate::receipt::respond_as;

/// How long the change may take to be in force, where no `Prefer` says otherwise: somewhat less than what the wait for
/// others' verdicts ([`admission::PATIENCE`]) leaves of the 10 s that Roundcube is told to wait for an answer.
const WAIT: Duration = Duration::from_secs(6);

/// The form.
pub struct Filled(OwnPassword);

impl FromFields for Filled {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        OwnPassword::read(fields, "user", "curpass", "newpass").map(Self)
    }
}

impl Asked for Filled {
    const KIND: &'static str = KIND;
    const EVENTS: &'static [&'static str] = EVENTS;
    const ROLES: &'static [Role] = &[Role::Webmail];
    const SENT: Sent = Sent::Form;

    fn canonical(&self, form: &mut Canonical) {
        self.0.canonical(form);
    }
}

pub fn operation() -> Operation {
    let zoe = json!({"user": "zoe@walk.example", "curpass": "Copper-Tulip-77-Boat", "newpass": "Quill-Fjord-58-Moss"});
    let summary = "Change one's own password, as Roundcube's driver `httpapi` posts it";
    command::<Filled>("change_own_password_roundcube", "self-service", summary, &[("Zoe", zoe)], REFUSALS)
        .details(TOLD)
        .details(
            "What is stored and not in force within the wait (6 s where `Prefer` says nothing) is 503 `catching_up`.",
        )
        .answers_text(StatusCode::OK, "In force.", "text/plain", "ok")
}

pub async fn change_own_password(State(app): State<App>, mut ask: Ask<Filled, 0>) -> Response {
    ask.headers.wait.get_or_insert(WAIT);
    let result = carry_out(&app, &ask, &ask.body.0).await;
    respond_as(&app, &ask, result, |receipt| {
        if receipt.effective {
            return "ok".into_response();
        }
        let detail = "the new password is stored, and will be in force soon";
        Problem::new(Code::CatchingUp).with_detail(detail).into_response()
    })
}
