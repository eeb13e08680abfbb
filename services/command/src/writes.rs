//! Whether keys and entries can be written, for the health checks: a store that can be read may still be full.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use postkey_http::{HealthCheck, Status};

/// For how long a failed write keeps the service from being sent commands. Then one may try again.
const RED_FOR: Duration = Duration::from_secs(5);

/// What could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwritten {
    /// A key.
    Keys,
    /// An entry.
    Entry,
}

/// How the last write went. Clones share it.
#[derive(Clone)]
pub struct Writes {
    health: HealthCheck,
    log: HealthCheck,
    keys: HealthCheck,
    failed: Arc<Mutex<Option<Failed>>>,
}

struct Failed {
    what: Unwritten,
    at: Instant,
    /// Whether its store could not even be asked, then or since: it was away, and will be well when it is back.
    away: bool,
}

impl Writes {
    /// All is well until a write fails. `log` and `keys` say whether the stores can be asked.
    pub fn new(health: HealthCheck, log: HealthCheck, keys: HealthCheck) -> Self {
        health.green();
        Self { health, log, keys, failed: Arc::default() }
    }

    /// A change was written.
    pub fn succeeded(&self) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.health.green();
    }

    /// A store has not taken a change, or has not said so.
    pub fn failed(&self, what: Unwritten) {
        let failed = Failed { what, at: Instant::now(), away: self.is_away(what) };
        self.health.red(failed.reason());
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(failed);
    }

    fn is_away(&self, what: Unwritten) -> bool {
        let check = match what {
            Unwritten::Keys => &self.keys,
            Unwritten::Entry => &self.log,
        };
        matches!(check.status(), Status::Red(_))
    }

    /// Called now and then, after the stores were asked. What was away and is back needs no write to be well; and a
    /// service that is never sent commands again would never see that it can write again.
    pub fn look(&self) {
        let mut last = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(failed) = &mut *last else { return };
        let away = self.is_away(failed.what);
        if failed.away && !away {
            *last = None;
            self.health.green();
            return;
        }
        failed.away = away;
        if failed.at.elapsed() > RED_FOR {
            self.health.yellow(failed.reason());
        } else {
            self.health.red(failed.reason());
        }
    }
}

impl Failed {
    fn reason(&self) -> String {
        let (what, store, check) = match self.what {
            Unwritten::Keys => ("the last change's keys could not be stored", "the key store", "keys"),
            Unwritten::Entry => ("the last change could not be appended", "the log", "log"),
        };
        if self.away {
            format!("{what}: {store} can't be reached, see `{check}`; this ends when it can")
        } else {
            format!(
                "{what}, though {store} can be read: is its disk full? This ends with the next change that is written"
            )
        }
    }
}
