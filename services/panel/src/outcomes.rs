//! What this panel has saved lately, for the page that says so: what it was, and since when it is known to be in force.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use lru::LruCache;
use postkey_http::Receipt;
use uuid::Uuid;

use crate::pages::saved::What;

/// So many are kept; of an older one the page knows no more than the services do.
const KEPT: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();

/// A change that was saved here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was done.
    pub what: What,
    /// An instant at which it was known to be in force: that of the receipt, or of the first look that found it so.
    pub in_force: Option<DateTime<Utc>>,
}

/// Changes by user and position.
pub struct Outcomes(Mutex<LruCache<(Uuid, u64), Outcome>>);

impl Outcomes {
    /// None yet.
    pub fn new() -> Self {
        Self(Mutex::new(LruCache::new(KEPT)))
    }

    /// Notes what a receipt says; a repeat changes nothing that was known before.
    pub fn saved(&self, user: Uuid, receipt: &Receipt, what: What) {
        let mut kept = self.lock();
        let outcome = kept.get_or_insert_mut((user, receipt.position), || Outcome { what, in_force: None });
        outcome.in_force = outcome.in_force.or(receipt.effective_at);
    }

    /// Notes that a change was found to be in force.
    pub fn found_in_force(&self, user: Uuid, position: u64, at: DateTime<Utc>) {
        if let Some(outcome) = self.lock().get_mut(&(user, position)) {
            outcome.in_force = outcome.in_force.or(Some(at));
        }
    }

    /// What is known of a change.
    pub fn of(&self, user: Uuid, position: u64) -> Option<Outcome> {
        self.lock().get(&(user, position)).copied()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<(Uuid, u64), Outcome>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_instant_at_which_a_change_was_in_force_stands() {
        let outcomes = Outcomes::new();
        let user = Uuid::from_u128(1);
        let receipt = Receipt::example(&["PasswordChanged"]);
        let (position, at) = (receipt.position, receipt.effective_at.unwrap());
        assert_eq!(outcomes.of(user, position), None);
        outcomes.saved(user, &receipt.clone().later(), What::Password);
        assert_eq!(outcomes.of(user, position), Some(Outcome { what: What::Password, in_force: None }));
        outcomes.found_in_force(user, position, at);
        let later = Receipt { effective_at: Some(at + chrono::TimeDelta::seconds(9)), ..receipt };
        outcomes.saved(user, &later, What::Password);
        outcomes.found_in_force(user, position, at + chrono::TimeDelta::seconds(9));
        assert_eq!(outcomes.of(user, position).unwrap().in_force, Some(at));
        assert_eq!(outcomes.of(Uuid::from_u128(2), position), None, "another user's");
    }
}
