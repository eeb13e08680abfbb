//! `POST /v1/services/{service}/users/{user}/reactivate`: a suspended user may sign in again.

use axum::extract::State;
use axum::response::Response;
use domain::{Position, ReactivateUser, UserId};

use super::state_change::{StateChange, WithReason, carry_out};
use crate::app::App;
use crate::context::Ask;

impl StateChange for ReactivateUser {
    const KIND: &'static str = "ReactivateUser";

    fn of(user: UserId, expected: Option<Position>) -> Self {
        Self { user, expected }
    }
}

pub async fn reactivate_user(State(app): State<App>, ask: Ask<WithReason<ReactivateUser>, 2>) -> Response {
    carry_out(&app, ask).await
}
