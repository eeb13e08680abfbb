//! The port to where wrapped keys live.

use std::collections::HashMap;

use async_trait::async_trait;
use domain::{KeyId, Position};

use crate::WrappedKey;

/// The store can't be asked now. Whoever asked waits, or answers that keys are unavailable; it is never "erased".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key store can't be reached: {0}")]
pub struct Unavailable(pub String);

/// What the store knows of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredKey {
    /// It is here.
    Here(WrappedKey),
    /// It was here and has been destroyed: what it sealed is erased.
    Destroyed,
    /// It was never here, as far as this store knows: where an entry of ours names it, it was lost.
    NeverSeen,
}

/// Where wrapped keys live. Write access here destroys what keys seal; read access gives nothing without the keyring.
///
/// Every method may be called by many at once, from several processes; callers retry on [`Unavailable`].
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Stores new keys, all or none, durably on return. Called before the entry that uses them is appended; a key
    /// without an entry is harmless. An id that is there already stays as it is, destroyed ones too.
    async fn create(&self, keys: &[(KeyId, WrappedKey)]) -> Result<(), Unavailable>;

    /// What the store knows of each of `ids`; one answer for each.
    async fn fetch(&self, ids: &[KeyId]) -> Result<HashMap<KeyId, StoredKey>, Unavailable>;

    /// Destroys keys and moves the cursor of destruction to `cursor`, in one transaction, durably on return. Leaves a
    /// tombstone for each, also for one that was never seen. Idempotent; the cursor never moves back.
    async fn destroy(&self, ids: &[KeyId], cursor: Position) -> Result<(), Unavailable>;

    /// How far destruction has come: all that entries up to here doom is destroyed.
    async fn cursor(&self) -> Result<Position, Unavailable>;
}
