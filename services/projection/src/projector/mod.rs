//! The projector: follow the log, open what stands there, fold it onto rows, and write rows and applied position in one
//! transaction. What it can't make sense of stops it, for a person to look; it skips nothing.

mod ahead;
mod back_fill;
mod cache;
mod filling;
mod follower;
mod gathered;
mod lag;
mod leading;
mod old_rows;
#[cfg(test)]
mod tests;

use std::future;
use std::pin::pin;
use std::sync::Arc;

use domain::Position;
use event_log::{EventLog, ReadError, Scope};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use keys::{Vault, VaultError};
use wire::{OpenError, Opened, Stored};

use self::ahead::{Ahead, open_ahead};
use self::back_fill::BackFill;
use self::cache::RowCache;
pub use self::follower::{Checks, Follower};
use self::gathered::Gathered;
pub use self::lag::Lag;
pub use self::leading::Leading;
use crate::read_model::{Applied, ApplyError, Generation, ReadModelError, ReadModelWriter, Rows, Touched};

/// How far the projector has come, for whoever waits for a position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last position that lookups see.
    pub position: Position,
    /// Whether the rows and the log were seen to belong together. Before, the position says nothing.
    pub identified: bool,
    /// The generation that it is of; none before the first.
    pub live: Option<Generation>,
    /// Why nothing more will be applied until a person has looked; none while all is well.
    pub halted: Option<Broken>,
}

/// What a person has to look at. It shows in health, in these words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The log is not the one that the rows were built from: no row may be trusted, no position vouched for.
    #[error("{0}")]
    Foreign(String),
    /// An entry is not what a writer of ours left there. The rows are right up to the one before.
    #[error("{0}")]
    Corrupt(String),
    /// The keys that open an entry of ours are not in the key store. The rows are right up to the one before; it is tried
    /// again, for the keys may be restored while we run.
    #[error("{0}")]
    Keyless(String),
    /// The read model is not what we left there.
    #[error("{0}")]
    Damaged(String),
}

/// Why the projector does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// The log, the keys or the read model are not what they must be: a person has to look.
    Broken(Broken),
    /// Something can't be reached now.
    Later(String),
    /// Another projector has moved the generation, made another one live, or leads.
    Moved,
}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Corrupt(
                corrupt @ (event_log::Corrupt::OtherLog { .. } | event_log::Corrupt::RolledBack { .. }),
            ) => Self::Broken(Broken::Foreign(corrupt.to_string())),
            ReadError::Corrupt(corrupt) => Self::Broken(Broken::Corrupt(corrupt.to_string())),
            ReadError::Unavailable(_) => Self::Later(error.to_string()),
        }
    }
}

impl From<ReadModelError> for Halt {
    fn from(error: ReadModelError) -> Self {
        match error {
            ReadModelError::Unavailable(_) => Self::Later(error.to_string()),
            ReadModelError::Damaged(_) | ReadModelError::Incomplete(_) | ReadModelError::NotOurs(_) => {
                Self::Broken(Broken::Damaged(error.to_string()))
            }
        }
    }
}

impl From<OpenError> for Halt {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Keys(VaultError::Unavailable(_)) => Self::Later(error.to_string()),
            OpenError::Keys(VaultError::Foreign(_) | VaultError::Lost(_)) | OpenError::Lost { .. } => {
                Self::Broken(Broken::Keyless(error.to_string()))
            }
            OpenError::Corrupt(_) => Self::Broken(Broken::Corrupt(error.to_string())),
        }
    }
}

/// Applies the log to one generation.
pub struct Projector {
    log: Arc<EventLog>,
    vault: Vault,
    model: Arc<dyn ReadModelWriter>,
    generation: Generation,
    cache: RowCache,
}

impl Projector {
    /// A projector of `log` onto `generation`.
    pub fn new(log: Arc<EventLog>, vault: Vault, model: Arc<dyn ReadModelWriter>, generation: Generation) -> Self {
        Self { log, vault, model, generation, cache: RowCache::new() }
    }

    /// Applies everything up to `to`, which the log has reached, and calls `step` with each position on the way. Rows are
    /// gathered before they are written.
    ///
    /// # Errors
    /// See [`Halt`].
    pub async fn catch_up(&mut self, to: Position, mut step: impl FnMut(Position)) -> Result<Option<Applied>, Halt> {
        let mut applied = self.identified().await?;
        if !self.gather_up(&mut applied, to, &mut step).await? {
            // It is no possible history. Where not, is found by writing as it goes.
            self.cache = RowCache::new();
            let log = Arc::clone(&self.log);
            let entries = read_up(&log, position(applied.as_ref()), to);
            let mut batches = pin!(open_ahead(entries, self.log.id(), self.vault.clone()));
            while let Some(batch) = batches.next().await {
                self.apply(&mut applied, batch).await?;
                step(position(applied.as_ref()));
            }
        }
        if position(applied.as_ref()) < to {
            return Err(Halt::Later(format!("the log ends before position {to}")));
        }
        Ok(applied)
    }

    /// `false` where what was gathered last can't be written, or folded: then nothing of that is.
    async fn gather_up(
        &mut self,
        applied: &mut Option<Applied>,
        to: Position,
        step: &mut impl FnMut(Position),
    ) -> Result<bool, Halt> {
        let log = Arc::clone(&self.log);
        let entries = read_up(&log, position(applied.as_ref()), to);
        let mut batches = pin!(open_ahead(entries, self.log.id(), self.vault.clone()));
        let mut gathered = Gathered::after(applied.clone());
        while let Some(batch) = batches.next().await {
            if !batch.opened.is_empty() {
                let (mut rows, missing) = gathered.split(&audit::touched(&batch.opened));
                rows.extend(self.rows(&missing).await?);
                let folded = audit::fold(self.log.id(), gathered.to(), &batch.opened, rows);
                let Ok(folded) = folded else { return Ok(false) };
                gathered.take_in(folded);
            }
            if (gathered.is_full() || batch.then.is_some()) && !self.write(applied, &mut gathered).await? {
                return Ok(false);
            }
            step(position(gathered.to()));
            if let Some(halt) = batch.then {
                return Err(halt);
            }
        }
        self.write(applied, &mut gathered).await
    }

    /// `false` where it can't be.
    async fn write(&mut self, applied: &mut Option<Applied>, gathered: &mut Gathered) -> Result<bool, Halt> {
        let Some(batch) = gathered.empty_into(applied.as_ref()) else { return Ok(true) };
        match self.model.apply(self.generation, &batch, applied.as_ref()).await {
            Ok(()) => {
                *applied = Some(batch.to.clone());
                self.cache.keep(batch);
                Ok(true)
            }
            Err(ApplyError::AddressTwice) => Ok(false),
            Err(ApplyError::Moved | ApplyError::NotLeading) => Err(Halt::Moved),
            Err(ApplyError::ReadModel(error)) => Err(error.into()),
        }
    }

    /// The rows as they are written: from memory, or read.
    async fn rows(&mut self, touched: &Touched) -> Result<Rows, Halt> {
        let (mut rows, missing) = self.cache.split(touched);
        rows.extend(self.model.touched(self.generation, &missing).await?);
        Ok(rows)
    }

    /// Follows the log from `applied` on, and tells `step` of it after each batch. What the ledger lacks is added meanwhile.
    /// Ends with a reason only.
    async fn follow(
        &mut self,
        mut applied: Option<Applied>,
        mut ledger: BackFill,
        mut step: impl FnMut(Option<&Applied>),
    ) -> Halt {
        let log = Arc::clone(&self.log);
        let entries = log.follow(position(applied.as_ref()));
        let mut batches = pin!(open_ahead(entries, self.log.id(), self.vault.clone()));
        let mut old_rows = true;
        loop {
            let batch = match batches.next().now_or_never() {
                Some(batch) => batch,
                None if old_rows => match self.rewrite_old_rows(applied.as_ref()).await {
                    Ok(more) => {
                        old_rows = more;
                        continue;
                    }
                    Err(halt) => return halt,
                },
                None if ledger.is_due() => match ledger.go_on(applied.as_ref()).await {
                    Ok(()) => continue,
                    Err(halt) => return halt,
                },
                None => batches.next().await,
            };
            let Some(batch) = batch else { return Halt::Later("the log's stream ended".to_owned()) };
            let outcome = self.apply(&mut applied, batch).await;
            step(applied.as_ref());
            if let Err(halt) = outcome {
                return halt;
            }
            // Or it would never come to its end where there is always a next batch.
            if ledger.lacks()
                && let Err(halt) = ledger.go_on(applied.as_ref()).await
            {
                return halt;
            }
        }
    }

    /// How far the generation is, after a look at whether the log is still the one that it was built from.
    async fn identified(&self) -> Result<Option<Applied>, Halt> {
        let applied = self.model.applied(self.generation).await?;
        let head = self.log.head(Scope::All).await?;
        let Some(applied) = applied else { return Ok(None) };
        if applied.log != head.log {
            let what = format!(
                "the read model was built from log {}, but this is log {}: bring the two together that belong together",
                applied.log, head.log
            );
            return Err(Halt::Broken(Broken::Foreign(what)));
        }
        match self.log.head_beyond(applied.position).await {
            Err(ReadError::Corrupt(event_log::Corrupt::RolledBack { head, .. })) => {
                return Err(Halt::Broken(Broken::Foreign(format!(
                    "the log ends at position {head}, but position {} was applied: it was rolled back; restore the log",
                    applied.position
                ))));
            }
            beyond => drop(beyond?),
        }
        if let Some(leaf) = applied.leaf {
            let before = Position::new(applied.position.get().saturating_sub(1));
            let last: Option<Stored> = self.log.read(Scope::All, before).try_next().await?;
            // It came so far a moment ago: whoever answers now may lag.
            let last = last.ok_or_else(|| Halt::Later("the log's last entry can't be read now".to_owned()))?;
            if ledger::leaf_hash(&last.entry.bytes) != leaf {
                return Err(Halt::Broken(Broken::Foreign(format!(
                    "the log is corrupt at position {}: it holds another entry than the one that was applied; restore the log",
                    applied.position
                ))));
            }
        }
        Ok(Some(applied))
    }

    /// Applies what was opened, and then fails of what comes after it.
    async fn apply(&mut self, applied: &mut Option<Applied>, batch: Ahead) -> Result<(), Halt> {
        self.apply_opened(applied, batch.opened).await?;
        batch.then.map_or(Ok(()), Err)
    }

    async fn apply_opened(&mut self, applied: &mut Option<Applied>, mut opened: Vec<Opened>) -> Result<(), Halt> {
        let mut broken = None;
        while !opened.is_empty() {
            let touched = audit::touched(&opened);
            let rows = self.rows(&touched).await?;
            let batch = match audit::fold(self.log.id(), applied.as_ref(), &opened, rows) {
                Ok(batch) => batch,
                Err(corrupt) => {
                    // The rows may be newer than `applied`: then it is not the log that is wrong.
                    if self.model.applied(self.generation).await? != *applied {
                        return Err(Halt::Moved);
                    }
                    opened.retain(|opened| opened.link.position < corrupt.position);
                    broken = Some(Halt::Broken(Broken::Corrupt(corrupt.to_string())));
                    continue;
                }
            };
            match self.model.apply(self.generation, &batch, applied.as_ref()).await {
                Ok(()) => {
                    *applied = Some(batch.to.clone());
                    self.cache.keep(batch);
                    break;
                }
                Err(ApplyError::Moved | ApplyError::NotLeading) => return Err(Halt::Moved),
                Err(ApplyError::ReadModel(error)) => return Err(error.into()),
                // Which of the batch's entries it was is found by applying them one by one.
                Err(ApplyError::AddressTwice) if opened.len() > 1 => {
                    let (first, rest) = (opened.remove(0), opened);
                    Box::pin(self.apply_opened(applied, vec![first])).await?;
                    opened = rest;
                }
                Err(error @ ApplyError::AddressTwice) => {
                    let position = opened[0].link.position;
                    let what = format!("impossible history at position {position}: {error}");
                    return Err(Halt::Broken(Broken::Corrupt(what)));
                }
            }
        }
        broken.map_or(Ok(()), Err)
    }
}

/// The entries after a position, up to another.
pub(crate) fn read_up(log: &EventLog, after: Position, to: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
    let beyond = move |entry: &Result<Stored, ReadError>| matches!(entry, Ok(entry) if entry.position > to);
    log.read(Scope::All, after).take_while(move |entry| future::ready(!beyond(entry))).boxed()
}

fn position(applied: Option<&Applied>) -> Position {
    applied.map_or(Position::START, |applied| applied.position)
}
