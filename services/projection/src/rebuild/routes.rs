//! `POST /v1/rebuild` and `GET /v1/rebuild`: the rows anew from the log, while logins run.

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use postkey_http::{Caller, Code, Fields, FromFields, Operation, OptionalBody, Problem, RebuildState, Role};
use serde_json::json;

use super::Differences;
use crate::app::App;

/// Who may ask.
const ROLES: &[Role] = &[Role::Operator];

/// How it is to be made.
pub struct Asked {
    differences: Differences,
}

impl FromFields for Asked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let accepted = fields.optional_truth("accept_differences").unwrap_or(false);
        Some(Self { differences: if accepted { Differences::Accepted } else { Differences::Refused } })
    }
}

pub fn start_operation() -> Operation {
    Operation::new("start_rebuild", "operation", "Make the read model anew from the log")
        .details(
            "Beside the live rows, while logins run, at the lowest priority. Where rows differ at the position where they stand, \
             and nothing explains it, nothing is changed unless `accept_differences` says so. One at a time, of all projections \
             of a read model.",
        )
        .roles(ROLES)
        .optional_body::<Asked>(&[("replace rows that differ", json!({"accept_differences": true}))])
        .answers(StatusCode::ACCEPTED, "It has begun.", &RebuildState::example())
        .problems(&[Code::WrongState, Code::ReadModelUnavailable])
}

pub fn ask_operation() -> Operation {
    Operation::new("rebuild", "operation", "How does the rebuild stand?")
        .details("The newest one that this projection was asked for since it began.")
        .roles(ROLES)
        .answers(StatusCode::OK, "How it stands.", &RebuildState::example())
}

pub async fn start(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<RebuildState>), Problem> {
    caller.require(ROLES)?;
    let OptionalBody(asked) = OptionalBody::<Asked>::from_request(request, &()).await?;
    Ok((StatusCode::ACCEPTED, Json(app.rebuild.start(asked.differences).await?)))
}

pub async fn ask(State(app): State<App>, caller: Caller) -> Result<Json<RebuildState>, Problem> {
    caller.require(ROLES)?;
    Ok(Json(app.rebuild.state()))
}
