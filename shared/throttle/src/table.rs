//! Budgets by key, as many as there is room for.

use std::time::Instant;

use lru::LruCache;

use crate::Limits;
use crate::budget::Budget;
use crate::key::Key;

/// The budgets of accounts, or of origins, in two parts: see [`Limits`].
pub(crate) struct Table {
    quiet: LruCache<Key, Budget>,
    throttled: LruCache<Key, Budget>,
}

impl Table {
    pub fn new(limits: &Limits) -> Self {
        Self { quiet: LruCache::sparse(limits.quiet), throttled: LruCache::sparse(limits.throttled) }
    }

    /// The budget of `key`.
    pub fn budget(&self, key: &Key) -> Budget {
        self.throttled.peek(key).or_else(|| self.quiet.peek(key)).copied().unwrap_or_default()
    }

    /// Counts a failure.
    pub fn fail(&mut self, key: Key, limits: &Limits, now: Instant) {
        let budget = self.throttled.pop(&key).or_else(|| self.quiet.pop(&key)).unwrap_or_default();
        let budget = budget.failed(limits, now);
        // Each part is in the order of its entries' last failures, for only failures put them there.
        let part = if budget.is_throttled(limits) { &mut self.throttled } else { &mut self.quiet };
        part.push(key, budget);
        forget(&mut self.quiet, limits, now);
        forget(&mut self.throttled, limits, now);
    }

    pub fn len(&self) -> usize {
        self.quiet.len() + self.throttled.len()
    }
}

/// Drops up to two entries that are forgotten: one more than a failure adds, so that what a flood leaves goes away.
fn forget(part: &mut LruCache<Key, Budget>, limits: &Limits, now: Instant) {
    for _ in 0..2 {
        if part.peek_lru().is_some_and(|(_, oldest)| oldest.is_forgotten(limits, now)) {
            part.pop_lru();
        }
    }
}
