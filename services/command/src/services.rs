//! Services at hand: loaded from the log on a miss, kept folded, caught up where it matters.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Position, ServiceId};
use event_log::{AppendError, EventLog, ReadError, Scope};
use futures::{StreamExt, TryStreamExt};
use keys::{Vault, VaultError};
use lru::LruCache;
use postkey_http::{Code, Problem};
use tokio::time::timeout;
use wire::{Corrupt, OpenError, Opened, Stored, open_all};

use crate::folded::Folded;
use crate::keys_at_hand::KeysAtHand;
use crate::log_guard::LogGuard;

/// How many users, over all services that are kept folded: some 200 MiB. The largest service alone may have more.
const MAX_USERS: usize = 200_000;
/// How many entries are opened at a time.
const CHUNK: usize = 1_024;

/// One service at hand.
pub struct Slot {
    id: ServiceId,
    loaded: AtomicBool,
    folded: Mutex<Folded>,
    /// Commands on one service queue here: whoever decides and appends holds it.
    queue: tokio::sync::Mutex<()>,
}

/// How long a command waits for its turn on a service. While the log is down each turn takes as long as an append may.
const TURN_WITHIN: Duration = Duration::from_secs(10);

impl Slot {
    /// The turn to catch up, or to decide and append.
    ///
    /// # Errors
    /// Where too many are before us.
    pub async fn turn(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, Problem> {
        timeout(TURN_WITHIN, self.queue.lock())
            .await
            .map_err(|_| Problem::new(Code::Overloaded).with_detail("too many changes of this service are waiting"))
    }

    /// What is known of it now. Never held across an await.
    pub fn folded(&self) -> MutexGuard<'_, Folded> {
        self.folded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it takes of memory, in users; a service without any takes a little too.
    fn weight(&self) -> usize {
        self.folded().weight()
    }

    /// Folds an entry that was just appended.
    ///
    /// # Errors
    /// Where it does not follow: it is loaded anew next time.
    pub fn apply(&self, opened: &Opened) -> Result<(), Corrupt> {
        let applied = self.folded().apply(opened);
        if applied.is_err() {
            self.loaded.store(false, Ordering::Release);
        }
        applied
    }
}

/// All services, as far as they are at hand.
pub struct Services {
    log: Arc<EventLog>,
    vault: Vault,
    guard: LogGuard,
    keys: KeysAtHand,
    /// Bounded by what the slots hold, see [`Services::keep_or_shed`].
    slots: Mutex<LruCache<ServiceId, Arc<Slot>>>,
}

/// Why a service can't be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The log can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An entry can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl From<Corrupt> for LoadError {
    fn from(corrupt: Corrupt) -> Self {
        Self::Open(OpenError::Corrupt(corrupt))
    }
}

impl Services {
    /// Nothing at hand yet.
    pub fn new(log: Arc<EventLog>, vault: Vault, guard: LogGuard, keys: KeysAtHand) -> Self {
        Self { log, vault, guard, keys, slots: Mutex::new(LruCache::unbounded()) }
    }

    /// The service's slot, loaded. Of two that miss at once, one loads and the other waits.
    ///
    /// # Errors
    /// Where the log or the keys can't be had, or are not what they must be.
    pub async fn slot(&self, id: ServiceId) -> Result<Arc<Slot>, Problem> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = || {
                let (loaded, folded) = (AtomicBool::new(false), Mutex::default());
                Arc::new(Slot { id, loaded, folded, queue: tokio::sync::Mutex::default() })
            };
            Arc::clone(slots.get_or_insert(id, fresh))
        };
        if !slot.loaded.load(Ordering::Acquire) {
            let _turn = slot.turn().await?;
            if !slot.loaded.load(Ordering::Acquire) {
                self.catch_up(&slot).await?;
                self.keep_or_shed(&slot);
            }
        }
        Ok(slot)
    }

    /// Keeps what was just loaded, at the cost of the services that were asked for longest ago. One that does not exist
    /// is not kept: whoever guesses ids pushes nobody out.
    fn keep_or_shed(&self, loaded: &Arc<Slot>) {
        let exists = loaded.folded().position() > Position::START;
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if !exists {
            if slots.peek(&loaded.id).is_some_and(|kept| Arc::ptr_eq(kept, loaded)) {
                slots.pop(&loaded.id);
            }
            return;
        }
        let mut users: usize = slots.iter().map(|(_, slot)| slot.weight()).sum();
        while users > MAX_USERS && slots.len() > 1 {
            let Some((_, slot)) = slots.pop_lru() else { break };
            users -= slot.weight();
        }
    }

    /// Reads what the log's leader holds of the service beyond what is known. The caller holds the slot's turn.
    ///
    /// # Errors
    /// As [`Services::slot`].
    pub async fn catch_up(&self, slot: &Slot) -> Result<(), Problem> {
        match self.try_to_catch_up(slot).await {
            Ok(()) => {
                slot.loaded.store(true, Ordering::Release);
                Ok(())
            }
            Err(error) => {
                slot.loaded.store(false, Ordering::Release);
                Err(self.problem(&error))
            }
        }
    }

    async fn try_to_catch_up(&self, slot: &Slot) -> Result<(), LoadError> {
        let after = {
            let mut folded = slot.folded();
            if !slot.loaded.load(Ordering::Acquire) {
                *folded = Folded::default();
            }
            folded.position()
        };
        let mut chunks = self.log.read(Scope::service(slot.id), after).ready_chunks(CHUNK);
        while let Some(chunk) = chunks.next().await {
            let stored: Vec<Stored> = chunk.into_iter().collect::<Result<_, _>>()?;
            for opened in open_all(&stored, self.log.id(), &self.vault).await? {
                slot.folded().apply(&opened)?;
            }
        }
        Ok(())
    }

    /// One entry of a service, as it was written.
    ///
    /// # Errors
    /// As [`Services::slot`].
    pub async fn entry(&self, slot: &Slot, position: Position) -> Result<Opened, Problem> {
        let before = Position::new(position.get().saturating_sub(1));
        let read = async {
            let stored: Option<Stored> = self.log.read(Scope::service(slot.id), before).try_next().await?;
            let stored: Vec<_> = stored.into_iter().filter(|stored| stored.position == position).collect();
            let opened = open_all(&stored, self.log.id(), &self.vault).await?.pop();
            opened.ok_or_else(|| Corrupt::new(position, "an entry that was read before is gone").into())
        };
        read.await.map_err(|error| self.problem(&error))
    }

    /// What a caller is told of a failure to read, and what the operator is.
    pub fn problem(&self, error: &LoadError) -> Problem {
        match error {
            LoadError::Read(ReadError::Unavailable(what)) => self.log_unavailable(what),
            LoadError::Read(ReadError::Corrupt(corrupt)) => {
                self.guard.trip(corrupt);
                Problem::new(Code::LogCorrupt)
            }
            LoadError::Open(OpenError::Corrupt(corrupt)) => {
                self.guard.unreadable(corrupt.position, corrupt);
                Problem::new(Code::LogCorrupt)
            }
            LoadError::Open(OpenError::Keys(error)) => self.keys.problem(error),
            LoadError::Open(OpenError::Lost { key, .. }) => self.keys.problem(&VaultError::Lost(*key)),
        }
    }

    /// What a caller is told of a failure to append.
    pub fn append_problem(&self, error: &AppendError) -> Problem {
        match error {
            AppendError::Corrupt(corrupt) => {
                self.guard.trip(corrupt);
                Problem::new(Code::LogCorrupt)
            }
            AppendError::Closed => {
                self.guard.closed();
                let detail = "the log was closed, and goes on elsewhere: the change was not made; ask there, with the same \
                              Idempotency-Key";
                Problem::new(Code::LogUnavailable).with_detail(detail)
            }
            AppendError::Conflict | AppendError::Unavailable | AppendError::TooLarge { .. } => {
                self.log_unavailable(&error.to_string())
            }
        }
    }

    fn log_unavailable(&self, what: &str) -> Problem {
        tracing::error!(what, "the log is unavailable");
        let detail = "what became of the change is not known yet: ask again with the same Idempotency-Key";
        Problem::new(Code::LogUnavailable).with_detail(detail)
    }
}

#[cfg(test)]
mod tests;
