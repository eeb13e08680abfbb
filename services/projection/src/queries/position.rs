//! `GET /v1/position`: how far the log is applied; with `at_least` and `wait`, once it is that far.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use domain::Position;
use event_log::ReadError;
use postkey_http::{Caller, Code, Fields, FromFields, PositionAnswer, Problem, Query, StoppedBy};
use tokio::time::timeout;

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

/// Not reached within the wait: the present position all the same.
pub async fn position(
    State(app): State<App>,
    _any: Caller,
    Query(asked): Query<Asked>,
) -> Result<Json<PositionAnswer>, Problem> {
    let mut progress = app.progress.clone();
    let there =
        |progress: &Progress| progress.halted.is_some() || (progress.identified && progress.position >= asked.at_least);
    let reached = progress.wait_for(there);
    let waited = timeout(asked.wait, reached);
    // A service that stops does not keep its callers waiting.
    let _ = app.stop.run_until_cancelled(waited).await;
    let progress = app.progress.borrow().clone();
    let stopped = match &progress.halted {
        Some(Broken::Foreign(_)) => return Err(Problem::new(Code::LogCorrupt)),
        halted => halted.as_ref().map(stopped_by),
    };
    if !progress.identified {
        return Err(match stopped {
            Some(StoppedBy::LogCorrupt) => Problem::new(Code::LogCorrupt),
            Some(StoppedBy::Damaged) => Problem::new(Code::ReadModelUnavailable),
            _ => Problem::new(Code::CatchingUp).with_detail("it is not known yet whether the rows belong to the log"),
        });
    }
    let head = match app.heads.head().await {
        Ok(head) => head,
        Err(ReadError::Corrupt(_)) => return Err(Problem::new(Code::LogCorrupt)),
        Err(ReadError::Unavailable(_)) => return Err(Problem::new(Code::LogUnavailable)),
    };
    let position = progress.position;
    Ok(Json(PositionAnswer {
        position: position.get(),
        head: head.max(position).get(),
        lag_seconds: app.freshness.behind(position, head).as_secs_f64(),
        log: app.log_id.uuid(),
        stopped,
    }))
}

fn stopped_by(broken: &Broken) -> StoppedBy {
    match broken {
        Broken::Foreign(_) | Broken::Corrupt(_) => StoppedBy::LogCorrupt,
        Broken::Keyless(_) => StoppedBy::KeysUnavailable,
        Broken::Damaged(_) => StoppedBy::Damaged,
    }
}
