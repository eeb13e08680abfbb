//! What a command is answered with.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use domain::{Position, ServiceId, UserId};
use postkey_http::{IdempotencyKey, Problem};
use serde::Serialize;
use uuid::Uuid;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What became of a command.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Where it stands in the log; where nothing changed, where the service stands.
    pub position: Position,
    /// The revision of what it is about.
    pub revision: Position,
    /// The names of what happened; none where nothing changed.
    pub events: Vec<&'static str>,
    /// The service that it is about.
    pub service: ServiceId,
    /// The user that it is about.
    pub user: Option<UserId>,
    /// Whether it was carried out by an earlier request with the same key.
    pub repeated: bool,
}

/// The outcome, and an instant at which it was known to be in force: for a repeat, and where nothing changed, that of the
/// answer. Since when exactly is not recorded; an earlier instant could be claimed falsely.
#[derive(Serialize)]
pub struct Receipt {
    position: u64,
    revision: u64,
    events: Vec<&'static str>,
    effective: bool,
    effective_at: Option<String>,
    repeated: bool,
    service: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Uuid>,
}

impl Receipt {
    /// `effective_at`: none where the read model has not applied it yet.
    pub fn new(outcome: Outcome, effective_at: Option<DateTime<Utc>>) -> Self {
        Self {
            position: outcome.position.get(),
            revision: outcome.revision.get(),
            events: outcome.events,
            effective: effective_at.is_some(),
            effective_at: effective_at.map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true)),
            repeated: outcome.repeated,
            service: outcome.service.uuid(),
            user: outcome.user.map(UserId::uuid),
        }
    }
}

/// A receipt or a problem, with the key under which the request may be repeated: also, and above all, with a 503.
pub fn respond(key: &IdempotencyKey, done: StatusCode, result: Result<Receipt, Problem>) -> Response {
    let mut response = match result {
        Ok(receipt) if receipt.effective => (done, Json(receipt)).into_response(),
        Ok(receipt) => (StatusCode::ACCEPTED, Json(receipt)).into_response(),
        Err(problem) => problem.into_response(),
    };
    if let Ok(value) = HeaderValue::from_str(key.as_str()) {
        response.headers_mut().insert(IDEMPOTENCY_KEY, value);
    }
    response
}
