//! A rebuild while nobody serves: the next generation is filled from the log by the normal path, compared, and swapped.

use std::sync::Arc;

use domain::Position;
use event_log::EventLog;
use keys::Vault;

use crate::projector::{Broken, Halt, Projector};
use crate::read_model::{ApplyError, Generations, ReadModelError, ReadModelWriter};

/// How many differing rows are named.
const NAMED: u32 = 20;

/// What a rebuild came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebuildReport {
    /// The position that the new rows stand at.
    pub position: Position,
    /// Rows that differed from the log, as `user <id>` or `service <id>`, at most twenty; they are right now. `None`
    /// where the old rows stood at no position of this log, so that they could not be compared.
    pub differences: Option<Vec<String>>,
}

/// Why a rebuild came to nothing. The old rows are untouched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// The log or the keys are not what they must be.
    #[error("{0}")]
    Broken(String),
    /// Something can't be reached.
    #[error("{0}; nothing was changed, try again")]
    Later(String),
    /// The read model is not what we left there.
    #[error("{0}")]
    Damaged(String),
    /// Somebody else works on the read model.
    #[error("the read model is being written by another process; stop it first")]
    Busy,
}

impl From<Halt> for RebuildError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Broken(Broken::Damaged(what)) => Self::Damaged(what),
            Halt::Broken(Broken::Corrupt(what) | Broken::Foreign(what)) => Self::Broken(what),
            Halt::Later(what) => Self::Later(what),
            Halt::Moved => Self::Busy,
        }
    }
}

impl From<ReadModelError> for RebuildError {
    fn from(error: ReadModelError) -> Self {
        Halt::from(error).into()
    }
}

impl From<ApplyError> for RebuildError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Moved => Self::Busy,
            ApplyError::AddressTwice => Self::Broken(error.to_string()),
            ApplyError::ReadModel(error) => error.into(),
        }
    }
}

/// Fills the next generation up to the log's head, says which rows of the live one differed at its position, and swaps.
/// `step` hears each position on the way, and the head.
///
/// # Errors
/// See [`RebuildError`].
pub async fn rebuild(
    log: Arc<EventLog>,
    vault: Vault,
    writer: Arc<dyn ReadModelWriter>,
    generations: Arc<dyn Generations>,
    mut step: impl FnMut(Position, Position),
) -> Result<RebuildReport, RebuildError> {
    let head = log.head(event_log::Scope::All).await.map_err(Halt::from)?.position;
    let live = generations.live().await?;
    // What is damaged is what a rebuild is for.
    let old = match writer.applied(live).await {
        Ok(applied) => applied.filter(|applied| applied.log == log.id() && applied.position <= head),
        Err(ReadModelError::Damaged(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let next = generations.begin().await?;
    let mut projector = Projector::new(log, vault, writer, next);
    let mut differences = None;
    if let Some(old) = old {
        let reached = projector.catch_up(old.position, |at| step(at, head)).await?;
        if reached.is_some_and(|reached| reached.frontier == old.frontier) {
            differences = Some(generations.differences(live, next, NAMED).await?);
        }
    }
    projector.catch_up(head, |at| step(at, head)).await?;
    generations.swap(live, next, true).await?;
    Ok(RebuildReport { position: head, differences })
}

#[cfg(test)]
mod tests;
