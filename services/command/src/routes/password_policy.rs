//! `GET /v1/password-policy`: the rules, as a page shows them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use credential::{Policy, PolicyObject};
use postkey_http::{Caller, Operation};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;

/// The policy in force.
#[derive(Serialize, ToSchema)]
#[schema(as = PasswordPolicy)]
pub struct PolicyView(PolicyObject);

impl PolicyView {
    fn example() -> Self {
        Self(Policy::standard().describe())
    }
}

pub fn operation() -> Operation {
    Operation::new("password_policy", "passwords", "The rules that new passwords keep to")
        .details(
            "Versioned: a change of rules is a new version. A page can check all but the last rules while one types.",
        )
        .any_role()
        .answers(StatusCode::OK, "The policy in force.", &PolicyView::example())
}

pub async fn password_policy(State(app): State<App>, _any: Caller) -> Json<PolicyView> {
    Json(PolicyView(app.policy.describe()))
}
