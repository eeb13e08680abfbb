//! `GET /v1/position`: how far the log is applied; with `at_least` and `wait`, once it is that far.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use domain::Position;
use postkey_http::{Caller, Code, Fields, FromFields, KeptBack, Operation, PositionAnswer, Problem, Query, StoppedBy};
use tokio::time::{Instant, timeout};

use super::log_failed;
use crate::app::App;
use crate::projector::{Broken, Progress};

/// The longest wait, in seconds.
const MAX_WAIT: u64 = 30;

/// Which position is waited for, and for how long.
pub struct Asked {
    at_least: Position,
    wait: Duration,
}

impl FromFields for Asked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let at_least = fields.optional_u64("at_least").unwrap_or(0);
        let wait = fields.optional_u64("wait").unwrap_or(0).min(MAX_WAIT);
        Some(Self { at_least: Position::new(at_least), wait: Duration::from_secs(wait) })
    }
}

pub fn operation() -> Operation {
    let codes = [Code::CatchingUp, Code::LogCorrupt, Code::LogUnavailable, Code::ReadModelUnavailable];
    Operation::new("position", "position", "How far is the log applied?")
        .details(
            "With `at_least` and `wait` (seconds, at most 30) it answers once the read model has applied that position, or with \
             the present one. What is applied is in force: sign-ins see it.",
        )
        .any_role()
        .query::<Asked>()
        .answers(StatusCode::OK, "How far it is.", &PositionAnswer::example())
        .problems(&codes)
}

/// Not reached within the wait: the present position all the same.
pub async fn position(State(app): State<App>, _any: Caller, Query(asked): Query<Asked>) -> impl IntoResponse {
    let begun = Instant::now();
    wait(&app, asked).await;
    (Extension(KeptBack(begun.elapsed())), answer(&app).await)
}

/// Waits until what was asked for is applied, or nothing more will be, but no longer than it may.
async fn wait(app: &App, asked: Asked) {
    let mut progress = app.progress.clone();
    let there =
        |progress: &Progress| progress.halted.is_some() || (progress.identified && progress.position >= asked.at_least);
    let reached = progress.wait_for(there);
    let waited = timeout(asked.wait, reached);
    // A service that stops does not keep its callers waiting.
    let _ = app.stop.run_until_cancelled(waited).await;
}

async fn answer(app: &App) -> Result<Json<PositionAnswer>, Problem> {
    let progress = app.progress.borrow().clone();
    let stopped = belongs_to_the_log(&progress)?;
    let head = app.heads.head().await.map_err(|error| log_failed(&error))?;
    let position = progress.position;
    app.freshness.note(position, head);
    Ok(Json(PositionAnswer {
        position: position.get(),
        head: head.max(position).get(),
        lag_seconds: if position >= head { 0.0 } else { app.lag.now().as_secs_f64() },
        log: app.log.id().uuid(),
        stopped,
    }))
}

/// By what the projector has stopped, if it has, where the rows are known to be of this log; an error where not.
pub fn belongs_to_the_log(progress: &Progress) -> Result<Option<StoppedBy>, Problem> {
    let stopped = match &progress.halted {
        Some(Broken::Foreign(_)) => return Err(Problem::new(Code::LogCorrupt)),
        halted => halted.as_ref().map(stopped_by),
    };
    if progress.identified {
        return Ok(stopped);
    }
    Err(match stopped {
        Some(StoppedBy::LogCorrupt) => Problem::new(Code::LogCorrupt),
        Some(StoppedBy::Damaged) => Problem::new(Code::ReadModelUnavailable),
        _ => Problem::new(Code::CatchingUp).with_detail("it is not known yet whether the rows belong to the log"),
    })
}

fn stopped_by(broken: &Broken) -> StoppedBy {
    match broken {
        Broken::Foreign(_) | Broken::Corrupt(_) => StoppedBy::LogCorrupt,
        Broken::Keyless(_) => StoppedBy::KeysUnavailable,
        Broken::Damaged(_) => StoppedBy::Damaged,
    }
}
