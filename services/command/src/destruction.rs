//! Waiting until keys are destroyed: the projection service does that, and says how far it has come in the key store. Asked
//! only while somebody waits.

use std::sync::Arc;
use std::time::Duration;

use domain::Position;
use event_log::{EventLog, Scope};
use keys::Vault;
use tokio::time::sleep;

/// The pause before the key store is asked again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// How far the destruction of keys has come.
#[derive(Clone)]
pub struct Destruction {
    log: Arc<EventLog>,
    vault: Vault,
}

impl Destruction {
    /// Of the keys in `vault` that `log` dooms.
    pub const fn new(log: Arc<EventLog>, vault: Vault) -> Self {
        Self { log, vault }
    }

    /// Waits until all that entries up to `position` doom is destroyed, for as long as the caller does. A store that can't
    /// be asked is asked again.
    pub async fn reached(&self, position: Position) {
        let mut pause = FIRST_PAUSE;
        while !self.is_at(position).await {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn is_at(&self, position: Position) -> bool {
        let Ok(destroyed) = self.vault.destroyed().await else { return false };
        if destroyed < position {
            return false;
        }
        if destroyed <= self.log.seen() {
            return true;
        }
        // Further than the log was ever seen to go: if it does not, it was rolled back, and what was destroyed up to there
        // was doomed by other entries.
        self.log.head(Scope::All).await.is_ok_and(|head| destroyed <= head.position)
    }
}
