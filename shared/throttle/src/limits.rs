//! The numbers of the rules, and the bounds of the tables.

use std::num::NonZeroUsize;
use std::time::Duration;

/// How many failures are free, how long delays are, and how much is remembered.
///
/// # What it takes to push an entry out
///
/// Only a failure that was judged makes an entry, never an attempt that was refused or taken back: it costs one argon2id.
/// Accounts and origins stand in a table each of two parts, so that what has few failures can't push out what is throttled:
///
/// - Entries with fewer failures than are free (`quiet`). One that is pushed out gives its account four guesses at most, for
///   as many judged failures at other accounts as the part holds.
/// - Throttled ones. To push one out takes the free failures at as many others as the part holds, all of them later
///   than the last failure of the one: 327,680 argon2ids by the defaults, which two cores take 45 minutes for; an hour
///   brings the same for nothing.
///
/// Whoever floods from one origin makes few entries: the origin is throttled after five.
///
/// Owners' origins stand in a third table, an entry an account. Only good logins make entries, so it takes as many accounts
/// with their passwords as the table holds to push one out; and an account's origins push out its own only, so that one with
/// a network of addresses pushes out nobody.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many failures of a budget are free.
    pub free: u32,
    /// The delay after the last of those; each further failure doubles it.
    pub first_delay: Duration,
    /// What no delay exceeds.
    pub longest_delay: Duration,
    /// After how long without failures a budget is empty again.
    pub forgotten_after: Duration,
    /// For how long after its last good login an origin is the owner's. Long enough for a holiday; an address that has
    /// gone to somebody else by then gives him a few guesses more than others have.
    pub owner_for: Duration,
    /// How many entries with fewer failures than are free are kept: of accounts, and as many of origins.
    pub quiet: NonZeroUsize,
    /// How many throttled entries are kept: of accounts, and as many of origins.
    pub throttled: NonZeroUsize,
    /// How many accounts' owners' origins are kept.
    pub owners: NonZeroUsize,
    /// How many origins an account's owner has at most; the one without a good login for longest goes first.
    pub owner_origins: NonZeroUsize,
}

impl Limits {
    /// How many entries each part of a table keeps where nobody says otherwise.
    pub const ENTRIES: NonZeroUsize = const { NonZeroUsize::new(65_536).expect("not zero") };

    /// The rules as they are by default, with as many entries in each part of a table, and twice as many owners.
    #[must_use]
    pub fn keeping(entries: NonZeroUsize) -> Self {
        Self {
            free: 5,
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(60),
            forgotten_after: Duration::from_secs(60 * 60),
            owner_for: Duration::from_secs(30 * 24 * 60 * 60),
            quiet: entries,
            throttled: entries,
            owners: entries.saturating_add(entries.get()),
            owner_origins: const { NonZeroUsize::new(8).expect("not zero") },
        }
    }
}

impl Default for Limits {
    /// Five are free, then 1 s to 60 s, forgotten after an hour; 30 days; full tables hold about 80 MB, most of it owners'
    /// origins, and an empty one nothing.
    fn default() -> Self {
        Self::keeping(Self::ENTRIES)
    }
}
