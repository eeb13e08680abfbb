//! Wrapping keys anew, after the master key was replaced.

use async_trait::async_trait;
use domain::KeyId;
use rand_core::CryptoRng;

use crate::{Keyring, StoredKey, Unavailable, VaultError, WrappedKey};

/// Keys that are read and wrapped anew at once.
const AT_ONCE: u32 = 500;

/// A key that was wrapped a second time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrapped {
    /// The key.
    pub id: KeyId,
    /// As it was stored.
    pub from: WrappedKey,
    /// As it is to be stored.
    pub to: WrappedKey,
}

/// All wrapped keys of a store, and how one wrapping takes another's place.
///
/// Every method may be called by many at once, from several processes, beside all that a [`KeyStore`](crate::KeyStore) does;
/// callers retry on [`Unavailable`].
#[async_trait]
pub trait WrappedKeys: Send + Sync {
    /// Up to `most` of the keys that the store knows, destroyed ones too, from behind `after` on, in the order of their
    /// ids. Empty at the end. A key that is stored meanwhile may be missed.
    async fn page(&self, after: Option<KeyId>, most: u32) -> Result<Vec<(KeyId, StoredKey)>, Unavailable>;

    /// Stores each key's second wrapping in the place of the first, durably on return. A key that is not stored as
    /// [`Rewrapped::from`] any more, because it was destroyed or wrapped anew by another, stays as it is.
    async fn replace_wrapped(&self, keys: &[Rewrapped]) -> Result<(), Unavailable>;
}

/// Wraps all live keys of a store under the keyring's present master key, and says how many were not. May be cut off at any
/// moment and done again, and be done beside running services. `step` is told how many were looked at, again and again.
///
/// It looks until it finds none that is wrapped otherwise: a service that had not yet read the new keyring may have stored one.
///
/// # Errors
/// Where the store can't be reached, or holds a key that this keyring never wrapped. What was done until then stays.
pub async fn rewrap_all(
    store: &dyn WrappedKeys,
    keyring: &Keyring,
    rng: &mut (dyn CryptoRng + Send),
    mut step: impl FnMut(u64),
) -> Result<u64, VaultError> {
    let mut all = 0;
    loop {
        let (mut after, mut looked, mut rewrapped) = (None, 0, 0);
        loop {
            let page = store.page(after, AT_ONCE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            looked += page.len() as u64;
            let old = page.into_iter().filter_map(|(id, stored)| match stored {
                StoredKey::Here(wrapped) if !keyring.wraps_as(&wrapped) => Some((id, wrapped)),
                StoredKey::Here(_) | StoredKey::Destroyed | StoredKey::NeverSeen => None,
            });
            let mut anew = Vec::new();
            for (id, from) in old {
                let key = keyring.unwrap(id, &from).map_err(|_| VaultError::Foreign(id))?;
                let to = keyring.wrap(id, &key, rng);
                anew.push(Rewrapped { id, from, to });
            }
            if !anew.is_empty() {
                store.replace_wrapped(&anew).await?;
            }
            rewrapped += anew.len() as u64;
            step(looked);
        }
        if rewrapped == 0 {
            return Ok(all);
        }
        all += rewrapped;
    }
}

/// How many live keys are wrapped by another master key than the keyring's present one.
///
/// # Errors
/// Where the store can't be reached.
pub async fn wrapped_otherwise(store: &dyn WrappedKeys, keyring: &Keyring) -> Result<u64, Unavailable> {
    let (mut after, mut others) = (None, 0);
    loop {
        let page = store.page(after, AT_ONCE).await?;
        let Some((last, _)) = page.last() else { return Ok(others) };
        after = Some(*last);
        let is_other = |stored: &StoredKey| matches!(stored, StoredKey::Here(wrapped) if !keyring.wraps_as(wrapped));
        others += page.iter().filter(|(_, stored)| is_other(stored)).count() as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::Position;
    use getrandom::SysRng;
    use rand_core::UnwrapErr;
    use uuid::Uuid;

    use super::*;
    use crate::{KeyState, KeyStore, PartKey, SqliteKeyStore, Vault};

    #[tokio::test]
    async fn a_running_vault_goes_on_while_its_keys_are_wrapped_anew_and_old_master_keys_go() {
        let rng = &mut UnwrapErr(SysRng);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring");
        Keyring::generate(rng).create(&path).unwrap();
        let store = Arc::new(SqliteKeyStore::open(&folder.path().join("keys.db"), true).await.unwrap());
        let vault = Vault::with_file(Arc::clone(&store) as Arc<dyn KeyStore>, &path).unwrap();
        let id = |n| KeyId::new(Uuid::from_u128(n));
        let keys: Vec<_> = (1..=1_203).map(|n| (id(n), PartKey::generate(rng))).collect();
        vault.create(&keys, rng).await.unwrap();
        vault.destroy(&[id(7)], Position::new(1)).await.unwrap();

        let rotated = Keyring::load(&path).unwrap().rotated(rng);
        rotated.replace(&path).unwrap();
        // Made after the file was replaced, and before anything was wrapped anew.
        vault.create(&[(id(5_000), PartKey::generate(rng))], rng).await.unwrap();
        assert_eq!(wrapped_otherwise(&*store, &rotated).await.unwrap(), 1_202);
        let mut looked = 0;
        assert_eq!(rewrap_all(&*store, &rotated, rng, |keys| looked = keys).await.unwrap(), 1_202);
        assert_eq!((looked, wrapped_otherwise(&*store, &rotated).await.unwrap()), (1_204, 0));
        assert_eq!(rewrap_all(&*store, &rotated, rng, |_| ()).await.unwrap(), 0, "done");

        rotated.without_old().replace(&path).unwrap();
        let ids: Vec<_> = keys.iter().map(|(id, _)| *id).chain([id(5_000)]).collect();
        let found = vault.fetch(&ids).await.unwrap();
        for (id, key) in &keys {
            match found.get(*id) {
                KeyState::Live(found) => assert_eq!(found.as_bytes(), key.as_bytes()),
                other => assert!(*id == KeyId::new(Uuid::from_u128(7)) && matches!(other, KeyState::Destroyed)),
            }
        }
        assert!(found.live(id(5_000)).is_some());
    }

    #[tokio::test]
    async fn a_key_of_another_keyring_is_named_and_left() {
        let rng = &mut UnwrapErr(SysRng);
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteKeyStore::open(&folder.path().join("keys.db"), true).await.unwrap();
        let (ours, theirs) = (Keyring::generate(rng), Keyring::generate(rng));
        let id = KeyId::new(Uuid::from_u128(1));
        let wrapped = theirs.wrap(id, &PartKey::generate(rng), rng);
        store.create(&[(id, wrapped.clone())]).await.unwrap();
        assert_eq!(rewrap_all(&store, &ours, rng, |_| ()).await, Err(VaultError::Foreign(id)));
        assert_eq!(store.fetch(&[id]).await.unwrap()[&id], StoredKey::Here(wrapped));
    }

    #[tokio::test]
    async fn a_keyring_file_that_is_gone_or_broken_takes_nothing_from_who_has_read_it() {
        let rng = &mut UnwrapErr(SysRng);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring");
        Keyring::generate(rng).create(&path).unwrap();
        let store = Arc::new(SqliteKeyStore::open(&folder.path().join("keys.db"), true).await.unwrap());
        let vault = Vault::with_file(store as Arc<dyn KeyStore>, &path).unwrap();
        let first = vault.keyring().macs().present().id();
        let bytes = std::fs::read(&path).unwrap();
        for broken in [None, Some(&b"{}"[..])] {
            std::fs::remove_file(&path).unwrap();
            if let Some(broken) = broken {
                std::fs::write(&path, broken).unwrap();
            }
            assert_eq!(vault.keyring().macs().present().id(), first);
            std::fs::write(&path, &bytes).unwrap();
        }
        let next = Keyring::load(&path).map(|keyring| keyring.rotated(rng));
        // As `fs::write` has left it, others may read it.
        assert!(next.is_err());
        Keyring::generate(rng).rotated(rng).replace(&path).unwrap();
        assert_ne!(vault.keyring().macs().present().id(), first);
    }
}
