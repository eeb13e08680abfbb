//! The port for copies: what a store that lies at either end of one offers.

use std::str::FromStr;

use async_trait::async_trait;
use domain::Position;
use uuid::Uuid;
use wire::{LogId, Stored};

use crate::{Corrupt, LogStore, ReadError};

domain::uuid_newtype! {
    /// One copy of a log into one target, however often it is taken up again. Random, drawn when the target is made.
    CopyId
}

impl FromStr for CopyId {
    type Err = &'static str;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text)
            .map(Self::new)
            .map_err(|_| "not a copy's id, such as 0b0e1f5a-5a0c-4a4e-9d1a-3c7f7d2a9b10")
    }
}

/// What a log is to copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which log it is.
    pub log: LogId,
    /// Where it ends.
    pub head: Position,
    /// The copy that it was made by, also after that one has come to its end.
    pub made_by: Option<CopyId>,
    /// Whether that copy is still under way.
    pub unfinished: bool,
    /// Whether it was closed to appends, for ever.
    pub closed: bool,
    /// The one copy that goes on in its place.
    pub closed_for: Option<CopyId>,
}

/// Why a step of a copy was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// The store can't be asked now, or has not answered: what became of the step is not known. Worth asking where the log
    /// ends, and going on from there.
    #[error("{0}")]
    Unavailable(String),
    /// The store refuses, and will again: a right is missing, or a setting is in the way. Nothing was done.
    #[error("{0}")]
    Refused(String),
    /// The log was closed for another copy, which goes on in its place. Nothing was done.
    #[error("the log was closed for another copy: {0}")]
    ClosedForAnother(CopyId),
    /// The log is itself a copy that has not come to its end. Nothing was done.
    #[error("it is a copy that has not come to its end: run `postkey copy` into it again")]
    Unfinished,
    /// No copy into this log is under way. Nothing was done.
    #[error("no copy into this log is under way")]
    NotUnderWay,
    /// The entries do not follow the last one, or the log does not end where it was said to. Ask where it ends, and go on
    /// from there.
    #[error("the entries do not follow the last one of the copy")]
    NotNext,
    /// The log is not sound.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

impl From<ReadError> for CopyError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(what) => Self::Unavailable(what),
            ReadError::Corrupt(corrupt) => Self::Corrupt(corrupt),
        }
    }
}

/// A store at either end of a copy: one that is closed for it, or one that it fills.
///
/// A log moves to another store with its id, its positions and its bytes, and so with its ledger's root. Two logs of one
/// id that both take appends must not come to be, whoever copies, how often, and wherever it is cut off:
///
/// - **The target** is made with the mark of its copy. While the mark stands, the store itself takes no append from
///   anybody ([`Appended::Closed`](crate::Appended::Closed)), and opens for a copy only. [`finish`](Self::finish) takes
///   the mark off, once and for good; which copy made it, a log keeps.
/// - **The source** is closed by [`close_for`](Self::close_for) for one copy, which it names for ever. Of any number of
///   copies that ask at the same time, in any number of processes, one is told that it may go on; to all others it is
///   [`CopyError::ClosedForAnother`].
/// - So whoever copies makes the target, closes the source for the target's copy, takes over every entry, compares, and
///   finishes. There is one target that can ever be finished, and none before the source takes no more.
/// - **Order.** An entry is taken at exactly the next position or not at all, whatever else fails or is lost, and whoever
///   else copies into the same target.
/// - **Durability.** What returned `Ok` survives a crash of every process and of the machine (a replicated store: of any
///   minority of its machines).
/// - **Retries** are the caller's: every method may be called again after any error, and does what is left to do.
/// - **Rights.** All but [`standing`](Self::standing) may take an administrator's credentials.
#[async_trait]
pub trait CopyEnd: LogStore {
    /// What the log is to copies, from the store itself, as of a moment after the call.
    ///
    /// # Errors
    /// [`CopyError::Unavailable`], [`CopyError::Corrupt`].
    async fn standing(&self) -> Result<Standing, CopyError>;

    /// Closes the log to appends, for ever and for every process, in favour of `copy`, and answers where it ends: every
    /// append that was or will be acknowledged stands at or below that. One that was closed for no copy is given to this
    /// one. Idempotent.
    ///
    /// # Errors
    /// [`CopyError::ClosedForAnother`] and [`CopyError::Unfinished`] leave it as it is; after
    /// [`CopyError::Unavailable`] it may be closed or not.
    async fn close_for(&self, copy: CopyId) -> Result<Position, CopyError>;

    /// Takes entries, the first at the position after the log's last. After any error some of them may stand, or may yet
    /// come to stand, each at its own position. An empty slice is nothing.
    ///
    /// # Errors
    /// [`CopyError::NotUnderWay`] where the log is no target, or none any more; [`CopyError::NotNext`].
    async fn take(&self, entries: &[Stored]) -> Result<(), CopyError>;

    /// Opens the target of `copy` for appends, if it ends at `head`. Idempotent, also after it has gone on.
    ///
    /// # Errors
    /// [`CopyError::NotUnderWay`] where this copy did not make it; [`CopyError::NotNext`] where it ends elsewhere.
    async fn finish(&self, copy: CopyId, head: Position) -> Result<(), CopyError>;
}
