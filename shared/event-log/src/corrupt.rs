//! What can be wrong with a log, in words for an operator.

use domain::Position;
use wire::{LogId, Subject};

/// The log is not what it was, or not what a log can be. Nobody retries this and nobody skips it: the reader stops, the
/// writer appends nothing more, and an operator is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// A read of the whole log jumped, or went back.
    #[error("after position {after} stands position {found}: the log has a gap or is out of order")]
    Gap {
        /// The position read before.
        after: Position,
        /// The one that came instead of the next.
        found: Position,
    },
    /// A read of one subject went back or stood still.
    #[error("position {found} of {subject} was read after position {after}: the subject is out of order")]
    OutOfOrder {
        /// The subject that was read.
        subject: Subject,
        /// The position read before.
        after: Position,
        /// The one that came next.
        found: Position,
    },
    /// A read of one subject brought an entry of another.
    #[error("position {position} was read as one of {asked}, but is filed under {found}")]
    WrongSubject {
        /// Where it stands.
        position: Position,
        /// The subject that was read.
        asked: Box<Subject>,
        /// The subject that came.
        found: Box<Subject>,
    },
    /// An entry is filed under something that is no subject of a log.
    #[error("position {position} is filed under something that is not a subject of a log")]
    UnreadableSubject {
        /// Where it stands.
        position: Position,
    },
    /// The store holds another log.
    #[error("this is log {found}, not log {expected}")]
    OtherLog {
        /// The log that was opened.
        expected: LogId,
        /// The log that is there.
        found: LogId,
    },
    /// The log, or a subject of it, ends before a position that was seen in it: an older copy was put in its place.
    #[error("the log ends at position {head}, but position {seen} has been seen: it was rolled back")]
    RolledBack {
        /// Where it ends now.
        head: Position,
        /// What was seen.
        seen: Position,
    },
    /// The store can't make sense of its own files.
    #[error("the store is damaged (looking after position {after}): {what}")]
    Damaged {
        /// Reading started after this position; what is wrong may stand anywhere from there on.
        after: Position,
        /// What the store says; no secrets, no content.
        what: String,
    },
}

impl Corrupt {
    /// The position to look at first.
    pub fn position(&self) -> Position {
        match self {
            Self::Gap { found, .. } | Self::OutOfOrder { found, .. } => *found,
            Self::WrongSubject { position, .. } | Self::UnreadableSubject { position } => *position,
            Self::OtherLog { .. } => Position::START,
            Self::RolledBack { head, .. } => *head,
            Self::Damaged { after, .. } => *after,
        }
    }
}
