//! What one entry says by itself, whatever stands before it. Any number of them can be looked at side by side.

use std::collections::HashMap;
use std::sync::Arc;

use domain::{KeyId, Position};
use keys::{KeyState, KeyStore, Keyring, Keys, StoredKey, Unavailable};
use ledger::{Hash, leaf_hash};
use tokio::runtime::Handle;
use wire::{Corrupt, LogId, Opened, Stored, Subject, check_mac, read_sealed};

/// Looks at entries: their form, and with keys also their MACs and what is sealed in them.
pub struct Examiner {
    /// The log that they are to be of.
    pub log: LogId,
    /// The keys of their MACs; without them, MACs are not looked at.
    pub keyring: Option<Arc<Keyring>>,
    /// Where the keys of their parts are; without it, or without the keyring, they stay sealed.
    pub keys: Option<Arc<dyn KeyStore>>,
}

/// An entry that was looked at.
pub struct Examined {
    /// Where it stands.
    pub position: Position,
    /// Where it is filed.
    pub subject: Subject,
    /// The leaf hash of its bytes.
    pub leaf: Hash,
    /// What it says; its parts are erased where they were left sealed.
    pub entry: Result<Opened, Corrupt>,
    /// Whether its MAC is ours, where it was looked at.
    pub mac: Option<Result<(), Corrupt>>,
    /// What became of its sealed parts.
    pub parts: PartsSeen,
}

/// What became of an entry's sealed parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartsSeen {
    /// How many there are.
    pub sealed: u64,
    /// How many were opened.
    pub opened: u64,
    /// How many were erased: their keys have been destroyed.
    pub erased: u64,
    /// Those keys.
    pub destroyed: Vec<KeyId>,
    /// Keys that were lost, each with what happened to it.
    pub lost: Vec<(KeyId, &'static str)>,
}

/// The keys of some entries, and those that can't be used.
#[derive(Default)]
struct Fetched {
    keys: Keys,
    lost: Vec<(KeyId, &'static str)>,
}

impl Examiner {
    /// Looks at entries, in the order in which they come. Blocks while it computes, and waits for the key store: not to be
    /// called in a task of `runtime`'s own threads.
    ///
    /// # Errors
    /// Where the key store can't be asked.
    pub fn examine(&self, entries: &[Stored], runtime: &Handle) -> Result<Vec<Examined>, Unavailable> {
        let sealed: Vec<_> = entries.iter().map(|stored| read_sealed(stored, self.log)).collect();
        let fetched = match (&self.keyring, &self.keys) {
            (Some(keyring), Some(store)) => {
                let ids: Vec<KeyId> = sealed
                    .iter()
                    .filter_map(|sealed| sealed.as_ref().ok())
                    .flat_map(|sealed| sealed.key_ids())
                    .collect();
                let found = if ids.is_empty() { HashMap::new() } else { runtime.block_on(store.fetch(&ids))? };
                Some(unwrapped(keyring, found))
            }
            _ => None,
        };
        let examined = entries.iter().zip(sealed).map(|(stored, sealed)| {
            let mac = self.keyring.as_ref().map(|keyring| check_mac(stored, self.log, keyring.macs()));
            let mut parts = PartsSeen::default();
            let leaf = sealed.as_ref().map_or_else(|_| leaf_hash(&stored.entry.bytes), |sealed| sealed.link().leaf);
            let entry = sealed.and_then(|sealed| match &fetched {
                None => {
                    parts.sealed = sealed.key_ids().count() as u64;
                    sealed.leave_sealed()
                }
                Some(fetched) => {
                    parts = seen(sealed.key_ids(), fetched);
                    sealed.open(&fetched.keys)
                }
            });
            Examined { position: stored.position, subject: stored.entry.subject.clone(), leaf, entry, mac, parts }
        });
        Ok(examined.collect())
    }
}

fn seen(ids: impl Iterator<Item = KeyId>, fetched: &Fetched) -> PartsSeen {
    let mut parts = PartsSeen::default();
    for id in ids {
        parts.sealed += 1;
        match fetched.lost.iter().find(|(lost, _)| *lost == id) {
            Some(lost) => parts.lost.push(*lost),
            None if fetched.keys.live(id).is_some() => parts.opened += 1,
            None => {
                parts.erased += 1;
                parts.destroyed.push(id);
            }
        }
    }
    parts
}

/// What was lost counts as destroyed here, so that the rest of the entry can still be read.
fn unwrapped(keyring: &Keyring, stored: HashMap<KeyId, StoredKey>) -> Fetched {
    let mut fetched = Fetched::default();
    for (id, stored) in stored {
        let state = match stored {
            StoredKey::Here(wrapped) => match keyring.unwrap(id, &wrapped) {
                Ok(key) => KeyState::Live(key),
                Err(_) => {
                    fetched.lost.push((id, "was not wrapped by this keyring"));
                    KeyState::Destroyed
                }
            },
            StoredKey::Destroyed => KeyState::Destroyed,
            StoredKey::NeverSeen => {
                fetched.lost.push((id, "is not in the key store and was not destroyed"));
                KeyState::Destroyed
            }
        };
        fetched.keys.insert(id, state);
    }
    fetched
}
