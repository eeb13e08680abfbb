//! `POST /v1/passwords/suggest`: a strong password, for whoever asks for one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use postkey_http::{Caller, EntropyRng, NoFields, OptionalBody, Problem};
use secrecy::ExposeSecret;
use serde::{Serialize, Serializer};

use crate::app::App;

#[derive(Serialize)]
pub struct Suggestion {
    #[serde(serialize_with = "exposed")]
    password: secrecy::SecretString,
}

/// A suggestion is there to be shown; it is kept nowhere.
fn exposed<S: Serializer>(password: &secrecy::SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(password.expose_secret())
}

pub async fn suggest_password(
    State(app): State<App>,
    _any: Caller,
    _: OptionalBody<NoFields>,
) -> Result<Json<Suggestion>, Problem> {
    let mut rng = EntropyRng::new(Arc::clone(&app.entropy));
    Ok(Json(Suggestion { password: credential::suggest(&app.policy, &mut rng) }))
}
