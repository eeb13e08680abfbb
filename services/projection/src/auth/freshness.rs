//! Whether a row may be trusted: it must be at least as new as the log was when the login came.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{Address, Position, ServiceId};
use event_log::{EventLog, ReadError, Scope};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::Heads;
use super::heads::ask;
use crate::projector::{Broken, Progress};
use crate::read_model::{LoginRow, Lookups, ReadModelError};

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
    progress: watch::Receiver<Progress>,
    /// For how long an unreachable log is done without.
    bound: Duration,
    begun: Instant,
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
        Self { log, heads, lookups, progress, bound, begun: Instant::now(), caught_up: Mutex::new(None) }
    }

    /// The row of an address, as new as anything that was acknowledged before the call. An address that nobody has
    /// takes the same way, and the same time.
    ///
    /// # Errors
    /// See [`NotFresh`]: then nobody may be let in, nor told that a password is wrong.
    pub async fn row(&self, address: &Address) -> Result<LoginRow, NotFresh> {
        if matches!(self.progress.borrow().halted, Some(Broken::Foreign(_))) {
            return Err(NotFresh::Corrupt);
        }
        // Before the row is read: a head that is asked for afterwards would say nothing about it.
        let head = match self.heads.head().await {
            Ok(head) => head,
            Err(ReadError::Corrupt(_)) => return Err(NotFresh::Corrupt),
            Err(ReadError::Unavailable(_)) => return self.row_without_the_log(address).await,
        };
        let row = self.lookups.login(address).await?;
        if row.applied >= head {
            self.note_caught_up(head);
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
        let row = self.lookups.login(address).await?;
        if row.applied >= last { Ok(row) } else { Err(NotFresh::CatchingUp) }
    }

    /// For how long the model has been behind the log, as far as this process knows; zero where it is not.
    pub fn behind(&self, position: Position, head: Position) -> Duration {
        if position >= head {
            self.note_caught_up(head);
            return Duration::ZERO;
        }
        self.last_caught_up().map_or(self.begun, |(at, _)| at).elapsed()
    }

    async fn row_without_the_log(&self, address: &Address) -> Result<LoginRow, NotFresh> {
        let Some((_, head)) = self.last_caught_up().filter(|(at, _)| at.elapsed() <= self.bound) else {
            return Err(NotFresh::LogUnavailable);
        };
        let row = self.lookups.login(address).await?;
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
