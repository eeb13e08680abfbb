//! Whether the clocks that are in sight agree: this machine's, that of the projection which answers, and those that have
//! stamped the log. Where two do not, nobody can say here which one is wrong.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use postkey_http::{Clock, HealthCheck};

/// How far two clocks may be apart before the operator is told.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// What is known of the clocks, and the check that says so. Clones share both.
#[derive(Clone)]
pub struct Clocks {
    own: Arc<dyn Clock>,
    check: HealthCheck,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The newest instant in the log, as far as this process has come across it.
    newest: Option<DateTime<Utc>>,
    /// How far the projection's clock was ahead of this machine's when it was last heard; below zero where behind.
    ahead: TimeDelta,
}

impl Clocks {
    /// All is well as long as nothing else is known.
    pub fn new(own: Arc<dyn Clock>, check: HealthCheck) -> Self {
        check.green();
        Self { own, check, seen: Arc::default() }
    }

    /// This machine's time.
    pub fn now(&self) -> DateTime<Utc> {
        self.own.now()
    }

    /// Takes note of an instant that the log holds, of whichever service.
    pub fn logged(&self, at: DateTime<Utc>) {
        self.judge(|seen, _| seen.newest = seen.newest.max(Some(at)));
    }

    /// Takes note of when an answer of the projection's was given by its clock. It has just come.
    pub fn heard(&self, at: DateTime<Utc>) {
        self.judge(|seen, now| seen.ahead = at - now);
    }

    fn judge(&self, note: impl FnOnce(&mut Seen, DateTime<Utc>)) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.own.now();
        note(&mut seen, now);
        if seen.ahead.abs() > TOLERANCE {
            let other = if seen.ahead > TimeDelta::zero() { "ahead of" } else { "behind" };
            self.check.yellow(format!(
                "the projection's clock is more than 5 minutes {other} this machine's: one of the two is wrong, compare both \
                 with a third and set it"
            ));
        } else if seen.newest.is_some_and(|newest| newest - now > TOLERANCE) {
            self.check.yellow(
                "the last entry is more than 5 minutes ahead of this machine's clock: this one is slow, or that of the machine \
                 that wrote the entry was fast; compare both with a third and set the wrong one",
            );
        } else {
            self.check.green();
        }
    }
}
