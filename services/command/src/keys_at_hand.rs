//! Whether keys can be had, for the health checks. Keys that are lost are looked for again: once they are restored,
//! nobody has to restart anything.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::KeyId;
use keys::{KeyState, Vault, VaultError};
use postkey_http::{Code, HealthCheck, Problem};

/// How many lost keys are remembered. Where more are lost, whoever needs one of the others says so again.
const MOST: usize = 1_000;

/// What is known of the key store. Clones share it.
#[derive(Clone)]
pub struct KeysAtHand {
    vault: Vault,
    health: HealthCheck,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    /// Keys that the log names, and that were not to be had.
    lost: BTreeSet<KeyId>,
    /// Keys that stand by the log, and were destroyed.
    destroyed: BTreeSet<KeyId>,
    /// One that was there lately: where it is gone, others are.
    witness: Option<KeyId>,
}

impl KeysAtHand {
    /// Nothing is known yet.
    pub fn new(vault: Vault, health: HealthCheck) -> Self {
        Self { vault, health, known: Arc::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note that a key was there.
    pub fn had(&self, key: KeyId) {
        self.known().witness = Some(key);
    }

    /// What a caller is told where keys can't be had, and what the operator is.
    pub fn problem(&self, error: &VaultError) -> Problem {
        tracing::error!(%error, "keys are unavailable");
        let problem = Problem::new(Code::KeysUnavailable);
        match error {
            VaultError::Unavailable(_) => {
                self.health.red(error.to_string());
                problem
            }
            VaultError::Foreign(key) | VaultError::Lost(key) => {
                let mut known = self.known();
                if known.lost.len() < MOST {
                    known.lost.insert(*key);
                }
                // Whoever needs none of the lost ones goes on.
                self.health.impaired(error.to_string());
                problem.with_detail("the key store lacks a key of this service: its operator has to restore it")
            }
        }
    }

    /// What a caller is told where a key is destroyed that no entry dooms, and what the operator is.
    pub fn standing_is_destroyed(&self, key: KeyId) -> Problem {
        tracing::error!(%key, "a key that stands by the log is destroyed");
        let mut known = self.known();
        if known.destroyed.len() < MOST {
            known.destroyed.insert(key);
        }
        self.health.impaired(is_destroyed(key));
        drop(known);
        Problem::new(Code::KeysUnavailable).with_detail("a key of this user was destroyed: its operator has to look")
    }

    /// Asks the store, while nobody else does.
    pub async fn look(&self) {
        let asked: Vec<_> = {
            let known = self.known();
            known.lost.iter().chain(&known.destroyed).copied().chain(known.witness).collect()
        };
        let answer = match self.vault.check().await {
            Ok(()) => self.vault.fetch(&asked).await,
            Err(error) => Err(error.into()),
        };
        let keys = match answer {
            Ok(keys) => keys,
            Err(error @ VaultError::Unavailable(_)) => return self.health.red(error.to_string()),
            Err(error) => return self.health.impaired(error.to_string()),
        };
        let is_lost = |key: &KeyId| matches!(keys.get(*key), KeyState::NeverSeen);
        let mut known = self.known();
        let lost = asked.iter().copied().find(is_lost);
        // What was lost while we asked was not asked for.
        known.lost.retain(|key| is_lost(key) || !asked.contains(key));
        known.destroyed.retain(|key| matches!(keys.get(*key), KeyState::Destroyed) || !asked.contains(key));
        match (lost.or_else(|| known.lost.first().copied()), known.destroyed.first()) {
            (Some(key), _) => self.health.impaired(VaultError::Lost(key).to_string()),
            (None, Some(key)) => self.health.impaired(is_destroyed(*key)),
            (None, None) => self.health.green(),
        }
    }
}

fn is_destroyed(key: KeyId) -> String {
    format!("key {key} is destroyed in the key store, but stands by the log: restore the log, or the key store")
}

#[cfg(test)]
mod tests {
    use domain::Position;
    use keys::KeyStore;
    use postkey_http::{Health, Status};
    use uuid::Uuid;

    use super::*;
    use crate::staged::World;

    #[tokio::test]
    async fn that_a_standing_key_is_destroyed_is_said_for_longer_than_until_the_next_look() {
        let (world, health) = (World::new().await, Health::new().check("keys"));
        let keys = KeysAtHand::new(world.vault(), health.clone());
        let key = KeyId::new(Uuid::from_u128(7));
        world.keys.destroy(&[key], Position::START).await.unwrap();
        keys.standing_is_destroyed(key);
        for _ in 0..2 {
            assert!(matches!(health.status(), Status::Impaired(why) if why.contains("stands by the log")));
            keys.look().await;
        }
    }
}
