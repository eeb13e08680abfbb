//! `GET /v1/password-policy`: the rules, as a page shows them.

use axum::Json;
use axum::extract::State;
use credential::PolicyObject;
use postkey_http::Caller;

use crate::app::App;

pub async fn password_policy(State(app): State<App>, _any: Caller) -> Json<PolicyObject> {
    Json(app.policy.describe())
}
