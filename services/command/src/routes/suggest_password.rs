//! `POST /v1/passwords/suggest`: a strong password, for whoever asks for one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postkey_http::{Caller, EntropyRng, NoFields, Operation, OptionalBody, Problem, Suggestion};
use serde_json::json;

use crate::app::App;

pub fn operation() -> Operation {
    Operation::new("suggest_password", "passwords", "Suggest a strong password")
        .any_role()
        .optional_body::<NoFields>(&[("nothing to say", json!({}))])
        .answers(StatusCode::OK, "Another one each time; kept nowhere.", &Suggestion::example())
}

pub async fn suggest_password(
    State(app): State<App>,
    _any: Caller,
    _: OptionalBody<NoFields>,
) -> Result<Json<Suggestion>, Problem> {
    let mut rng = EntropyRng::new(Arc::clone(&app.entropy));
    Ok(Json(Suggestion { password: credential::suggest(&app.policy, &mut rng) }))
}
