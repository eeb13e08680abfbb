//! From where accounts' owners sign in, and the budgets that they have there.

use std::time::Instant;

use lru::LruCache;

use crate::Limits;
use crate::budget::Budget;
use crate::key::Key;

/// The owners' origins, by account.
pub(crate) struct Owners {
    accounts: LruCache<Key, Vec<Owned>>,
}

/// An origin of an account's owner.
struct Owned {
    origin: Key,
    /// When the password was last right from here.
    good: Instant,
    budget: Budget,
}

impl Owners {
    pub fn new(limits: &Limits) -> Self {
        Self { accounts: LruCache::sparse(limits.owners) }
    }

    /// Whether the origin is the account's owner's.
    pub fn know(&self, account: &Key, origin: &Key, limits: &Limits, now: Instant) -> bool {
        self.owned(account, origin).is_some_and(|owned| owned.is_recent(limits, now))
    }

    /// The budget of account and origin.
    pub fn budget(&self, account: &Key, origin: &Key) -> Budget {
        self.owned(account, origin).map(|owned| owned.budget).unwrap_or_default()
    }

    /// Notes a good login. A budget that is there stays as it is.
    pub fn good(&mut self, account: Key, origin: Key, limits: &Limits, now: Instant) {
        let owned = self.accounts.get_or_insert_mut(account, Vec::new);
        let before = owned.iter().position(|owned| owned.origin == origin).map(|at| owned.remove(at));
        owned.retain(|owned| owned.is_recent(limits, now));
        if owned.len() >= limits.owner_origins.get() {
            // The oldest stands first: each good login puts its origin last.
            owned.remove(0);
        }
        let budget = before.map(|before| before.budget).unwrap_or_default();
        owned.push(Owned { origin, good: now, budget });
    }

    /// Counts a failure in the budget of account and origin; false where there is none any more.
    #[must_use]
    pub fn fail(&mut self, account: &Key, origin: &Key, limits: &Limits, now: Instant) -> bool {
        let owned = self.accounts.peek_mut(account).map_or(&mut [][..], Vec::as_mut_slice);
        let Some(owned) = owned.iter_mut().find(|owned| owned.origin == *origin) else { return false };
        owned.budget = owned.budget.failed(limits, now);
        true
    }

    fn owned(&self, account: &Key, origin: &Key) -> Option<&Owned> {
        self.accounts.peek(account)?.iter().find(|owned| owned.origin == *origin)
    }

    pub fn len(&self) -> usize {
        self.accounts.len()
    }
}

impl Owned {
    fn is_recent(&self, limits: &Limits, now: Instant) -> bool {
        now.saturating_duration_since(self.good) < limits.owner_for
    }
}
