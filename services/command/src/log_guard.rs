//! Whether the log may be appended to. A log that was rolled back, or is another than the read model's, must not grow a
//! fork.

use std::sync::{Arc, OnceLock};

use postkey_http::{Code, HealthCheck, Problem};

/// What an operator is told whose service writes to a log that was closed.
pub const LOG_CLOSED: &str =
    "the log was closed to changes, for a copy that goes on in its place: start this service with --log of the copy";

/// Remembers, for the life of the process, that the log is not what it must be. Clones share it.
#[derive(Clone)]
pub struct LogGuard {
    broken: Arc<OnceLock<()>>,
    health: HealthCheck,
}

impl LogGuard {
    /// All is well until somebody says otherwise.
    pub fn new(health: HealthCheck) -> Self {
        Self { broken: Arc::default(), health }
    }

    /// Nothing is appended any more; a person has to look.
    pub fn trip(&self, what: impl std::fmt::Display) {
        if self.broken.set(()).is_ok() {
            tracing::error!(%what, "the log is corrupt: nothing is appended any more");
            self.health.needs_person(what.to_string());
        }
    }

    /// Says that one service's history is corrupt; the others go on.
    pub fn warn(&self, what: impl std::fmt::Display) {
        tracing::error!(%what, "a history is corrupt");
        self.health.needs_person(what.to_string());
    }

    /// Says that the log takes no appends any more.
    pub fn closed(&self) {
        tracing::error!(what = LOG_CLOSED);
        self.health.needs_person(LOG_CLOSED);
    }

    /// The health check, for what comes and goes; nothing once the log is known to be corrupt.
    pub fn health(&self) -> Option<&HealthCheck> {
        let person = matches!(self.health.status(), postkey_http::Status::NeedsPerson(_));
        (!person).then_some(&self.health)
    }

    /// Refuses where nothing may be appended.
    pub fn check(&self) -> Result<(), Problem> {
        if self.broken.get().is_some() { Err(Problem::new(Code::LogCorrupt)) } else { Ok(()) }
    }
}
