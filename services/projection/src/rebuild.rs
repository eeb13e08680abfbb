//! A rebuild, also beside running services: the next generation is filled from the log, compared, and swapped.

mod compare;
mod live;
mod routes;

use std::sync::Arc;

use domain::Position;
use event_log::{Corrupt, EventLog, ReadError, Scope};
use keys::Vault;
use wire::LogId;

pub(crate) use self::live::LiveRebuild;
pub(crate) use self::routes::{ask, ask_operation, start, start_operation};
use crate::labour::Labour;
use crate::projector::{Broken, Halt, Projector};
use crate::read_model::{Applied, ApplyError, Filling, Generation, Generations, ReadModelError, ReadModelWriter};

/// How many differing rows are named.
const NAMED: usize = 20;
/// How often the live rows, if another process goes on writing them, are caught up with before it is given up.
const SWAPS: u32 = 1_000;

/// The ports of a read model that a rebuild needs. Where a projection runs beside it, on PostgreSQL, they have connections of
/// their own and never claim the lead.
#[derive(Clone)]
pub struct RebuildPorts {
    /// Where rows are written.
    pub writer: Arc<dyn ReadModelWriter>,
    /// Where a generation is made and swapped.
    pub generations: Arc<dyn Generations>,
    /// Where it is filled.
    pub filling: Arc<dyn Filling>,
}

impl RebuildPorts {
    /// All of one store.
    pub fn of<M: ReadModelWriter + Generations + Filling + 'static>(model: &Arc<M>) -> Self {
        Self { writer: Arc::clone(model) as _, generations: Arc::clone(model) as _, filling: Arc::clone(model) as _ }
    }
}

/// What becomes of rows that are not what the log makes of them, and nothing explains it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Differences {
    /// They stay as they are, and no row is swapped: somebody has to look who changed them.
    #[default]
    Refused,
    /// They are replaced, like all others.
    Accepted,
}

/// What a rebuild is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It has filled the new rows with so many of this many entries.
    Filling(Position, Position),
    /// It compares them with the old ones, and catches up with what came in between.
    Comparing,
}

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
    /// Another rebuild is under way.
    #[error("another rebuild of this read model is under way; wait for that one")]
    Running,
    /// These rows, at most twenty, are not what the log makes of them at the position where they stand.
    #[error(
        "rows are not what the log makes of them, and nothing explains it ({}): somebody changed them, or the read model \
         is faulty; nothing was changed. Find out which, then let a rebuild replace them: `postkey rebuild \
         --accept-differences`", .0.join(", ")
    )]
    Differ(Vec<String>),
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

/// Fills the next generation up to the log's head, looks which rows of the live one differ at its position, and swaps
/// where the live one is not ahead. `step` hears how far it has come.
///
/// # Errors
/// See [`RebuildError`].
pub async fn rebuild(
    log: Arc<EventLog>,
    vault: Vault,
    ports: RebuildPorts,
    differences: Differences,
    step: impl FnMut(Step),
) -> Result<RebuildReport, RebuildError> {
    let claim = ports.filling.claim_rebuild().await?.ok_or(RebuildError::Running)?;
    let rebuilt = rebuild_by(&Labour::here(), log, vault, &ports, differences, step).await;
    drop(claim);
    rebuilt
}

/// The same, by whoever has the right to do it.
async fn rebuild_by(
    labour: &Labour,
    log: Arc<EventLog>,
    vault: Vault,
    ports: &RebuildPorts,
    wanted: Differences,
    mut step: impl FnMut(Step),
) -> Result<RebuildReport, RebuildError> {
    let RebuildPorts { writer, generations, filling } = ports;
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
    let projector = Projector::new(Arc::clone(&log), vault, Arc::clone(writer), next);
    let mut beside = Beside { log, ports, labour, projector, live, next, head };
    let made = async {
        let to = old.as_ref().map_or(head, |old| old.position);
        beside.projector.fill(&**filling, labour, to, |at| step(Step::Filling(at, head))).await?;
        step(Step::Comparing);
        let differences = match old {
            Some(old) => Some(beside.compare(old).await?),
            None => None,
        };
        match differences {
            Some(rows) if wanted == Differences::Refused && !rows.is_empty() => Err(RebuildError::Differ(rows)),
            differences => Ok(RebuildReport { position: beside.swap().await?, differences }),
        }
    };
    let made = made.await;
    if made.is_err() {
        // What was made holds names, which may have to be forgotten before the next rebuild drops it.
        let _ = filling.drop_unfinished().await;
    }
    made
}

/// How far rows are; nowhere where that can't be read: what is damaged is what a rebuild is for.
fn readable(applied: Result<Option<Applied>, ReadModelError>) -> Result<Option<Applied>, ReadModelError> {
    match applied {
        Err(ReadModelError::Damaged(_)) => Ok(None),
        applied => applied,
    }
}

/// A generation that is filled beside the live one.
struct Beside<'r> {
    log: Arc<EventLog>,
    ports: &'r RebuildPorts,
    labour: &'r Labour,
    projector: Projector,
    live: Generation,
    next: Generation,
    /// Where the log ended when it was begun.
    head: Position,
}

impl Beside<'_> {
    /// Comes to the log's head, and takes the live rows' place there.
    async fn swap(&mut self) -> Result<Position, RebuildError> {
        let mut to = self.head;
        for _ in 0..SWAPS {
            let reached = self.projector.catch_up(to, |_| {}).await?;
            let reached = reached.map_or(Position::START, |reached| reached.position);
            // Rows that can't be read are not caught up with; of those that can, lookups do not go back.
            let force = readable(self.ports.writer.applied(self.live).await)?.is_none();
            match self.ports.generations.swap(self.live, self.next, force).await {
                Ok(()) => return Ok(reached),
                Err(ApplyError::Moved) if !force => {}
                Err(error) => return Err(error.into()),
            }
            if self.ports.generations.live().await? != self.live {
                return Err(RebuildError::Busy);
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
