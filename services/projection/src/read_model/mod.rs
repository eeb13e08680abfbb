//! The auth read model: rows that are a lossless image of the state, and the ports through which they are written,
//! looked up and listed.
//!
//! Rows carry a generation. Lookups and lists read the live one; a rebuild fills the next one beside it.

#[cfg(feature = "contract")]
pub mod contract;
mod postgres;
mod row;
mod search;
mod sqlite;
mod watched;

use std::fmt;
use std::ops::RangeInclusive;

use async_trait::async_trait;
use domain::{Address, Customer, Position, ServiceId, UserId};
use ledger::{Hash, Node, NodeRange};
use wire::{Link, LogId};

pub use audit::{Applied, Batch, Leaf, Rows, ServiceRow, Touched, UserRow};
pub use postgres::PostgresReadModel;
pub use search::{Needle, NeedleError};
pub use sqlite::{ASIDE, SqliteReadModel};
pub(crate) use watched::Watched;

/// A whole set of rows. 1 is the first; a rebuild makes the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub i64);

/// So many searches for users are made at a time: each may hold a reader for long, and every adapter has more of them.
pub const SEARCHES: usize = 2;

/// Why the read model can't answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadModelError {
    /// It can't be asked now: wait and ask again.
    #[error("the read model can't be reached: {0}")]
    Unavailable(String),
    /// It holds what we never wrote, or lacks a row that is always there: a person has to look; `postkey rebuild` makes it
    /// anew from the log.
    #[error(
        "the read model is damaged: {0}; run `postkey rebuild --accept-differences` (where it is a file, with the service \
         stopped)"
    )]
    Damaged(String),
    /// A table is gone, or is not as we made it: what a rebuild, which may change no schema, can't mend.
    #[error(
        "a table of the read model is missing or was changed: {0}; as the owner of its database drop that table if it is \
         there, and run `postkey postgres setup`: the rows are made anew from the log"
    )]
    Incomplete(String),
    /// It is another postkey's or another program's: it is left alone.
    #[error("the read model can't be used: {0}")]
    NotOurs(String),
}

/// Why a batch was not applied. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The applied position is not where the batch starts: another projector was faster. Read it again.
    #[error("another projector has moved the applied position")]
    Moved,
    /// Another projector leads, and this one did before: it writes nothing any more until it leads again.
    #[error("another projector leads")]
    NotLeading,
    /// Two users would have one address: an impossible history.
    #[error("two users would have one address")]
    AddressTwice,
    /// See [`ReadModelError`].
    #[error(transparent)]
    ReadModel(#[from] ReadModelError),
}

/// The projector's port. One writer at a time moves a generation forward; two are safe, since the applied position is
/// compared and set. A writer that has ever claimed the lead ([`Leadership`]) applies nothing unless it leads, as the
/// batch's own transaction sees it: [`ApplyError::NotLeading`].
#[async_trait]
pub trait ReadModelWriter: Send + Sync {
    /// How far a generation is; `None` where nothing was ever applied to it.
    async fn applied(&self, generation: Generation) -> Result<Option<Applied>, ReadModelError>;

    /// The rows of what a batch touches, as they stand; what is not there is not in the answer.
    async fn touched(&self, generation: Generation, touched: &Touched) -> Result<Rows, ReadModelError>;

    /// Writes the batch's rows and its applied position in one transaction, if the generation stands at `from`
    /// (`None`: nothing was ever applied). Its leaves and nodes go into the ledger in the same transaction where the
    /// generation is the live one and the ledger ends at `from`; else they are left out ([`LedgerRows`]). On return, every later lookup sees it, also after a crash of a database
    /// that this process outlives: rows that went back would be trusted while the log can't be asked. It need not survive
    /// one that takes this process too: what is lost is applied again, and until then no lookup is trusted.
    async fn apply(&self, generation: Generation, batch: &Batch, from: Option<&Applied>) -> Result<(), ApplyError>;

    /// Users whom no search finds, for their rows are an older postkey's: at most `limit` of them, in no order. To apply
    /// their rows as they are mends that.
    async fn not_searchable(&self, generation: Generation, limit: u32) -> Result<Vec<UserRow>, ReadModelError>;

    /// On return, what was deleted or replaced before the call stands in no file of the store any more, as far as that is
    /// the store's to say: a file's is; where a database server keeps pages and logs of its own, nothing is done here. May
    /// be called at any time, beside batches and lookups, and again; `Unavailable` as long as somebody reads what was
    /// before, or a rebuild is under way, whose rows are of before. What a killed rebuild has left is dropped.
    async fn forget(&self) -> Result<(), ReadModelError>;
}

/// Who leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// We do, and nobody else can: the store is ours alone. There is nothing to renew.
    Alone,
    /// We do, for now; or we did, and nobody has had it since.
    Ours,
    /// Another does, for now.
    Anothers,
    /// Nobody does, since another had it for too long without a word: whoever claims it first.
    Left,
    /// Nobody does, and who had it let go of it: whoever claims it first.
    Free,
}

/// Who leads, and how far the live rows are, in one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The generation that is looked up.
    pub live: Generation,
    /// The log that it was built from; none where nothing was ever applied.
    pub log: Option<LogId>,
    /// How far it is.
    pub position: Position,
    /// Who leads.
    pub lead: Lead,
}

/// The port by which of several projectors on one read model one leads. A lead lasts three seconds from when it was
/// claimed, by a clock that all of them share, and is claimed again each second. Whoever stands still for longer has lost
/// it, without having to notice: what it still tries to apply is refused.
#[async_trait]
pub trait Leadership: Send + Sync {
    /// How things stand. Changes nothing; cheap enough for many times a second.
    async fn look(&self) -> Result<Standing, ReadModelError>;

    /// Takes the lead where nobody has it, or keeps it for longer; says whether it is ours now. Of any number who claim it
    /// at once, one has it. On an error it may be ours.
    async fn claim(&self) -> Result<bool, ReadModelError>;

    /// Lets go of the lead, if it is ours, so that another may have it at once.
    async fn release(&self) -> Result<(), ReadModelError>;
}

/// How far the ledger's rows are, beside the live generation, in one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerState {
    /// How far the log is applied to the live generation; none where nothing ever was.
    pub applied: Option<Applied>,
    /// The position of the ledger's last leaf, which is the number of its leaves; 0 where there is none.
    pub size: Position,
    /// The hash of its last leaf.
    pub last: Option<Hash>,
}

/// The ledger's port: the leaves of the log's Merkle tree, and the nodes above them that tiles hold.
///
/// Rows are added and never changed. They belong to no generation: a rebuild leaves them alone. The ledger ends at a
/// position that the live generation has applied: at its own, unless it was not there from the first entry on, or the
/// generation came there otherwise than by [`ReadModelWriter::apply`]. What it lacks is added from the log by whoever
/// leads. Rows are not authenticated: whoever signs or serves them proves them first.
#[async_trait]
pub trait LedgerRows: Send + Sync {
    /// How far it is.
    async fn ledger(&self) -> Result<LedgerState, ReadModelError>;

    /// The nodes of a range that are there, in their order. Level 0 is the leaves.
    async fn nodes(&self, range: &NodeRange) -> Result<Vec<Node>, ReadModelError>;

    /// Adds `leaves`, the next ones, and the nodes that are whole with them, in one transaction, durable as a batch is.
    /// `Moved` where the ledger does not end right before them, or `log` is not applied to the live generation as far as
    /// the last of them; so any number of processes may try.
    async fn extend(&self, log: LogId, leaves: &[Leaf], nodes: &[Node]) -> Result<(), ApplyError>;

    /// Where entries about a user stand in the log, and their leaf hashes, after `after` and no further than `up_to`: the first
    /// `limit` of them, in their order. Whoever asks beyond the ledger's end is not told of the entries there.
    async fn entries_about(
        &self,
        user: UserId,
        after: Position,
        up_to: Position,
        limit: u32,
    ) -> Result<Vec<Link>, ReadModelError>;

    /// Whom each entry after `after` and up to `up_to` is about by its leaf, none for what is about no user; as far as leaves are
    /// there, in their order.
    async fn about(&self, after: Position, up_to: Position) -> Result<Vec<(Position, Option<UserId>)>, ReadModelError>;
}

/// What a rebuild under way keeps from being forgotten.
fn rebuild_remembers() -> ReadModelError {
    ReadModelError::Unavailable("a rebuild is under way, and holds rows of before: it is waited for".to_owned())
}

/// The right to rebuild, until it is dropped.
pub struct Claim {
    _held: Box<dyn Send + Sync>,
}

impl Claim {
    /// What is given back when it is dropped.
    pub fn held(held: impl Send + Sync + 'static) -> Self {
        Self { _held: Box::new(held) }
    }
}

/// The port by which a rebuild fills the next generation.
#[async_trait]
pub trait Filling: Send + Sync {
    /// Takes the right to rebuild, of which there is one, whatever process on this read model asks; `None` while another
    /// has it. It is given back when the claim is dropped, and when its process ends, however that is.
    async fn claim_rebuild(&self) -> Result<Option<Claim>, ReadModelError>;

    /// Adds rows to a generation that is not live, in a transaction of its own, and moves nothing: of the batch, only its
    /// services and users count. What was added may be lost in a crash until the generation's position is moved, and not
    /// after that. `Moved` where there is no such generation, or it is live.
    async fn fill(&self, generation: Generation, rows: &Batch) -> Result<(), ApplyError>;

    /// Drops every generation but the live one, with all rows. Batches of the live one come in between.
    async fn drop_unfinished(&self) -> Result<(), ReadModelError>;
}

/// Which row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowId {
    /// A service's.
    Service(ServiceId),
    /// A user's.
    User(UserId),
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(id) => write!(f, "service {id}"),
            Self::User(id) => write!(f, "user {id}"),
        }
    }
}

/// The services whose ids begin with one of these bytes, and their users: a part of all rows that is compared as one.
pub type Part = RangeInclusive<u8>;

/// The port of a rebuild.
#[async_trait]
pub trait Generations: Send + Sync {
    /// Makes again what is always there beside the rows, and is not: the lead, which is nobody's then, and a live
    /// generation, the furthest of those that there are. Changes nothing else.
    async fn mend(&self) -> Result<(), ReadModelError>;

    /// The generation that is looked up.
    async fn live(&self) -> Result<Generation, ReadModelError>;

    /// An empty generation beside the live one. What an earlier rebuild left unfinished is dropped.
    async fn begin(&self) -> Result<Generation, ApplyError>;

    /// Services and users of a part of the rows whose rows differ between two generations, at most `limit`.
    async fn differences(
        &self,
        one: Generation,
        other: Generation,
        part: Part,
        limit: u32,
    ) -> Result<Vec<RowId>, ReadModelError>;

    /// Makes `next` the live generation in one transaction, and then drops `live`'s rows; batches of the new one come in
    /// between. `Moved` where `live` is live no more, or, unless `force`, where the two are not of one log, `live` is
    /// further, or they stand at one position and the log was not the same up to there.
    async fn swap(&self, live: Generation, next: Generation, force: bool) -> Result<(), ApplyError>;
}

/// The port of the drift watch, beside those of lists.
#[async_trait]
pub trait Strays: Send + Sync {
    /// Users of the live generation whose service has no row, at most `limit`, in the order of their ids.
    async fn strays(&self, limit: u32) -> Result<Vec<RowId>, ReadModelError>;

    /// Looks whether tables, views, indexes and triggers are as they were made: `Damaged` where they are not. Where whoever writes
    /// rows may not change those, as in a database with an owner of its own, there is nothing to find.
    async fn schema(&self) -> Result<(), ReadModelError>;
}

/// What a login needs, read in one snapshot of the live generation.
#[derive(Clone, Debug)]
pub struct LoginRow {
    /// How far the log was applied when it was read.
    pub applied: Position,
    /// The user, if the address has one.
    pub user: Option<UserRow>,
}

/// The login's port.
#[async_trait]
pub trait Lookups: Send + Sync {
    /// The user of an address, and the position at which that is so.
    async fn login(&self, address: &Address) -> Result<LoginRow, ReadModelError>;
}

/// A page of rows, and what stands behind it.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows, in the list's order.
    pub rows: Vec<T>,
    /// Whether there are more behind the last.
    pub more: bool,
}

/// Which services are asked for; in the order of their domains.
#[derive(Clone, Debug)]
pub struct ServiceQuery {
    /// Only this customer's.
    pub customer: Option<Customer>,
    /// Only those behind this domain.
    pub after: Option<String>,
    /// At most so many.
    pub limit: u32,
}

/// How the live rows stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveRows {
    /// How far the log was applied when they were looked at.
    pub applied: Position,
    /// Whether a search finds everybody whom it should: not while there are rows of an older postkey's.
    pub searchable: bool,
}

/// Which users of a service are asked for; in the order of their ids.
#[derive(Clone, Debug)]
pub struct UserQuery {
    /// The service.
    pub service: ServiceId,
    /// Only those whose names or address it is a part of.
    pub search: Option<Needle>,
    /// Only those behind this one.
    pub after: Option<UserId>,
    /// At most so many.
    pub limit: u32,
}

/// The lists' port. Every answer is read in one snapshot of the live generation.
#[async_trait]
pub trait Queries: Send + Sync {
    /// How the rows stand. What is asked for afterwards is as new, or newer.
    async fn live_rows(&self) -> Result<LiveRows, ReadModelError>;

    /// One service.
    async fn service(&self, service: ServiceId) -> Result<Option<ServiceRow>, ReadModelError>;

    /// Services.
    async fn services(&self, query: &ServiceQuery) -> Result<Page<ServiceRow>, ReadModelError>;

    /// One user of a service.
    async fn user(&self, service: ServiceId, user: UserId) -> Result<Option<UserRow>, ReadModelError>;

    /// Users of a service.
    async fn users(&self, query: &UserQuery) -> Result<Page<UserRow>, ReadModelError>;
}
