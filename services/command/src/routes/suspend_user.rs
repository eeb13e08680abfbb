//! `POST /v1/services/{service}/users/{user}/suspend`: a user is kept from signing in, for now.

use axum::extract::State;
use axum::response::Response;
use domain::{Position, SuspendUser, UserId};
use postkey_http::Operation;

use super::state_change::{self, StateChange, WithReason, carry_out};
use crate::app::App;
use crate::context::Ask;

impl StateChange for SuspendUser {
    const KIND: &'static str = "SuspendUser";
    const EVENTS: &'static [&'static str] = &["UserSuspended"];

    fn of(user: UserId, expected: Option<Position>) -> Self {
        Self { user, expected }
    }
}

pub fn operation() -> Operation {
    let done = "Suspended: no sign-in takes the password, and mailbox, quota and address stay.";
    state_change::operation::<SuspendUser>("suspend_user", "Keep a user from signing in, for now", done)
}

pub async fn suspend_user(State(app): State<App>, ask: Ask<WithReason<SuspendUser>, 2>) -> Response {
    carry_out(&app, ask).await
}
