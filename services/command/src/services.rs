//! Services at hand: loaded from the log on a miss, kept folded, caught up where it matters.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{Position, ServiceId};
use event_log::{AppendError, EventLog, ReadError, Scope};
use futures::{StreamExt, TryStreamExt};
use keys::{Vault, VaultError};
use postkey_http::{Code, Problem};
use wire::{Corrupt, OpenError, Opened, Stored, open_all};

use crate::keys_at_hand::KeysAtHand;
use crate::log_guard::LogGuard;

mod at_hand;
mod slot;

use at_hand::AtHand;
pub use slot::Slot;

/// How many entries are opened at a time.
const CHUNK: usize = 1_024;

/// All services, as far as they are at hand.
pub struct Services {
    log: Arc<EventLog>,
    vault: Vault,
    guard: LogGuard,
    keys: KeysAtHand,
    /// Weighed in users, over all services. The largest service alone may have more than may be kept.
    slots: Mutex<AtHand<Slot>>,
}

/// Somebody who needs a slot that is not loaded. Where the last of them goes, and it still is not, it is forgotten: while the
/// log can't be read, or where its caller has gone, whoever names domains fills no memory.
struct Loading {
    services: Arc<Services>,
    slot: Arc<Slot>,
}

impl Drop for Loading {
    fn drop(&mut self) {
        if !self.slot.is_loaded() && self.slot.is_left() {
            self.services.slots().forget(self.slot.id, &self.slot);
        }
    }
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

impl LoadError {
    /// Whether it is for what was read, and not for what could not be.
    const fn is_corrupt(&self) -> bool {
        matches!(self, Self::Read(ReadError::Corrupt(_)) | Self::Open(OpenError::Corrupt(_)))
    }
}

impl From<Corrupt> for LoadError {
    fn from(corrupt: Corrupt) -> Self {
        Self::Open(OpenError::Corrupt(corrupt))
    }
}

impl Services {
    /// Nothing at hand yet; at most `most_users` will be, about 1 KiB each.
    pub fn new(log: Arc<EventLog>, vault: Vault, guard: LogGuard, keys: KeysAtHand, most_users: usize) -> Self {
        Self { log, vault, guard, keys, slots: Mutex::new(AtHand::new(most_users)) }
    }

    /// The service's slot, loaded. Of two that miss at once, one loads and the other waits; whoever gives up waiting leaves a
    /// long history to be read for whoever asks next.
    ///
    /// # Errors
    /// Where the log or the keys can't be had, or are not what they must be.
    pub async fn slot(self: &Arc<Self>, id: ServiceId) -> Result<Arc<Slot>, Problem> {
        let slot = self.at_hand(id);
        self.load(&slot).await?;
        Ok(slot)
    }

    /// The same with all that the log's leader held when it was asked for: by one read, whether the service was at hand, was
    /// not, or does not exist; those that wait for their turn meanwhile share one.
    ///
    /// # Errors
    /// As [`Services::slot`].
    pub async fn newest(self: &Arc<Self>, id: ServiceId) -> Result<Arc<Slot>, Problem> {
        let slot = self.at_hand(id);
        let asked = slot.last_begun();
        self.load(&slot).await?;
        if !slot.was_read_since(asked) {
            let _turn = slot.turn().await?;
            if !slot.was_read_since(asked) {
                self.catch_up(&slot).await?;
            }
        }
        Ok(slot)
    }

    fn slots(&self) -> MutexGuard<'_, AtHand<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The service's slot, loaded or not.
    fn at_hand(&self, id: ServiceId) -> Arc<Slot> {
        self.slots().get(id, || Slot::new(id))
    }

    /// Sees to it that a slot is loaded.
    async fn load(self: &Arc<Self>, slot: &Arc<Slot>) -> Result<(), Problem> {
        if slot.is_loaded() {
            return Ok(());
        }
        let loading = Loading { services: Arc::clone(self), slot: Arc::clone(slot) };
        let turn = slot.turn().await?;
        if slot.is_loaded() {
            return Ok(());
        }
        let read = tokio::spawn(async move {
            let Loading { services, slot } = &loading;
            let read = services.catch_up(slot).await;
            if read.is_ok() {
                services.keep(slot);
            }
            // Whoever waits for it is no longer behind us when it is told whether anybody does.
            drop(turn);
            read
        });
        read.await.map_err(|_| Problem::internal())?
    }

    /// Keeps what was just loaded. A service that does not exist is not kept: whoever guesses ids pushes nobody out.
    fn keep(&self, loaded: &Arc<Slot>) {
        let exists = loaded.folded().position() > Position::START;
        let weight = loaded.weight();
        let mut slots = self.slots();
        if exists { slots.keep(loaded.id, loaded, weight) } else { slots.forget(loaded.id, loaded) }
    }

    /// Takes note that a slot has grown. The caller holds its turn, so that nobody else changes it meanwhile.
    fn weigh(&self, slot: &Slot) {
        let weight = slot.weight();
        self.slots().weigh(slot.id, slot, weight);
    }

    /// Folds an entry that was just appended. The caller holds the slot's turn.
    ///
    /// # Errors
    /// Where it does not follow: the slot is loaded anew next time.
    pub fn apply(&self, slot: &Slot, opened: &Opened) -> Result<(), Corrupt> {
        slot.apply(opened)?;
        self.weigh(slot);
        Ok(())
    }

    /// Reads what the log's leader holds of the service beyond what is known. The caller holds the slot's turn. What was read
    /// before the log or the keys could not be had is kept, and read no more.
    ///
    /// # Errors
    /// As [`Services::slot`].
    pub async fn catch_up(&self, slot: &Slot) -> Result<(), Problem> {
        let read = slot.begins();
        let caught_up = self.try_to_catch_up(slot).await;
        self.weigh(slot);
        match caught_up {
            Ok(()) => {
                slot.ends(read);
                Ok(())
            }
            Err(error) => {
                if error.is_corrupt() {
                    slot.unload();
                }
                Err(self.problem(&error))
            }
        }
    }

    async fn try_to_catch_up(&self, slot: &Slot) -> Result<(), LoadError> {
        let after = slot.folded().position();
        let mut chunks = self.log.read(Scope::service(slot.id), after).ready_chunks(CHUNK);
        while let Some(chunk) = chunks.next().await {
            let stored: Vec<Stored> = chunk.into_iter().collect::<Result<_, _>>()?;
            for opened in open_all(&stored, self.log.id(), &self.vault).await? {
                slot.apply(&opened)?;
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
