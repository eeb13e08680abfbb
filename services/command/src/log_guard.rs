//! Whether the log may be appended to. A log that was rolled back, or is another than the read model's, must not grow a
//! fork; and one that holds what nobody can apply takes no changes that would never be in force.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Position;
use postkey_http::{Code, HealthCheck, Problem, Status};

use crate::waiters::Waiters;

/// What an operator is told whose service writes to a log that was closed.
const LOG_CLOSED: &str =
    "the log was closed to changes, for a copy that goes on in its place: start this service with --log of the copy";

/// Remembers what is wrong with the log; its health check is what comes of that. Clones share it.
#[derive(Clone)]
pub struct LogGuard {
    found: Arc<Mutex<Found>>,
    /// How far the projection has come.
    applied: Waiters,
    health: HealthCheck,
    closed: HealthCheck,
}

/// What is known of the log, in words for the operator.
#[derive(Default)]
struct Found {
    /// It is not what it must be, for the life of the process.
    broken: Option<String>,
    /// The projection says that it is another than its own.
    disowned: Option<String>,
    /// The projection says that it can't apply what it holds.
    unapplied: bool,
    /// The last entry that can't be made sense of.
    unreadable: Option<(Position, String)>,
    /// It could not be asked lately.
    away: Option<String>,
}

impl Found {
    /// Whether the projection will stop at an entry that can't be made sense of. Where it has come past it, that is the
    /// trouble of that entry's service, and the others go on.
    fn stops_at(&self, applied: Position) -> bool {
        self.unreadable.as_ref().is_some_and(|(position, _)| *position > applied)
    }

    fn bars_appends(&self, applied: Position) -> bool {
        self.broken.is_some() || self.disowned.is_some() || self.unapplied || self.stops_at(applied)
    }

    /// What shows in health; that the projection can't apply it shows in the projection's.
    fn status(&self, applied: Position) -> Status {
        match self {
            Self { broken: Some(what), .. } | Self { disowned: Some(what), .. } => Status::NeedsPerson(what.clone()),
            Self { unreadable: Some((_, what)), .. } if self.stops_at(applied) => Status::NeedsPerson(what.clone()),
            Self { away: Some(what), .. } => Status::Red(what.clone()),
            Self { unreadable: Some((_, what)), .. } => Status::Impaired(what.clone()),
            _ => Status::Green,
        }
    }
}

impl LogGuard {
    /// All is well until somebody says otherwise. `health` shows what is wrong with the log, `closed` whether it takes
    /// appends at all.
    pub fn new(health: HealthCheck, closed: HealthCheck) -> Self {
        closed.green();
        Self { found: Arc::default(), applied: Waiters::default(), health, closed }
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finds(&self, what: impl FnOnce(&mut Found)) {
        let mut found = self.found();
        what(&mut found);
        self.health.set(found.status(self.applied.position()));
    }

    /// How far the projection has come; whoever follows it moves this.
    pub fn applied(&self) -> Waiters {
        self.applied.clone()
    }

    /// Nothing is appended any more; a person has to look.
    pub fn trip(&self, what: impl Display) {
        self.finds(|found| {
            found.broken.get_or_insert_with(|| what.to_string());
        });
    }

    /// An entry at `position` can't be made sense of: nothing is appended after it until the projection has come past it.
    pub fn unreadable(&self, position: Position, what: impl Display) {
        self.finds(|found| {
            if found.unreadable.as_ref().is_none_or(|(last, _)| *last <= position) {
                found.unreadable = Some((position, what.to_string()));
            }
        });
    }

    /// The projection says that this is not the log that its rows were built from: nothing is appended until it, or another
    /// one, knows the log. It may be the projection that is wrong.
    pub fn disown(&self, what: impl Display) {
        self.finds(|found| found.disowned = Some(what.to_string()));
    }

    /// The projection's rows were built from this log.
    pub fn own(&self) {
        if self.is_disowned() {
            self.finds(|found| found.disowned = None);
        }
    }

    /// Whether the projection was last heard to say that this is another log than its own.
    pub fn is_disowned(&self) -> bool {
        self.found().disowned.is_some()
    }

    /// Says that the log takes no appends any more.
    pub fn closed(&self) {
        self.closed.needs_person(LOG_CLOSED);
    }

    /// Whether the log holds what the projection can't apply: nothing is appended after it until it could.
    pub fn unapplied(&self, unapplied: bool) {
        self.found().unapplied = unapplied;
    }

    /// Whether the projection was last heard to say so.
    pub fn is_unapplied(&self) -> bool {
        self.found().unapplied
    }

    /// Whether the log could be asked just now, or why not.
    pub fn asked<T>(&self, answer: Result<T, impl Display>) {
        self.finds(|found| found.away = answer.err().map(|what| what.to_string()));
    }

    /// Refuses where nothing may be appended.
    pub fn check(&self) -> Result<(), Problem> {
        let bars = self.found().bars_appends(self.applied.position());
        if bars { Err(Problem::new(Code::LogCorrupt)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use postkey_http::Health;

    use super::*;

    fn at(position: u64) -> Position {
        Position::new(position)
    }

    #[test]
    fn what_is_over_leaves_what_is_not() {
        let health = Health::new();
        let guard = LogGuard::new(health.check("log"), health.check("closed"));
        let status = || health.check("log").status();
        let answers = || guard.asked(Ok::<_, &str>(()));
        answers();
        assert_eq!((status(), guard.check().is_ok()), (Status::Green, true));

        guard.unreadable(at(7), "corrupt at 7");
        assert_eq!((status(), guard.check().is_ok()), (Status::NeedsPerson("corrupt at 7".into()), false));
        guard.disown("another log");
        guard.applied().reach(at(7));
        assert_eq!((status(), guard.check().is_ok()), (Status::NeedsPerson("another log".into()), false));
        guard.own();
        assert_eq!((status(), guard.check().is_ok()), (Status::Impaired("corrupt at 7".into()), true));
        guard.asked(Err::<(), _>("it does not answer"));
        assert_eq!((status(), guard.check().is_ok()), (Status::Red("it does not answer".into()), true));
        answers();
        assert_eq!(status(), Status::Impaired("corrupt at 7".into()), "it stays said");

        guard.trip("rolled back");
        guard.own();
        answers();
        assert_eq!((status(), guard.check().is_ok()), (Status::NeedsPerson("rolled back".into()), false));
    }
}
