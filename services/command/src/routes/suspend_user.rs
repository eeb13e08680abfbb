//! `POST /v1/services/{service}/users/{user}/suspend`: a user is kept from signing in, for now.

use axum::extract::State;
use axum::response::Response;
use domain::{Position, SuspendUser, UserId};

use super::state_change::{StateChange, WithReason, carry_out};
use crate::app::App;
use crate::context::Ask;

impl StateChange for SuspendUser {
    const KIND: &'static str = "SuspendUser";

    fn of(user: UserId, expected: Option<Position>) -> Self {
        Self { user, expected }
    }
}

pub async fn suspend_user(State(app): State<App>, ask: Ask<WithReason<SuspendUser>, 2>) -> Response {
    carry_out(&app, ask).await
}
