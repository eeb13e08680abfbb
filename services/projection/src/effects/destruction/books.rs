//! Which keys stand, by what entries say: pure, and bounded.

use std::collections::HashMap;

use domain::{KeyId, Moment, ServiceId, UserId, UserKeys};
use lru::LruCache;
use wire::{Body, Corrupt, Link, Opened};

/// How many users, over all services in the books: some 20 MiB. The largest service alone may have more.
const MAX_USERS: usize = 200_000;

/// The keys of services' users after the entries that were taken in, of as many services as there is room for.
pub struct Books {
    accounts: LruCache<ServiceId, Account>,
    users: usize,
}

/// The keys of one service's users, from its first entry on.
#[derive(Debug, Default)]
pub struct Account {
    /// The last entry that was taken in.
    last: Option<Link>,
    users: HashMap<UserId, UserKeys>,
}

/// What entries doom.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Doomed {
    /// Keys, each once.
    pub keys: Vec<KeyId>,
    /// Whether a user is no more.
    pub erases: bool,
}

impl Doomed {
    fn join(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.erases |= other.erases;
    }
}

impl Books {
    /// Nothing in them yet.
    pub fn new() -> Self {
        Self { accounts: LruCache::unbounded(), users: 0 }
    }

    /// Takes in the next entry of the log and adds what it dooms to `doomed`. Where that can't be told without what stood
    /// before, nothing is taken in: the service, whose account has to be put in first ([`Books::put`]).
    ///
    /// # Errors
    /// Where the entry does not follow what stood before.
    pub fn take(&mut self, opened: &Opened, doomed: &mut Doomed) -> Result<Option<ServiceId>, Corrupt> {
        let Body::Service { service, events, .. } = &opened.change.body else { return Ok(None) };
        if let Some(account) = self.accounts.get_mut(service) {
            let before = account.weight();
            doomed.join(account.take(opened)?);
            let after = account.weight();
            self.weighs(before, after);
        } else if opened.change.prev.is_none() {
            let mut account = Account::default();
            doomed.join(account.take(opened)?);
            self.put(*service, account);
        } else if UserKeys::may_be_doomed_by(events) {
            return Ok(Some(*service));
        }
        Ok(None)
    }

    /// Puts in an account, at the cost of those that were needed longest ago.
    pub fn put(&mut self, service: ServiceId, account: Account) {
        let after = account.weight();
        let before = self.accounts.put(service, account).map_or(0, |account| account.weight());
        self.weighs(before, after);
    }

    fn weighs(&mut self, before: usize, after: usize) {
        self.users = self.users + after - before;
        while self.users > MAX_USERS && self.accounts.len() > 1 {
            let Some((_, account)) = self.accounts.pop_lru() else { break };
            self.users -= account.weight();
        }
    }
}

impl Account {
    /// The last entry that was taken in.
    pub const fn last(&self) -> Option<Link> {
        self.last
    }

    /// What it takes of memory, in users; one without any takes a little too.
    fn weight(&self) -> usize {
        1 + self.users.len()
    }

    /// Takes in the service's next entry, and says what it dooms.
    ///
    /// # Errors
    /// Where it does not follow. Then this value is of no use any more.
    pub fn take(&mut self, opened: &Opened) -> Result<Doomed, Corrupt> {
        let (position, change) = (opened.link.position, &opened.change);
        change.follows(position, self.last)?;
        let moment = Moment { position, at: change.at };
        let mut doomed = Doomed::default();
        for event in change.events() {
            let domain::Event::User(id, event) = event else { continue };
            let before = self.users.remove(id);
            let after = UserKeys::evolve(before, event, moment)?;
            doomed.keys.extend(UserKeys::doomed(before, after));
            match after {
                Some(after) => drop(self.users.insert(*id, after)),
                None => doomed.erases = true,
            }
        }
        self.last = Some(opened.link);
        Ok(doomed)
    }
}
