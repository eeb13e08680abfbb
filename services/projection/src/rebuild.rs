//! A rebuild, also beside running services: the next generation is filled from the log by the normal path, compared, and swapped.

use std::sync::Arc;

use domain::Position;
use event_log::{Corrupt, EventLog, ReadError, Scope};
use keys::Vault;
use wire::LogId;

use crate::projector::{Broken, Halt, Projector};
use crate::read_model::{Applied, ApplyError, Generation, Generations, ReadModelError, ReadModelWriter};

/// How many differing rows are named.
const NAMED: u32 = 20;
/// How often rows that differ are looked at again, while a running projection moves them.
const LOOKS: u32 = 5;
/// How often the live rows, if another process goes on writing them, are caught up with before it is given up.
const SWAPS: u32 = 100;

/// What a rebuild came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebuildReport {
    /// The position that the new rows stand at.
    pub position: Position,
    /// Rows that differed from the log, as `user <id>` or `service <id>`, at most twenty; they are right now. `None`
    /// where there were no old rows, or none that could be read.
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
            Halt::Broken(Broken::Corrupt(what) | Broken::Foreign(what) | Broken::Keyless(what)) => Self::Broken(what),
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
            ApplyError::Moved | ApplyError::NotLeading => Self::Busy,
            ApplyError::AddressTwice => Self::Broken(error.to_string()),
            ApplyError::ReadModel(error) => error.into(),
        }
    }
}

/// Fills the next generation up to the log's head, says which rows of the live one differed at its position, and swaps
/// where both stand at one position, or the live one is behind. `step` hears each position on the way, and the head.
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
    generations.mend().await?;
    let live = generations.live().await?;
    let old = readable(writer.applied(live).await)?;
    // Asked after the rows, which a projection may be moving meanwhile.
    let head = match &old {
        Some(old) if old.log != log.id() => return Err(foreign(old, log.id(), Position::START)),
        Some(old) => match log.head_beyond(old.position).await {
            Err(ReadError::Corrupt(Corrupt::RolledBack { head, .. })) => return Err(foreign(old, log.id(), head)),
            head => head.map_err(Halt::from)?.position,
        },
        None => log.head(Scope::All).await.map_err(Halt::from)?.position,
    };
    let next = generations.begin().await?;
    let projector = Projector::new(Arc::clone(&log), vault, Arc::clone(&writer), next);
    let mut beside = Beside { log, writer, generations, projector, live, next, head };
    let differences = match old {
        Some(old) => Some(beside.compare(old, &mut step).await?),
        None => None,
    };
    let position = beside.swap(&mut step).await?;
    Ok(RebuildReport { position, differences })
}

/// How far rows are; nowhere where that can't be read: what is damaged is what a rebuild is for.
fn readable(applied: Result<Option<Applied>, ReadModelError>) -> Result<Option<Applied>, ReadModelError> {
    match applied {
        Err(ReadModelError::Damaged(_)) => Ok(None),
        applied => applied,
    }
}

/// A generation that is filled beside the live one.
struct Beside {
    log: Arc<EventLog>,
    writer: Arc<dyn ReadModelWriter>,
    generations: Arc<dyn Generations>,
    projector: Projector,
    live: Generation,
    next: Generation,
    /// Where the log ended when it was begun.
    head: Position,
}

impl Beside {
    /// Comes to where the live rows are, `old`, and says which of them differ.
    async fn compare(
        &mut self,
        mut old: Applied,
        step: &mut impl FnMut(Position, Position),
    ) -> Result<Vec<String>, RebuildError> {
        let mut differing: Option<Vec<String>> = None;
        for _ in 0..LOOKS {
            let of = self.head.max(old.position);
            let reached = self.projector.catch_up(old.position, |at| step(at, of)).await?;
            if reached.is_none_or(|reached| reached.frontier != old.frontier) {
                return Err(foreign(&old, self.log.id(), self.head));
            }
            let mut found = self.generations.differences(self.live, self.next, NAMED).await?;
            found.retain(|row| differing.as_ref().is_none_or(|before| before.contains(row)));
            let all_alike = found.is_empty();
            differing = Some(found);
            match self.writer.applied(self.live).await? {
                // A row that only a running projection has moved on meanwhile is alike at the next look.
                Some(now) if now != old && !all_alike => old = now,
                _ => break,
            }
        }
        Ok(differing.unwrap_or_default())
    }

    /// Comes to the log's head, and takes the live rows' place there.
    async fn swap(&mut self, step: &mut impl FnMut(Position, Position)) -> Result<Position, RebuildError> {
        let mut to = self.head;
        for _ in 0..SWAPS {
            self.projector.catch_up(to, |at| step(at, to)).await?;
            let stands = readable(self.writer.applied(self.live).await)?.map(|applied| applied.position);
            // Rows that are behind, or can't be read, are not caught up with; of those that are ahead, lookups do not go back.
            let force = stands != Some(to);
            if stands <= Some(to) {
                match self.generations.swap(self.live, self.next, force).await {
                    Ok(()) => return Ok(to),
                    Err(ApplyError::Moved) if !force => {}
                    Err(error) => return Err(error.into()),
                }
            }
            to = self.log.head(Scope::All).await.map_err(Halt::from)?.position;
        }
        Err(RebuildError::Busy)
    }
}

/// Rows that this log did not make are the only witness of what the log once was: they are not thrown away unasked.
fn foreign(old: &Applied, log: LogId, head: Position) -> RebuildError {
    let at = old.position;
    let what = if old.log != log {
        format!("the rows were built from log {}, and this is log {log}", old.log)
    } else if at > head {
        format!("the log ends at position {head}, but position {at} was applied: it was rolled back")
    } else {
        format!("the log's entries up to position {at} are not those that the rows were built from")
    };
    let advice = "restore the log; or, if this is the log to go on with, give it a read model of its own: another file, or \
                  another database";
    RebuildError::Broken(format!("{what}: {advice}"))
}

#[cfg(test)]
mod tests;
