//! The key store and the keyring together: keys that can be used.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{KeyId, Position};
use lru::LruCache;
use rand_core::CryptoRng;

use crate::held::Held;
use crate::{KeyStore, Keyring, KeyringError, PartKey, StoredKey, Unavailable};

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
    keyring: Arc<Held>,
    /// Live keys that were fetched lately, where they are remembered.
    remembered: Option<Arc<Mutex<LruCache<KeyId, PartKey>>>>,
}

impl Vault {
    /// The two that belong together.
    pub fn new(store: Arc<dyn KeyStore>, keyring: Arc<Keyring>) -> Self {
        Self { store, keyring: Arc::new(Held::Fixed(keyring)), remembered: None }
    }

    /// The same, but it remembers so many live keys, some 150 bytes each, for as long as it or a clone of it is there: for
    /// whoever reads a long history, in which the same keys come again and again. One that is destroyed meanwhile may still
    /// be had from it.
    #[must_use]
    pub fn remembering(&self, most: NonZeroUsize) -> Self {
        Self { remembered: Some(Arc::new(Mutex::new(LruCache::new(most)))), ..self.clone() }
    }

    /// The same keyring, and the same store by way of another.
    #[must_use]
    pub fn by_way_of(&self, way: impl FnOnce(Arc<dyn KeyStore>) -> Arc<dyn KeyStore>) -> Self {
        Self { store: way(Arc::clone(&self.store)), ..self.clone() }
    }

    /// The same with the keyring of a file, which is read again whenever another one has taken its place.
    ///
    /// # Errors
    /// As [`Keyring::load`].
    pub fn with_file(store: Arc<dyn KeyStore>, keyring: &Path) -> Result<Self, KeyringError> {
        Ok(Self { store, keyring: Arc::new(Held::file(keyring)?), remembered: None })
    }

    /// The master keys, as they are now: to be asked for once what they are needed for is at hand, and kept no longer.
    pub fn keyring(&self) -> Arc<Keyring> {
        self.keyring.now()
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
        let keyring = self.keyring();
        let wrapped: Vec<_> = keys.iter().map(|(id, key)| (*id, keyring.wrap(*id, key, rng))).collect();
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
        let Some(remembered) = &self.remembered else { return self.fetch_anew(ids).await };
        let (mut keys, missing) = split(ids, &mut lock(remembered));
        if !missing.is_empty() {
            let fetched = self.fetch_anew(&missing).await?;
            let mut remembered = lock(remembered);
            for (id, state) in &fetched.0 {
                if let KeyState::Live(key) = state {
                    remembered.put(*id, key.clone());
                }
            }
            keys.0.extend(fetched.0);
        }
        Ok(keys)
    }

    async fn fetch_anew(&self, ids: &[KeyId]) -> Result<Keys, VaultError> {
        let stored = self.store.fetch(ids).await?;
        let keyring = self.keyring();
        let state = |(id, stored)| match stored {
            StoredKey::Here(wrapped) => match keyring.unwrap(id, &wrapped) {
                Ok(key) => Ok((id, KeyState::Live(key))),
                Err(_) => Err(VaultError::Foreign(id)),
            },
            StoredKey::Destroyed => Ok((id, KeyState::Destroyed)),
            StoredKey::NeverSeen => Ok((id, KeyState::NeverSeen)),
        };
        stored.into_iter().map(state).collect()
    }
}

/// The keys that are remembered, and those that are not.
fn split(ids: &[KeyId], remembered: &mut LruCache<KeyId, PartKey>) -> (Keys, Vec<KeyId>) {
    let (mut keys, mut missing) = (Keys::default(), Vec::new());
    for id in ids {
        match remembered.get(id) {
            Some(key) => keys.insert(*id, KeyState::Live(key.clone())),
            None => missing.push(*id),
        }
    }
    (keys, missing)
}

fn lock(remembered: &Mutex<LruCache<KeyId, PartKey>>) -> MutexGuard<'_, LruCache<KeyId, PartKey>> {
    remembered.lock().unwrap_or_else(PoisonError::into_inner)
}
