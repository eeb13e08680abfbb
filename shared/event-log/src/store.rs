//! The port: what a kind of store offers to the log.

use std::time::Duration;

use async_trait::async_trait;
use domain::{Position, ServiceId};
use futures::stream::{BoxStream, StreamExt};
use wire::{Entry, LogId, Stored, Subject};

use crate::Corrupt;

/// Which entries are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole log.
    All,
    /// The entries of one subject: a service's, or the log's own.
    Subject(Subject),
}

impl Scope {
    /// The entries of a service.
    pub fn service(service: ServiceId) -> Self {
        Self::Subject(Subject::service(service))
    }

    /// Whether entries of `subject` are meant.
    pub fn covers(&self, subject: &Subject) -> bool {
        match self {
            Self::All => true,
            Self::Subject(own) => own == subject,
        }
    }
}

/// Where a log, or a subject of it, ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The log that answered.
    pub log: LogId,
    /// The last position of the scope that was asked for; [`Position::START`] where it has none.
    pub position: Position,
}

/// What became of one attempt to append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The entry stands at this position, durably.
    At(Position),
    /// The subject does not end at the expected position. This attempt wrote nothing and never will.
    Conflict,
    /// The log, or this way into it, takes no appends. This attempt wrote nothing and never will.
    Closed,
    /// The entry may stand, may not, or may yet come to stand.
    Unknown,
}

/// Why a read stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The store can't be asked now. Worth asking again.
    #[error("the log can't be read: {0}")]
    Unavailable(String),
    /// The store answered, and what it holds is not a sound log. Asking again won't help.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

/// A place that holds one log: an append-only sequence of entries at the positions 1, 2, 3, … without gaps.
///
/// - **Durability.** An entry that was answered [`Appended::At`] survives a crash of every process and of the machine
///   (a replicated store: of any minority of its machines).
/// - **The guard.** An append names the last position of its own subject that its caller knows. It is accepted if and
///   only if the subject ends there ([`Position::START`]: has no entry), decided by the store in the same step that
///   writes. Of any number of appends that expect the same position of a subject, in any number of processes, at most
///   one is accepted. Appends of different subjects never conflict.
/// - **Ordering.** Positions are given in the order in which appends are accepted. Whoever asks after an append was
///   answered sees it, in any process.
/// - **Idempotence.** None beside the guard: the same entry with the same expectation is accepted at most once, because
///   its first acceptance moves the subject. A store neither looks into an entry nor compares it with others.
/// - **Concurrency.** Every method may be called from any number of tasks at once. A caller that drops a future changes
///   nothing for the others; its own append is then as good as [`Appended::Unknown`].
/// - **Retries.** A store retries nothing: [`EventLog`](crate::EventLog) does. A store comes back by itself once what
///   it stands on is back.
/// - **Errors.** Those of the vendor end here. They carry no secrets and no content of entries.
#[async_trait]
pub trait LogStore: Send + Sync {
    /// Appends `entry` if the last position of its subject is `expected`. The caller has checked
    /// [`Entry::MAX_BYTES`]. Whatever isn't known for certain is [`Appended::Unknown`].
    async fn try_append(&self, entry: &Entry, expected: Position) -> Appended;

    /// The entries of `scope` after the position, in order, exactly as they were appended. Lazy: nothing is read before
    /// the stream is polled, and little ahead of it. It ends with an entry that was the last one at some moment after
    /// the call, or with the first error. A position beyond the end gives an empty stream.
    fn read(&self, scope: Scope, after: Position) -> BoxStream<'_, Result<Stored, ReadError>>;

    /// The entry at a position; none where the log does not come so far. For few entries that lie far apart, of which each
    /// would cost [`LogStore::read`] what many cost it.
    async fn at(&self, position: Position) -> Result<Option<Stored>, ReadError> {
        let before = Position::new(position.get().saturating_sub(1));
        let found = self.read(Scope::All, before).next().await.transpose()?;
        Ok(found.filter(|stored| stored.position == position))
    }

    /// The whole log after the position, in order: what stands there and then, without end, what is appended, by this
    /// process at once and by another soon. It ends with the first error only; follow again from the last position.
    fn follow(&self, after: Position) -> BoxStream<'_, Result<Stored, ReadError>>;

    /// The log's identity and where `scope` ends, as of a moment after the call: never an older answer kept from
    /// before, and never that of a replica that lags.
    async fn head(&self, scope: Scope) -> Result<Head, ReadError>;

    /// For how long a head may name an earlier end than was read, or acknowledged, before: where several servers hold the
    /// log, one that has just become the leader, or is slower than the one that was read from, catches up with what it
    /// has promised. Zero where there is one place only.
    fn lag(&self) -> Duration {
        Duration::ZERO
    }
}
