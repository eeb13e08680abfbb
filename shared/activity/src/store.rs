//! The port to where records lie.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::{ServiceId, UserId};

use crate::{Kept, Kind, Record};

/// So many records are looked at for one page, at the most.
pub const LOOKED_AT: u32 = 10_000;

/// The store can't be asked now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the activity log can't be reached: {0}")]
pub struct Unavailable(pub String);

/// Which records. What is `None` may be anything.
#[derive(Clone, Default)]
pub struct Filter {
    /// About this service.
    pub service: Option<ServiceId>,
    /// About this user.
    pub user: Option<UserId>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// By this person, as the client has claimed.
    pub actor: Option<String>,
    /// Then or later.
    pub from: Option<DateTime<Utc>>,
    /// Earlier than that.
    pub to: Option<DateTime<Utc>>,
}

/// Records in the order in which they were stored.
#[derive(Clone, Debug)]
pub struct Page {
    /// The records.
    pub records: Vec<Kept>,
    /// The place behind which the next page begins; none where there is none yet.
    pub next: Option<u64>,
}

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Nothing that was recorded before.
    pub since: DateTime<Utc>,
    /// At most so many records of each kind: the newest.
    pub most: u64,
}

/// Where records lie, in the order in which they were stored. Write access here can add, change and remove any of them: the
/// activity log is evidence as far as its store is guarded, and no further.
///
/// Nothing is opened before it is needed: a store that is away, not set up, or another program's says so as [`Unavailable`]
/// each time that it is asked, and is tried anew the next time. Every method may be called by many at once, from several
/// processes. Each has a deadline of its own, of some seconds.
#[async_trait]
pub trait ActivityStore: Send + Sync {
    /// Stores records behind all that are there, in their order, all or none. On return the next page has them; a crash of
    /// the machine may take the last of them, never one without those behind it. Not repeated: where it fails, it is open whether
    /// they are there, and they count as lost.
    async fn append(&self, records: &[Record]) -> Result<(), Unavailable>;

    /// At most `limit` records (1 or more) behind the place `after` (0: from the first), as the filter has them. It looks at
    /// [`LOOKED_AT`] records and then ends, with a `next` all the same: only a page without one is the last. Whoever walks
    /// through the pages comes once upon every record that stays, and upon those that come meanwhile.
    async fn page(&self, filter: &Filter, after: u64, limit: u32) -> Result<Page, Unavailable>;

    /// Removes records beyond the bounds, the oldest first, at most `step` for each bound; how many it has removed. 0: there
    /// are none left. On embedded stores what was removed is overwritten.
    async fn prune(&self, bounds: Bounds, step: u32) -> Result<u64, Unavailable>;

    /// Closes what is open, in good order. Asked once more, it opens again.
    async fn close(&self);
}
