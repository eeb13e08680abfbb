//! `POST /v1/services/{service}/users/{user}/reactivate`: a suspended user may sign in again.

use axum::extract::State;
use axum::response::Response;
use domain::{Position, ReactivateUser, UserId};
use postkey_http::Operation;

use super::state_change::{self, StateChange, WithReason, carry_out};
use crate::app::App;
use crate::context::Ask;

impl StateChange for ReactivateUser {
    const KIND: &'static str = "ReactivateUser";
    const EVENTS: &'static [&'static str] = &["UserReactivated"];

    fn of(user: UserId, expected: Option<Position>) -> Self {
        Self { user, expected }
    }
}

pub fn operation() -> Operation {
    let done = "Reactivated: the password is the one that it was.";
    state_change::operation::<ReactivateUser>("reactivate_user", "Let a suspended user sign in again", done)
}

pub async fn reactivate_user(State(app): State<App>, ask: Ask<WithReason<ReactivateUser>, 2>) -> Response {
    carry_out(&app, ask).await
}
