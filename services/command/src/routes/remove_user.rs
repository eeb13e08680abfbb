//! `DELETE /v1/services/{service}/users/{user}`: a user leaves.

use axum::extract::State;
use axum::response::Response;
use domain::{Position, RemoveUser, UserId};
use postkey_http::Operation;

use super::state_change::{self, StateChange, WithReason, carry_out};
use crate::app::App;
use crate::context::Ask;

impl StateChange for RemoveUser {
    const KIND: &'static str = "RemoveUser";
    const EVENTS: &'static [&'static str] = &["UserRemoved"];

    fn of(user: UserId, expected: Option<Position>) -> Self {
        Self { user, expected }
    }
}

pub fn operation() -> Operation {
    let done = "Removed: mailbox and quota are free again; the address is taken until the user is erased.";
    state_change::operation::<RemoveUser>("remove_user", "Remove a user", done)
}

pub async fn remove_user(State(app): State<App>, ask: Ask<WithReason<RemoveUser>, 2>) -> Response {
    carry_out(&app, ask).await
}
