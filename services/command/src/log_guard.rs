//! Whether the log may be appended to. A log that was rolled back, or is another than the read model's, must not grow a
//! fork; and one that holds what nobody can apply takes no changes that would never be in force.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use domain::Position;
use postkey_http::{Code, HealthCheck, Problem, Status};

use crate::waiters::Waiters;

/// What an operator is told whose service writes to a log that was closed.
const LOG_CLOSED: &str =
    "the log was closed to changes, for a copy that goes on in its place: start this service with --log of the copy";

/// Remembers that the log is not what it must be. Clones share it.
#[derive(Clone)]
pub struct LogGuard {
    /// For the life of the process.
    broken: Arc<OnceLock<()>>,
    /// For as long as the projection says so.
    unapplied: Arc<AtomicBool>,
    /// As long.
    disowned: Arc<AtomicBool>,
    /// The last position at which an entry was found that can't be made sense of.
    unreadable: Arc<AtomicU64>,
    /// How far the projection has come.
    applied: Waiters,
    health: HealthCheck,
    closed: HealthCheck,
}

impl LogGuard {
    /// All is well until somebody says otherwise. `health` shows what is wrong with the log, `closed` whether it takes
    /// appends at all.
    pub fn new(health: HealthCheck, closed: HealthCheck) -> Self {
        closed.green();
        let (broken, unapplied, disowned) = (Arc::default(), Arc::default(), Arc::default());
        let (unreadable, applied) = (Arc::default(), Waiters::default());
        Self { broken, unapplied, disowned, unreadable, applied, health, closed }
    }

    /// How far the projection has come; whoever follows it moves this.
    pub fn applied(&self) -> Waiters {
        self.applied.clone()
    }

    /// Nothing is appended any more; a person has to look.
    pub fn trip(&self, what: impl std::fmt::Display) {
        if self.broken.set(()).is_ok() {
            tracing::error!(%what, "the log is corrupt: nothing is appended any more");
            self.health.needs_person(what.to_string());
        }
    }

    /// An entry at `position` can't be made sense of. Where the projection has come past it, that is its service's trouble,
    /// and the others go on. Where not, it will stop there, and nothing is appended after it.
    pub fn unreadable(&self, position: Position, what: impl std::fmt::Display) {
        tracing::error!(%what, "a history is corrupt");
        self.unreadable.fetch_max(position.get(), Ordering::SeqCst);
        if self.broken.get().is_none() {
            self.health.impaired(what.to_string());
        }
    }

    fn holds_unreadable(&self) -> bool {
        self.unreadable.load(Ordering::SeqCst) > self.applied.position().get()
    }

    /// The projection says that this is not the log that its rows were built from: nothing is appended until it, or another
    /// one, knows the log. It may be the projection that is wrong.
    pub fn disown(&self, what: impl std::fmt::Display) {
        self.disowned.store(true, Ordering::SeqCst);
        if self.broken.get().is_none() {
            self.health.needs_person(what.to_string());
        }
    }

    /// The projection's rows were built from this log.
    pub fn own(&self) {
        let readable = self.unreadable.load(Ordering::SeqCst) == 0;
        if self.disowned.swap(false, Ordering::SeqCst) && self.broken.get().is_none() && readable {
            self.health.green();
        }
    }

    /// Whether the projection was last heard to say that this is another log than its own.
    pub fn is_disowned(&self) -> bool {
        self.disowned.load(Ordering::SeqCst)
    }

    /// Says that the log takes no appends any more.
    pub fn closed(&self) {
        self.closed.needs_person(LOG_CLOSED);
    }

    /// Whether the log holds what the projection can't apply: nothing is appended after it until it could.
    pub fn unapplied(&self, unapplied: bool) {
        self.unapplied.store(unapplied, Ordering::SeqCst);
    }

    /// Whether the projection was last heard to say so.
    pub fn is_unapplied(&self) -> bool {
        self.unapplied.load(Ordering::SeqCst)
    }

    /// The health check, for what comes and goes; nothing once the log is known to be corrupt.
    pub fn health(&self) -> Option<&HealthCheck> {
        let person = matches!(self.health.status(), Status::Impaired(_) | Status::NeedsPerson(_));
        (!person).then_some(&self.health)
    }

    /// Refuses where nothing may be appended.
    pub fn check(&self) -> Result<(), Problem> {
        let refused =
            self.broken.get().is_some() || self.is_unapplied() || self.is_disowned() || self.holds_unreadable();
        if refused { Err(Problem::new(Code::LogCorrupt)) } else { Ok(()) }
    }
}
