//! What stops every reader.

use domain::{ImpossibleHistory, Position};

/// Stored bytes that no writer of ours left there, or that have been changed since. Never skipped: the reader stops and
/// a person has to look.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log is corrupt at position {position}: {what}")]
pub struct Corrupt {
    /// Where.
    pub position: Position,
    /// What is wrong, for the operator; nothing personal, no stored bytes.
    pub what: String,
}

impl Corrupt {
    /// Names what is wrong at `position`.
    pub fn new(position: Position, what: impl Into<String>) -> Self {
        Self { position, what: what.into() }
    }
}

impl From<ImpossibleHistory> for Corrupt {
    fn from(impossible: ImpossibleHistory) -> Self {
        Self::new(impossible.position, impossible.what)
    }
}
