//! `DELETE /v1/services/{service}/users/{user}`: a user leaves.

use axum::extract::State;
use axum::response::Response;
use domain::{Position, RemoveUser, UserId};

use super::state_change::{StateChange, WithReason, carry_out};
use crate::app::App;
use crate::context::Ask;

impl StateChange for RemoveUser {
    const KIND: &'static str = "RemoveUser";

    fn of(user: UserId, expected: Option<Position>) -> Self {
        Self { user, expected }
    }
}

pub async fn remove_user(State(app): State<App>, ask: Ask<WithReason<RemoveUser>, 2>) -> Response {
    carry_out(&app, ask).await
}
