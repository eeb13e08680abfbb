//! Whether a row may be trusted: it must be at least as new as the log was when the login came.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{Address, Position, ServiceId};
use event_log::{EventLog, ReadError, Scope};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::Heads;
use super::heads::ask;
use super::kept::KeptRows;
use crate::projector::{Broken, Progress};
use crate::read_model::{Generation, LoginRow, Lookups, ReadModelError};

/// How long a login waits for the model to apply what the log holds of its service.
const WAIT: Duration = Duration::from_secs(2);

/// Why there is no row that may be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotFresh {
    /// The log holds newer entries of the service than the model has applied.
    CatchingUp,
    /// The log can't be asked, and the model was last known to be caught up too long ago.
    LogUnavailable,
    /// The log is not what it must be.
    Corrupt,
    /// The keys of an entry that the model lacks are lost.
    Keyless,
    /// The model can't be asked.
    ReadModel(ReadModelError),
}

impl From<ReadModelError> for NotFresh {
    fn from(error: ReadModelError) -> Self {
        Self::ReadModel(error)
    }
}

/// Looks rows up, and lets only those through that are as new as the log.
pub struct Freshness {
    log: Arc<EventLog>,
    heads: Heads,
    lookups: Arc<dyn Lookups>,
    kept: KeptRows,
    progress: watch::Receiver<Progress>,
    /// For how long an unreachable log is done without.
    bound: Duration,
    /// When the model was last known to be caught up, and with what.
    caught_up: Mutex<Option<(Instant, Position)>>,
}

impl Freshness {
    /// Over the log, its heads, the rows, and the projector's progress.
    pub fn new(
        log: Arc<EventLog>,
        heads: Heads,
        lookups: Arc<dyn Lookups>,
        progress: watch::Receiver<Progress>,
        bound: Duration,
    ) -> Self {
        Self { log, heads, lookups, kept: KeptRows::new(), progress, bound, caught_up: Mutex::new(None) }
    }

    /// The row of an address, as new as anything that was acknowledged before the call. An address that nobody has
    /// takes the same way, and the same time. It is read anew once the log has grown, or other rows were made in the place
    /// of these: at once where this process has done that, within some two seconds where another one has.
    ///
    /// # Errors
    /// See [`NotFresh`]: then nobody may be let in, nor told that a password is wrong.
    pub async fn row(&self, address: &Address) -> Result<Arc<LoginRow>, NotFresh> {
        // Before the row is read, so that no row counts as of a later generation than it is.
        let live = self.live()?;
        // Before the row is read: a head that is asked for afterwards would say nothing about it.
        let head = match self.heads.head().await {
            Ok(head) => head,
            Err(ReadError::Corrupt(_)) => return Err(NotFresh::Corrupt),
            Err(ReadError::Unavailable(_)) => return self.row_without_the_log(address).await,
        };
        if let Some(row) = self.kept.get(address, live, head) {
            self.note_caught_up(head);
            return Ok(row);
        }
        let row = self.read(address).await?;
        if row.applied >= head {
            self.note_caught_up(head);
            self.kept.keep(address, live, &row);
            return Ok(row);
        }
        let last = match ask(&self.log, Scope::service(ServiceId::of(&address.domain()))).await {
            Ok(last) => last,
            Err(ReadError::Corrupt(_)) => return Err(NotFresh::Corrupt),
            Err(ReadError::Unavailable(_)) => return self.row_without_the_log(address).await,
        };
        if row.applied >= last {
            return Ok(row);
        }
        let mut progress = self.progress.clone();
        let reached = progress.wait_for(|progress| progress.position >= last || progress.halted.is_some());
        match timeout(WAIT, reached).await {
            Ok(Ok(progress)) if progress.position < last => {
                return Err(match &progress.halted {
                    Some(Broken::Damaged(what)) => NotFresh::ReadModel(ReadModelError::Damaged(what.clone())),
                    Some(Broken::Keyless(_)) => NotFresh::Keyless,
                    _ => NotFresh::Corrupt,
                });
            }
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return Err(NotFresh::CatchingUp),
        }
        let row = self.read(address).await?;
        if row.applied >= last { Ok(row) } else { Err(NotFresh::CatchingUp) }
    }

    /// Notes how far the rows are, and a head that was just asked for: where they are as far, logins are answered for a while
    /// without the log too.
    pub fn note(&self, position: Position, head: Position) {
        if position >= head {
            self.note_caught_up(head);
        }
    }

    /// The generation whose rows are looked up, as far as the projector knows.
    fn live(&self) -> Result<Option<Generation>, NotFresh> {
        let progress = self.progress.borrow();
        if matches!(progress.halted, Some(Broken::Foreign(_))) { Err(NotFresh::Corrupt) } else { Ok(progress.live) }
    }

    async fn read(&self, address: &Address) -> Result<Arc<LoginRow>, NotFresh> {
        Ok(Arc::new(self.lookups.login(address).await?))
    }

    /// Always read: another process may have applied what this one can't ask for, and none may miss that.
    async fn row_without_the_log(&self, address: &Address) -> Result<Arc<LoginRow>, NotFresh> {
        let Some((_, head)) = self.last_caught_up().filter(|(at, _)| at.elapsed() <= self.bound) else {
            return Err(NotFresh::LogUnavailable);
        };
        let row = self.read(address).await?;
        // Rows can go back: a crash of their server may take the last of them, until they are applied again.
        if row.applied >= head { Ok(row) } else { Err(NotFresh::LogUnavailable) }
    }

    fn note_caught_up(&self, head: Position) {
        let mut last = self.caught_up.lock().unwrap_or_else(PoisonError::into_inner);
        // Of two that are noted at once, the later head counts.
        let head = last.map_or(head, |(_, before)| before.max(head));
        *last = Some((Instant::now(), head));
    }

    fn last_caught_up(&self) -> Option<(Instant, Position)> {
        *self.caught_up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
