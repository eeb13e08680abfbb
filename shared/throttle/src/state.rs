//! All budgets together: which of them judge an attempt.

use std::collections::HashMap;
use std::time::Instant;

use crate::budget::Budget;
use crate::key::Key;
use crate::owners::Owners;
use crate::table::Table;
use crate::{Entries, Limits, Throttled};

/// A budget's name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Judge {
    Account(Key),
    Origin(Key),
    /// Account and origin together.
    Owner(Key, Key),
}

/// The one or two budgets that judge an attempt.
#[derive(Clone, Copy)]
pub(crate) struct Judges(Judge, Option<Judge>);

impl Judges {
    fn each(self) -> impl Iterator<Item = Judge> {
        std::iter::once(self.0).chain(self.1)
    }
}

pub(crate) struct State {
    limits: Limits,
    accounts: Table,
    origins: Table,
    owners: Owners,
    /// How many attempts of each budget are being judged; no more than requests are under way. They stand apart from the
    /// tables, or attempts that are never judged could push entries out.
    pending: HashMap<Judge, u32>,
}

impl State {
    pub fn new(limits: Limits) -> Self {
        let (accounts, origins, owners) = (Table::new(&limits), Table::new(&limits), Owners::new(&limits));
        Self { limits, accounts, origins, owners, pending: HashMap::new() }
    }

    /// See [`crate::Throttle::origin`].
    pub fn origin(&self, account: Key, origin: Key, now: Instant) -> Result<bool, Throttled> {
        if self.owners.know(&account, &origin, &self.limits, now) {
            return Ok(true);
        }
        self.budget(Judge::Origin(origin)).judge(0, &self.limits, now).map(|()| false)
    }

    /// See [`crate::Throttle::look`].
    pub fn look(&self, account: Key, origin: Option<Key>, now: Instant) -> Result<(), Throttled> {
        let judges = self.judges(account, origin, now);
        let refused = judges.each().filter_map(|judge| self.budget(judge).judge(0, &self.limits, now).err());
        refused.reduce(Throttled::and).map_or(Ok(()), Err)
    }

    /// Judges an attempt, and charges it to those that judged it.
    pub fn charge(&mut self, account: Key, origin: Option<Key>, now: Instant) -> Result<Judges, Throttled> {
        let judges = self.judges(account, origin, now);
        let judge = |judge| {
            let pending = self.pending.get(&judge).copied().unwrap_or(0);
            self.budget(judge).judge(pending, &self.limits, now).err()
        };
        if let Some(refused) = judges.each().filter_map(judge).reduce(Throttled::and) {
            return Err(refused);
        }
        for judge in judges.each() {
            *self.pending.entry(judge).or_default() += 1;
        }
        Ok(judges)
    }

    /// Takes a charge back.
    pub fn discharge(&mut self, judges: Judges) {
        for judge in judges.each() {
            if let Some(pending) = self.pending.get_mut(&judge) {
                *pending -= 1;
                if *pending == 0 {
                    self.pending.remove(&judge);
                }
            }
        }
    }

    /// Counts a failure with those that judged it.
    pub fn fail(&mut self, judges: Judges, now: Instant) {
        for judge in judges.each() {
            match judge {
                Judge::Account(account) => self.accounts.fail(account, &self.limits, now),
                Judge::Origin(origin) => self.origins.fail(origin, &self.limits, now),
                Judge::Owner(account, origin) => {
                    // Where its own budget went while it was judged, it counts as a stranger's.
                    if !self.owners.fail(&account, &origin, &self.limits, now) {
                        self.accounts.fail(account, &self.limits, now);
                        self.origins.fail(origin, &self.limits, now);
                    }
                }
            }
        }
    }

    /// Notes a good login.
    pub fn good(&mut self, account: Key, origin: Key, now: Instant) {
        self.owners.good(account, origin, &self.limits, now);
    }

    pub fn entries(&self) -> Entries {
        Entries { accounts: self.accounts.len(), origins: self.origins.len(), owners: self.owners.len() }
    }

    fn judges(&self, account: Key, origin: Option<Key>, now: Instant) -> Judges {
        match origin {
            Some(origin) if self.owners.know(&account, &origin, &self.limits, now) => {
                Judges(Judge::Owner(account, origin), None)
            }
            origin => Judges(Judge::Account(account), origin.map(Judge::Origin)),
        }
    }

    fn budget(&self, judge: Judge) -> Budget {
        match judge {
            Judge::Account(account) => self.accounts.budget(&account),
            Judge::Origin(origin) => self.origins.budget(&origin),
            Judge::Owner(account, origin) => self.owners.budget(&account, &origin),
        }
    }
}
