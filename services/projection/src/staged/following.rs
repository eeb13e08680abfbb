//! A projector on a leash.

use std::sync::Arc;

use domain::Position;
use postkey_http::{Health, HealthCheck, Status};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::LIMIT;
use crate::projector::{Broken, Checks, Follower, Leading, Progress};

/// The checks of a follower that nobody else looks at.
pub fn checks() -> Checks {
    let health = Health::new();
    Checks { projector: health.check("projector"), keys: health.check("keys"), ledger: health.check("ledger-rows") }
}

/// A follower of a log until it is stopped, or dropped as if its process were killed.
pub struct Following {
    pub progress: watch::Receiver<Progress>,
    pub health: HealthCheck,
    pub keys: HealthCheck,
    pub ledger: HealthCheck,
    pub leading: Arc<Leading>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Following {
    pub fn start(projector: Follower) -> Self {
        let (progress, leading) = (projector.progress(), projector.leading());
        let (checks, stop) = (checks(), CancellationToken::new());
        let Checks { projector: health, keys, ledger } = checks.clone();
        let task = tokio::spawn(projector.follow(checks, stop.clone()));
        Self { progress, health, keys, ledger, leading, stop, task }
    }

    /// Waits until the projector stands where `wanted` says.
    pub async fn until(&mut self, wanted: impl FnMut(&Progress) -> bool) -> Progress {
        timeout(LIMIT, self.progress.wait_for(wanted)).await.expect("it takes too long").unwrap().clone()
    }

    pub async fn reached(&mut self, position: Position) {
        let progress = self.until(|progress| progress.position >= position || progress.halted.is_some()).await;
        assert_eq!(progress.halted, None);
    }

    /// Waits until it has stopped for good, which health says too, and says where and why.
    pub async fn halted(&mut self) -> (Position, String) {
        let progress = self.until(|progress| progress.halted.is_some()).await;
        let halted = progress.halted.unwrap();
        let why = halted.to_string();
        let check = if matches!(halted, Broken::Keyless(_)) { &self.keys } else { &self.health };
        let serves = progress.identified && matches!(halted, Broken::Keyless(_) | Broken::Corrupt(_));
        let expected = if serves { Status::Impaired } else { Status::NeedsPerson };
        assert_eq!(check.status(), expected(why.clone()));
        // One that misses keys tries again and again.
        assert!(!self.leading.leads() || matches!(halted, Broken::Keyless(_)), "it applies nothing");
        (progress.position, why)
    }

    /// Ends it as if its process were killed: it lets go of nothing.
    pub async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|ended| ended.is_cancelled()));
    }

    pub async fn stop(self) {
        self.stop.cancel();
        timeout(LIMIT, self.task).await.expect("it does not stop").unwrap();
    }
}
