//! `POST /v1/services/{service}/users/{user}/erase`: all that is personal about a removed user is destroyed, and its address
//! is free. In force only once the keys are gone.

use axum::extract::State;
use axum::response::Response;
use domain::{EraseUser, Position, UserId};
use postkey_http::{Operation, Role};

use super::state_change::{self, StateChange, WithReason, carry_out};
use crate::app::App;
use crate::context::Ask;

impl StateChange for EraseUser {
    const KIND: &'static str = "EraseUser";
    const EVENTS: &'static [&'static str] = &["UserErased"];
    const ROLES: &'static [Role] = &[Role::Operator];

    fn of(user: UserId, expected: Option<Position>) -> Self {
        Self { user, expected }
    }
}

pub fn operation() -> Operation {
    let summary = "Destroy all that is personal about a removed user";
    let done = "Erased: the keys are gone, and the address is free.";
    state_change::operation::<EraseUser>("erase_user", summary, done)
        .details("What was sealed under those keys can be read by nobody any more; the history stays whole.")
}

pub async fn erase_user(State(app): State<App>, ask: Ask<WithReason<EraseUser>, 2>) -> Response {
    carry_out(&app, ask).await
}
