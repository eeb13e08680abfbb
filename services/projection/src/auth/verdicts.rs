//! How logins have ended, counted since the start; for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Refused, SignedIn};

/// Counts that only grow.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// Right by the cache: no argon2id was needed.
    pub cached: AtomicU64,
    /// Right by argon2id, also by that of an equal login under way.
    pub right: AtomicU64,
    /// Unknown, suspended, removed or wrong.
    pub wrong: AtomicU64,
    /// Told to come back later, for too many failures.
    pub throttled: AtomicU64,
    /// Not judged: too many wait for argon2id.
    pub overloaded: AtomicU64,
    /// Not judged: there was no row that may be trusted.
    pub not_fresh: AtomicU64,
}

impl Verdicts {
    pub(super) fn count(&self, ended: Result<&SignedIn, &Refused>) {
        let count = match ended {
            Ok(SignedIn { cached: true, .. }) => &self.cached,
            Ok(SignedIn { cached: false, .. }) => &self.right,
            Err(Refused::Wrong) => &self.wrong,
            Err(Refused::Throttled(_)) => &self.throttled,
            Err(Refused::Overloaded(_)) => &self.overloaded,
            Err(Refused::NotFresh(_)) => &self.not_fresh,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
