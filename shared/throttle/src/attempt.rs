//! The ticket of an attempt.

use std::time::Instant;

use crate::Throttle;
use crate::key::Key;
use crate::state::Judges;

/// An attempt that may be judged, and is charged. Dropped without a verdict, as where the one who judges is overloaded or
/// the caller has gone, the charge is taken back, as if there had been no attempt.
#[must_use = "dropped, the attempt counts as never judged"]
pub struct Attempt {
    throttle: Throttle,
    account: Key,
    origin: Option<Key>,
    judges: Judges,
    verdict: Option<(Verdict, Instant)>,
}

enum Verdict {
    Right,
    Wrong,
}

impl Attempt {
    pub(crate) fn new(throttle: Throttle, account: Key, origin: Option<Key>, judges: Judges) -> Self {
        Self { throttle, account, origin, judges, verdict: None }
    }

    /// It was the account's password: the charge is taken back, and the origin is the owner's from now on.
    pub fn right(mut self, now: Instant) {
        self.verdict = Some((Verdict::Right, now));
    }

    /// It was not, or nobody may sign in to the account: a failure as of `now`.
    pub fn wrong(mut self, now: Instant) {
        self.verdict = Some((Verdict::Wrong, now));
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut state = self.throttle.lock();
        state.discharge(self.judges);
        match (&self.verdict, self.origin) {
            (Some((Verdict::Right, now)), Some(origin)) => state.good(self.account, origin, *now),
            (Some((Verdict::Wrong, now)), _) => state.fail(self.judges, *now),
            (Some((Verdict::Right, _)), None) | (None, _) => {}
        }
    }
}
