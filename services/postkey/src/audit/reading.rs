//! A log that is read for an auditor, and what its entries can be opened with.

use std::future;
use std::sync::Arc;

use domain::Position;
use event_log::{EventLog, ReadError, Scope};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use keys::{CheckpointStore, Keyring, Vault};
use wire::{OpenError, Opened, Stored, authenticate, open_all, read_sealed};

use super::AuditStores;
use crate::failure::Failure;
use crate::folder::Folder;
use crate::stores::{KeyHandle, Lack, LogHandle};

/// Entries that are opened at once, with one question to the key store.
const AT_ONCE: usize = 512;

/// An open log.
pub struct Reading {
    handle: LogHandle,
    log: Arc<EventLog>,
    with: With,
    /// Where crossings are kept, beside the keys.
    checkpoints: Option<Arc<dyn CheckpointStore>>,
    folder: Option<Folder>,
}

/// What entries are opened with.
enum With {
    /// Nothing: their form is checked.
    Nothing,
    /// Keys for their MACs, which are checked too.
    Macs(Box<Keyring>),
    /// All keys: what is sealed is opened.
    Keys(Vault),
}

impl Reading {
    /// Opens the log, and whatever of keys is named or lies in the folder.
    pub async fn open(stores: AuditStores) -> Result<Self, Failure> {
        let AuditStores { log, keyring_file, keys, folder } = stores;
        let handle = LogHandle::open_to_read(&log).await.map_err(could_not_look)?;
        let handle = handle.ok_or_else(|| {
            Failure::usage(format!(
                "{}: there is no log: name a data folder (--data) or a log (--log)",
                log.log.shown()
            ))
        })?;
        let mut checkpoints = None;
        let with = match (keys, keyring_file) {
            (Some(keys), _) => {
                let store = KeyHandle::open(&keys, false).await.map_err(could_not_look)?;
                checkpoints = Some(store.checkpoints());
                With::Keys(Vault::with_file(store.store(), &keys.keyring_file).map_err(Failure::usage)?)
            }
            (None, Some(keyring)) => With::Macs(Box::new(Keyring::load(&keyring).map_err(Failure::usage)?)),
            (None, None) => With::Nothing,
        };
        let log = Arc::new(EventLog::new(handle.store(), handle.id()));
        Ok(Self { handle, log, with, checkpoints, folder })
    }

    /// The same without the keys that open what is sealed: nothing personal can be seen any more.
    #[must_use]
    pub fn redacted(self) -> Self {
        Self { with: With::Nothing, ..self }
    }

    /// The log.
    pub fn log(&self) -> &EventLog {
        &self.log
    }

    /// Where checkpoints are kept, where the key store is at hand.
    pub fn checkpoints(&self) -> Option<&dyn CheckpointStore> {
        self.checkpoints.as_deref()
    }

    /// The data folder, where the log lies in one.
    pub const fn folder(&self) -> Option<&Folder> {
        self.folder.as_ref()
    }

    /// Whether sealed parts are opened. If so, what can't be seen was erased.
    pub const fn opens(&self) -> bool {
        matches!(self.with, With::Keys(_))
    }

    /// What stands in place of what can't be seen.
    pub const fn unseen(&self) -> &'static str {
        if self.opens() { "erased" } else { "sealed" }
    }

    /// Where the log ends now.
    pub async fn head(&self) -> Result<Position, Failure> {
        Ok(self.log.head(Scope::All).await.map_err(unread)?.position)
    }

    /// The entries of `scope` behind `after` and up to `to`, as they are stored.
    pub fn stored(&self, scope: Scope, after: Position, to: Position) -> BoxStream<'_, Result<Stored, Failure>> {
        let within = move |stored: &Result<Stored, ReadError>| !matches!(stored, Ok(stored) if stored.position > to);
        let entries = self.log.read(scope, after).take_while(move |stored| future::ready(within(stored)));
        entries.map_err(unread).boxed()
    }

    /// The same, opened as far as there are keys.
    pub fn entries(
        &self,
        scope: Scope,
        after: Position,
        to: Position,
    ) -> BoxStream<'_, Result<(Stored, Opened), Failure>> {
        let chunks = self.stored(scope, after, to).ready_chunks(AT_ONCE);
        let opened = chunks.then(async |chunk| {
            // What stands before a failure is told before it.
            let mut failed = None;
            let stored: Vec<Stored> =
                chunk.into_iter().map_while(|stored| stored.map_err(|failure| failed = Some(failure)).ok()).collect();
            let opened = self.open_some(&stored).await?;
            let entries = stored.into_iter().zip(opened).map(Ok);
            Ok::<_, Failure>(stream::iter(entries.chain(failed.map(Err))))
        });
        opened.try_flatten().boxed()
    }

    /// Opens entries as far as there are keys.
    pub async fn open_some(&self, stored: &[Stored]) -> Result<Vec<Opened>, Failure> {
        let log = self.log.id();
        let opened = match &self.with {
            With::Keys(vault) => open_all(stored, log, vault).await,
            With::Macs(keyring) => {
                stored.iter().map(|stored| Ok(authenticate(stored, log, keyring.macs())?.leave_sealed()?)).collect()
            }
            With::Nothing => stored.iter().map(|stored| Ok(read_sealed(stored, log)?.leave_sealed()?)).collect(),
        };
        opened.map_err(|error| match error {
            OpenError::Corrupt(corrupt) => Failure::failed(format!("{corrupt}; `postkey audit verify` says more")),
            error @ OpenError::Keys(_) => Failure::usage(error),
            error @ OpenError::Lost { .. } => Failure::failed(error),
        })
    }

    /// Lets go of the log.
    pub async fn close(self) {
        self.handle.close().await;
    }
}

/// A store that can't be had is not one that was tampered with.
fn could_not_look(lack: Lack) -> Failure {
    match lack {
        Lack::Waiting(waiting) => Failure::usage(waiting.0),
        lack => lack.into_failure(),
    }
}

/// What a read that stopped means.
pub fn unread(error: ReadError) -> Failure {
    match error {
        ReadError::Unavailable(what) => Failure::usage(format!("the log can't be read: {what}")),
        ReadError::Corrupt(corrupt) => Failure::failed(format!("{corrupt}; `postkey audit verify` says more")),
    }
}
