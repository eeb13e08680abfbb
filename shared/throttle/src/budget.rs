//! Failures, and how long to wait after them.

use std::time::{Duration, Instant};

use crate::{Limits, Throttled};

/// How long those wait who only attempts under way stand against. They take an argon2id.
const PENDING: Duration = Duration::from_secs(1);

/// The failures that were judged, and when the last one was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Budget {
    failures: u32,
    last: Option<Instant>,
}

impl Budget {
    /// The failures that still count.
    fn failures(&self, limits: &Limits, now: Instant) -> u32 {
        if self.is_forgotten(limits, now) { 0 } else { self.failures }
    }

    /// Whether there is nothing to remember.
    pub fn is_forgotten(&self, limits: &Limits, now: Instant) -> bool {
        self.last.is_none_or(|last| now.saturating_duration_since(last) >= limits.forgotten_after)
    }

    /// Whether the free failures are used up.
    pub fn is_throttled(&self, limits: &Limits) -> bool {
        self.failures >= limits.free
    }

    /// The budget after one more failure.
    #[must_use]
    pub fn failed(&self, limits: &Limits, now: Instant) -> Self {
        // Of two that are judged at once, the later time counts.
        let last = self.last.map_or(now, |last| last.max(now));
        Self { failures: self.failures(limits, now).saturating_add(1), last: Some(last) }
    }

    /// Whether one more attempt may be judged, while `pending` are.
    pub fn judge(&self, pending: u32, limits: &Limits, now: Instant) -> Result<(), Throttled> {
        let failures = self.failures(limits, now);
        if let Some(beyond) = failures.checked_sub(limits.free) {
            let since = self.last.map_or(Duration::MAX, |last| now.saturating_duration_since(last));
            let retry_after = delay(beyond, limits).saturating_sub(since);
            if !retry_after.is_zero() {
                return Err(Throttled { retry_after, pending: false });
            }
        }
        if pending > 0 && failures.saturating_add(pending) >= limits.free {
            return Err(Throttled { retry_after: PENDING, pending: true });
        }
        Ok(())
    }
}

/// The delay after so many failures beyond the free ones.
fn delay(beyond: u32, limits: &Limits) -> Duration {
    let doubled = 1u32.checked_shl(beyond).map_or(Duration::MAX, |times| limits.first_delay.saturating_mul(times));
    doubled.min(limits.longest_delay)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_minute() {
        let limits = Limits::default();
        let seconds: Vec<_> = (0..9).map(|beyond| delay(beyond, &limits).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(delay(u32::MAX, &limits).as_secs(), 60);
    }
}
