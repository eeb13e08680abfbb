//! Where the errors of SQLite and its driver end.

use std::path::PathBuf;

use domain::Position;
use postkey_sqlite::{Fault, fault};

use crate::{Corrupt, ReadError};

/// Why a log's file could not be opened or made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is no such file.
    #[error("{0}: there is no such file")]
    Missing(PathBuf),
    /// A finished log is there already; nothing was touched.
    #[error("{0}: there is a log already")]
    AlreadyExists(PathBuf),
    /// The file was begun and never finished. Creating it again finishes it.
    #[error("{0}: the log was not finished when it was created; create it again")]
    Unfinished(PathBuf),
    /// A copy into it was begun and has not come to its end; until then it takes no appends.
    #[error("{0}: this is a copy that has not come to its end: run `postkey copy` again")]
    CopyUnderWay(PathBuf),
    /// The file is something else; nothing was touched.
    #[error("{0}: this is not a log; restore it from your backup")]
    NotALog(PathBuf),
    /// The file was written by a newer version of this program.
    #[error("{path}: the log has schema {found}, and this program knows no later one than {known}")]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The latest schema known here.
        known: i64,
    },
    /// The operating system does not let this process read or write the file or its folder.
    #[error("{0}: permission denied; the file and its folder must be writable by this user")]
    Denied(PathBuf),
    /// The disk is full.
    #[error("{0}: the disk is full")]
    Full(PathBuf),
    /// The file is a log, and damaged.
    #[error("{path}: the log is damaged: {what}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        what: String,
    },
    /// Anything else, such as a lock that another process does not let go of.
    #[error("{path}: the log can't be opened now: {reason}")]
    Unavailable {
        /// Which file.
        path: PathBuf,
        /// What SQLite or the operating system says.
        reason: String,
    },
}

/// What a failed read means to a reader of the log.
pub(super) fn read_error(error: &sqlx::Error, after: Position) -> ReadError {
    match fault(error) {
        Fault::Damaged | Fault::NotADatabase => Corrupt::Damaged { after, what: error.to_string() }.into(),
        Fault::Full | Fault::Denied | Fault::HotJournal | Fault::Locked | Fault::Other => {
            ReadError::Unavailable(error.to_string())
        }
    }
}
