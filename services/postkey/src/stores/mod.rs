//! Opening the stores that the services stand on, whichever they are, the same for `up` and for services of their own.

mod activity;
mod ends;
mod keys;
mod log;
mod monitor;
mod read_model;
mod url;

use std::sync::Arc;
use std::time::Duration;

use ::keys::{CheckpointStore, KeyState, Keyring, Vault};
use domain::Position;
use event_log::{AppendError, EventLog, ReadError, Scope};
use futures::TryStreamExt;
use postkey_http::{Clock, EntropyRng, uuid_v4, uuid_v7};
use postkey_projection::read_model::ReadModelError;
use wire::{Body, By, Change, CommandId, EntryId, LogId, OpenError as EntryError, authenticate, open_all, seal};

pub use self::activity::{ActivityArgs, ActivityLimitArgs, show};
pub use self::keys::KeyHandle;
pub use self::log::{LogHandle, check_replicas, lack};
pub use self::read_model::{ReadModelHandle, ReadModelPorts};
pub use self::url::{LogUrl, SqliteFile, StoreUrl};

use crate::args::{KeyArgs, LogArgs};
use crate::edges::{SystemClock, SystemEntropy};
use crate::failure::Failure;

/// How long the first entry of a log may take.
const FIRST_ENTRY_WITHIN: Duration = Duration::from_secs(2);
/// The same where servers may be electing one that takes it.
const FIRST_ENTRY_AT_SERVERS_WITHIN: Duration = Duration::from_secs(15);

/// What goes away by itself: whoever meets it says so, and tries again.
#[derive(Debug)]
pub struct Waiting(pub String);

/// Why a store is not open.
#[derive(Debug)]
pub enum Lack {
    /// It will be, once something else is there.
    Waiting(Waiting),
    /// The read model is there, and broken: what waiting does not mend, and a rebuild does.
    Damaged(String),
    /// It can't be as things stand.
    Failed(Failure),
}

impl From<Waiting> for Lack {
    fn from(waiting: Waiting) -> Self {
        Self::Waiting(waiting)
    }
}

impl From<Failure> for Lack {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl<E: std::error::Error> From<E> for Lack {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Lack {
    /// For a run that does not wait.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Waiting(Waiting(what)) => Failure::failed(what),
            Self::Damaged(what) => Failure::failed(ReadModelError::Damaged(what)),
            Self::Failed(failure) => failure,
        }
    }
}

/// The log and the keys that open it.
pub struct Stores {
    /// The log's store.
    pub handle: LogHandle,
    /// The log.
    pub log: Arc<EventLog>,
    /// The keys.
    pub vault: Vault,
    /// The ledger's newest checkpoint, beside them.
    pub checkpoints: Arc<dyn CheckpointStore>,
}

impl Stores {
    /// Opens log and keys for a writer; makes both where neither is there.
    pub async fn open_to_write(log: &LogArgs, keys: &KeyArgs, read_model: Option<&StoreUrl>) -> Result<Self, Lack> {
        // Before anything is made.
        Keyring::load(&keys.keyring_file)?;
        let found = LogHandle::open_to_write(log).await?;
        // One that an administrator has prepared has no keys yet.
        if let Some(handle) = &found
            && has_begun(handle).await?
        {
            KeyHandle::must_be_there(&keys.keys)?;
        }
        let key_store = KeyHandle::open(keys, true).await?;
        let handle = match found {
            Some(handle) => handle,
            None => Self::make(log, &key_store, read_model).await?,
        };
        handle.check_servers(&log.nats).await?;
        // A log that was lost, and whose place was prepared again: what was made from it says so. Looked at once more, for
        // another process may have begun it meanwhile.
        if !has_begun(&handle).await? && !key_store.is_empty().await? && !has_begun(&handle).await? {
            return Err(Self::lost(log).into());
        }
        let stores = Self::of(handle, Self::vault(&key_store, keys)?, key_store.checkpoints());
        stores.begin().await?;
        stores.identify().await?;
        Ok(stores)
    }

    /// Makes a new log, unless something was made from one that is no more.
    async fn make(log: &LogArgs, keys: &KeyHandle, read_model: Option<&StoreUrl>) -> Result<LogHandle, Lack> {
        let read_model_there = matches!(read_model, Some(StoreUrl::Sqlite(file)) if file.path().exists());
        if !keys.is_empty().await? || read_model_there {
            // Another process may have made it, and used it, since we looked.
            if let Some(handle) = LogHandle::open_to_write(log).await? {
                return Ok(handle);
            }
            return Err(Self::lost(log).into());
        }
        LogHandle::create(log, LogId::new(uuid_v4(&SystemEntropy))).await
    }

    fn lost(log: &LogArgs) -> Failure {
        Failure::failed(format!(
            "{} is missing or empty, but what was made from it is there: restore the log; a new one would fork history",
            log.log.shown()
        ))
    }

    /// Opens log and keys for a process that appends nothing; none as long as there is no log, or nothing in it.
    pub async fn open_to_read(log: &LogArgs, keys: &KeyArgs) -> Result<Option<Self>, Lack> {
        Keyring::load(&keys.keyring_file)?;
        let Some(handle) = LogHandle::open_to_read(log).await? else { return Ok(None) };
        // Before that there need not be any keys.
        match has_begun(&handle).await {
            Ok(true) => {}
            begun => {
                handle.close().await;
                return begun.map(|_| None);
            }
        }
        let opened = KeyHandle::open(keys, false).await;
        let opened = opened.and_then(|key_store| Ok((Self::vault(&key_store, keys)?, key_store.checkpoints())));
        let (vault, checkpoints) = match opened {
            Ok(opened) => opened,
            Err(lack) => {
                handle.close().await;
                return Err(lack);
            }
        };
        let stores = Self::of(handle, vault, checkpoints);
        match stores.identify().await {
            Ok(()) => Ok(Some(stores)),
            Err(lack) => {
                stores.close().await;
                Err(lack)
            }
        }
    }

    fn of(handle: LogHandle, vault: Vault, checkpoints: Arc<dyn CheckpointStore>) -> Self {
        let log = Arc::new(EventLog::new(handle.store(), handle.id()));
        Self { log, handle, vault, checkpoints }
    }

    /// The key store with the keyring's file, which may be replaced while we run (`postkey keys rotate`).
    fn vault(store: &KeyHandle, keys: &KeyArgs) -> Result<Vault, Lack> {
        Ok(Vault::with_file(store.store(), &keys.keyring_file)?)
    }

    /// Appends the first entry to a log that has none.
    async fn begin(&self) -> Result<(), Lack> {
        if has_begun(&self.handle).await? {
            return Ok(());
        }
        let (clock, entropy) = (SystemClock, SystemEntropy);
        let change = Change {
            id: EntryId::new(uuid_v7(&clock, &entropy)),
            at: Change::instant(clock.now()),
            prev: None,
            command: CommandId::new(uuid_v4(&entropy)),
            by: By { client: "postkey".to_owned(), actor: None },
            body: Body::LogCreated { log: self.log.id() },
        };
        let mut rng = EntropyRng::new(Arc::new(SystemEntropy));
        let keyring = self.vault.keyring();
        let entry = seal(&change, self.log.id(), &::keys::Keys::default(), keyring.macs().present(), &mut rng)?;
        // Nobody waits for it but the person who starts it: sooner told than tried for long.
        let within = match &self.handle {
            LogHandle::Sqlite(_) => FIRST_ENTRY_WITHIN,
            LogHandle::JetStream(_) => FIRST_ENTRY_AT_SERVERS_WITHIN,
        };
        let log = EventLog::new(self.handle.store(), self.log.id()).with_deadline(within);
        match log.append(&entry, Position::START).await {
            // Another process that starts at the same time was faster.
            Ok(_) | Err(AppendError::Conflict) => Ok(()),
            Err(AppendError::Unavailable) => match &self.handle {
                LogHandle::Sqlite(_) => {
                    Err(Failure::failed("the log's first entry could not be written: is the disk full?").into())
                }
                LogHandle::JetStream(_) => {
                    Err(Waiting("NATS does not take the log's first entry: its log says why".to_owned()).into())
                }
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Checks that log, keyring and key store belong together: by the first entry, and by the keys of the last.
    async fn identify(&self) -> Result<(), Lack> {
        let first = self.log.read(Scope::All, Position::START).try_next().await.map_err(unread)?;
        let Some(first) = first else { return Ok(()) };
        let begins = match open_all(&[first], self.log.id(), &self.vault).await {
            Ok(opened) => opened.iter().all(|first| first.change.body == Body::LogCreated { log: self.log.id() }),
            Err(EntryError::Corrupt(corrupt)) => {
                let what = "the log can't be read with this keyring: bring the two together that belong together";
                return Err(Failure::failed(format!("{what} ({corrupt})")).into());
            }
            Err(error) => return Err(error.into()),
        };
        if !begins {
            let what = "the log does not begin with its first entry: restore it from your backup";
            return Err(Failure::failed(what).into());
        }
        let head = self.log.head(Scope::All).await.map_err(unread)?.position;
        let before = Position::new(head.get().saturating_sub(1));
        let last = self.log.read(Scope::All, before).try_next().await.map_err(unread)?;
        if let Some(entry) = &last {
            // An entry that is corrupt is met, and said, where it is read.
            let Ok(entry) = authenticate(entry, self.log.id(), self.vault.keyring().macs()) else { return Ok(()) };
            let ids: Vec<_> = entry.key_ids().collect();
            let keys = self.vault.fetch(&ids).await?;
            if ids.iter().any(|id| matches!(keys.get(*id), KeyState::NeverSeen)) {
                let what = "the key store lacks the keys of the log's last entry: it is older than the log, or another's; \
                            restore the one that belongs to it";
                return Err(Failure::failed(what).into());
            }
        }
        Ok(())
    }

    /// Stops the log's writer in good order.
    pub async fn close(self) {
        self.handle.close().await;
    }
}

/// Whether the log has its first entry.
async fn has_begun(handle: &LogHandle) -> Result<bool, Lack> {
    Ok(handle.store().head(Scope::All).await.map_err(unread)?.position > Position::START)
}

/// A log that can't be asked now is waited for where that is what is done.
fn unread(error: ReadError) -> Lack {
    match error {
        ReadError::Unavailable(what) => Waiting(format!("the log can't be read: {what}")).into(),
        error => error.into(),
    }
}
