//! What panels ask: services, users, and how far the log is applied.

pub(crate) mod position;
mod searches;
pub(crate) mod services;
pub(crate) mod users;

use axum::http::StatusCode;
use domain::ServiceId;
use event_log::ReadError;
use postkey_http::{Code, Operation, Problem, Role, Tenancy};
use serde_json::json;

pub(crate) use self::searches::Searches;
use crate::app::App;
use crate::read_model::ServiceRow;

/// Who may ask for services and users.
const ASKERS: &[Role] = &[Role::Panel, Role::Operator];

/// What may stand in the way of whatever needs the log, its keys and the rows.
pub(crate) const NOT_NOW: &[Code] = &[
    Code::CatchingUp,
    Code::KeysUnavailable,
    Code::LogCorrupt,
    Code::LogUnavailable,
    Code::Overloaded,
    Code::ReadModelUnavailable,
];

/// The service, if it is the caller's; what is not, is not found.
pub(crate) async fn own_service(app: &App, tenancy: &Tenancy, id: ServiceId) -> Result<ServiceRow, Problem> {
    let row = app.queries.service(id).await?;
    row.filter(|row| tenancy.allows(&row.service.customer)).ok_or_else(Problem::not_found)
}

/// What is said of a log that can't be read.
pub(crate) fn log_failed(error: &ReadError) -> Problem {
    match error {
        ReadError::Corrupt(_) => Problem::new(Code::LogCorrupt),
        ReadError::Unavailable(_) => Problem::new(Code::LogUnavailable),
    }
}

/// What a question of panels says of itself.
fn question(id: &'static str, summary: &'static str) -> Operation {
    let tag = "services and users";
    Operation::new(id, tag, summary).roles(ASKERS).tenancy().problems(&[Code::ReadModelUnavailable])
}

/// The revision of what was asked for stands in the answer.
fn with_entity_tag(operation: Operation) -> Operation {
    let tag = json!({"type": "string", "pattern": r#"^"(0|[1-9][0-9]*)"$"#});
    operation.answers_header(StatusCode::OK, "ETag", "The revision, for `If-Match`.", tag)
}
