//! The key store and the keyring together: keys that can be used.

use std::collections::HashMap;
use std::sync::Arc;

use domain::{KeyId, Position};
use rand_core::CryptoRng;

use crate::{KeyStore, Keyring, PartKey, StoredKey, Unavailable};

/// What is known of a key, unwrapped.
#[derive(Clone, Debug)]
pub enum KeyState {
    /// It can be used.
    Live(PartKey),
    /// What it sealed is erased.
    Destroyed,
    /// Nobody ever stored it.
    NeverSeen,
}

/// Keys at hand, fetched in one batch.
#[derive(Clone, Debug, Default)]
pub struct Keys(HashMap<KeyId, KeyState>);

impl Keys {
    /// What is known of a key; one that was not asked for counts as never seen.
    pub fn get(&self, id: KeyId) -> &KeyState {
        self.0.get(&id).unwrap_or(&KeyState::NeverSeen)
    }

    /// The key, where it can be used.
    pub fn live(&self, id: KeyId) -> Option<&PartKey> {
        match self.get(id) {
            KeyState::Live(key) => Some(key),
            KeyState::Destroyed | KeyState::NeverSeen => None,
        }
    }

    /// Adds what is known of a key.
    pub fn insert(&mut self, id: KeyId, state: KeyState) {
        self.0.insert(id, state);
    }
}

impl FromIterator<(KeyId, KeyState)> for Keys {
    fn from_iter<I: IntoIterator<Item = (KeyId, KeyState)>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

/// Why keys can't be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The store can't be asked now: wait.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A key was wrapped by another keyring, or has been changed: a person has to look.
    #[error(
        "key {0} in the key store was not wrapped by this keyring: restore the keyring and the key store that belong together"
    )]
    Foreign(KeyId),
    /// A key that the log names was never seen: keys are stored before the entry that uses them, so it was lost, with
    /// the store or with what was newer than a backup. A person has to restore it.
    #[error("the key store lacks key {0}, which the log names: restore the key store that belongs to the log")]
    Lost(KeyId),
}

/// The key store and the keyring together.
#[derive(Clone)]
pub struct Vault {
    store: Arc<dyn KeyStore>,
    keyring: Arc<Keyring>,
}

impl Vault {
    /// The two that belong together.
    pub const fn new(store: Arc<dyn KeyStore>, keyring: Arc<Keyring>) -> Self {
        Self { store, keyring }
    }

    /// The master keys.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Asks whether the store can be asked, for health checks.
    ///
    /// # Errors
    /// Where it can't be reached.
    pub async fn check(&self) -> Result<(), Unavailable> {
        self.store.cursor().await.map(|_| ())
    }

    /// How far destruction has come: all that entries up to here doom is destroyed.
    ///
    /// # Errors
    /// Where the store can't be reached.
    pub async fn destroyed(&self) -> Result<Position, Unavailable> {
        self.store.cursor().await
    }

    /// Destroys keys for good and says how far destruction has come, in one transaction, durably on return. May be done
    /// again.
    ///
    /// # Errors
    /// Where the store can't be reached; then it may or may not have happened.
    pub async fn destroy(&self, ids: &[KeyId], up_to: Position) -> Result<(), Unavailable> {
        self.store.destroy(ids, up_to).await
    }

    /// Wraps and stores new keys, all or none, durably on return.
    ///
    /// # Errors
    /// Where the store can't be reached; then the keys may or may not be there, which is harmless.
    pub async fn create(&self, keys: &[(KeyId, PartKey)], rng: &mut (dyn CryptoRng + Send)) -> Result<(), Unavailable> {
        if keys.is_empty() {
            return Ok(());
        }
        let wrapped: Vec<_> = keys.iter().map(|(id, key)| (*id, self.keyring.wrap(*id, key, rng))).collect();
        self.store.create(&wrapped).await
    }

    /// Fetches and unwraps keys, in one batch.
    ///
    /// # Errors
    /// Where the store can't be reached, or holds a key that this keyring did not wrap.
    pub async fn fetch(&self, ids: &[KeyId]) -> Result<Keys, VaultError> {
        if ids.is_empty() {
            return Ok(Keys::default());
        }
        let stored = self.store.fetch(ids).await?;
        let state = |(id, stored)| match stored {
            StoredKey::Here(wrapped) => match self.keyring.unwrap(id, &wrapped) {
                Ok(key) => Ok((id, KeyState::Live(key))),
                Err(_) => Err(VaultError::Foreign(id)),
            },
            StoredKey::Destroyed => Ok((id, KeyState::Destroyed)),
            StoredKey::NeverSeen => Ok((id, KeyState::NeverSeen)),
        };
        stored.into_iter().map(state).collect()
    }
}
