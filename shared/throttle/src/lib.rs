//! Growing delays between attempts at a password, so that nobody guesses one, and nobody locks its owner out.
//!
//! Failures are counted in budgets. Five in a budget are free; then the next attempt has to wait 1 s after the last
//! failure, 2 s, 4 s … up to 60 s. A budget is forgotten after an hour without failures ([`Limits`]).
//!
//! - **A stranger's attempt** is judged by two budgets: the account's and the origin's. Both have to let it pass, and a
//!   failure counts in both. So neither a botnet on one account nor one machine on many accounts gets further than five
//!   guesses and then one a minute. An attempt without an origin is judged by the account's alone.
//! - **The owner's attempt** is judged by a budget of its own, that of account and origin together: an origin from which
//!   the account's password was given right within the last 30 days is the owner's. Failures elsewhere do not count
//!   there, nor its failures elsewhere: whoever attacks the account can't lock its owner out.
//! - Accounts that nobody has count like those that somebody has. Whoever calls gives every account in one spelling.
//!
//! **A good login** opens that budget and clears none. It takes back its own attempt, and nothing else: or somebody with
//! one account could clear the count of the origin from which he guesses at others, and each sign-in of an owner would
//! give five more guesses to those who attack him.
//!
//! **An attempt is charged before it is judged** ([`Throttle::attempt`]), as if it had failed: of a thousand at once, five
//! are judged. Who is refused only because others are being judged is told so ([`Throttled::pending`]): the colleagues
//! of an office may sign in at the same moment, and whoever can wait a moment for the others' verdicts should.
//!
//! **Memory is bounded.** A key is a keyed hash (16 bytes) of an account or an origin: neither can be read from memory, nor
//! chosen so that two collide. IPv6 origins count by /64, the least that one customer of a provider has; IPv4 ones that
//! are written as IPv6 count as IPv4. Each table evicts what was longest without a failure, or a good login, and
//! [what it takes to push somebody else's entry out](Limits) is said there.
//!
//! This crate knows no clock: every call takes the time. It does no I/O and knows no HTTP, no users and no passwords.
//! Nothing survives the process: after a restart all budgets are empty, and no origin is anybody's.

mod attempt;
mod budget;
mod key;
mod limits;
mod owners;
mod state;
mod table;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use attempt::Attempt;
pub use limits::Limits;

use key::Keys;
use state::State;

/// Judges who may attempt a password, and when. Clones share their budgets.
#[derive(Clone)]
pub struct Throttle {
    shared: Arc<Shared>,
}

struct Shared {
    keys: Keys,
    state: Mutex<State>,
}

/// Not now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// How long to wait; longer than zero.
    pub retry_after: Duration,
    /// Whether it is only attempts that are being judged at this moment that stand in the way: once one of them is
    /// settled, this one may pass.
    pub pending: bool,
}

impl Throttled {
    /// How long to wait in whole seconds, rounded up: 1 to the longest delay.
    pub fn seconds(&self) -> u64 {
        let rest = u64::from(self.retry_after.subsec_nanos() > 0);
        (self.retry_after.as_secs() + rest).max(1)
    }

    /// What two budgets say together: both have to let pass.
    fn and(self, other: Self) -> Self {
        Self { retry_after: self.retry_after.max(other.retry_after), pending: self.pending && other.pending }
    }
}

/// How many entries the tables hold; for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// Accounts with failures.
    pub accounts: usize,
    /// Origins with failures.
    pub origins: usize,
    /// Accounts whose owners' origins are known.
    pub owners: usize,
}

impl Entries {
    /// Each with its table's name, as metrics have it.
    pub const fn named(&self) -> [(&'static str, usize); 3] {
        [("accounts", self.accounts), ("origins", self.origins), ("owners", self.owners)]
    }
}

impl Throttle {
    /// Empty budgets. `key` is drawn at random at each start, and kept nowhere.
    pub fn new(limits: Limits, key: [u8; 32]) -> Self {
        Self { shared: Arc::new(Shared { keys: Keys::new(&key), state: Mutex::new(State::new(limits)) }) }
    }

    /// Judges by the origin alone, and charges nothing: for a look before anything costly is done. An owner's origin, and
    /// none, pass; so does one that only attempts under way stand against, for [`Self::attempt`] to tell. Says whether it is
    /// the account's owner's, which has a budget of its own.
    ///
    /// # Errors
    /// [`Throttled`], never `pending`.
    pub fn origin(&self, account: &str, origin: Option<IpAddr>, now: Instant) -> Result<bool, Throttled> {
        let Some(origin) = origin else { return Ok(false) };
        let (account, origin) = (self.shared.keys.account(account), self.shared.keys.origin(origin));
        self.lock().origin(account, origin, now)
    }

    /// Judges by all that is known of account and origin, and charges nothing: for a look before anything is done that others
    /// wait for. What only attempts under way stand against passes, for [`Self::attempt`] to tell.
    ///
    /// # Errors
    /// [`Throttled`], never `pending`.
    pub fn look(&self, account: &str, origin: Option<IpAddr>, now: Instant) -> Result<(), Throttled> {
        let keys = &self.shared.keys;
        let (account, origin) = (keys.account(account), origin.map(|origin| keys.origin(origin)));
        self.lock().look(account, origin, now)
    }

    /// Judges an attempt by all that is known of account and origin, and charges it up front. It is settled by the ticket:
    /// [`Attempt::right`], [`Attempt::wrong`], or taken back where it is dropped without a verdict.
    ///
    /// # Errors
    /// [`Throttled`]: nothing was charged.
    pub fn attempt(&self, account: &str, origin: Option<IpAddr>, now: Instant) -> Result<Attempt, Throttled> {
        let keys = &self.shared.keys;
        let (account, origin) = (keys.account(account), origin.map(|origin| keys.origin(origin)));
        let judges = self.lock().charge(account, origin, now)?;
        Ok(Attempt::new(self.clone(), account, origin, judges))
    }

    /// Notes a good login that took no attempt, since the password was known to be right: its origin is the owner's.
    pub fn good(&self, account: &str, origin: Option<IpAddr>, now: Instant) {
        let Some(origin) = origin else { return };
        let (account, origin) = (self.shared.keys.account(account), self.shared.keys.origin(origin));
        self.lock().good(account, origin, now);
    }

    /// How many entries the tables hold.
    pub fn entries(&self) -> Entries {
        self.lock().entries()
    }

    /// Nothing panics under the lock, so a poisoned one guards nothing half-done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").field("entries", &self.entries()).finish_non_exhaustive()
    }
}
