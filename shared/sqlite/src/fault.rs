//! What an error of SQLite means to whoever meets it.

use std::io;

/// The kinds of failure that callers act on differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file is a database, and damaged; or a value is not of its column's type.
    Damaged,
    /// The file is no database.
    NotADatabase,
    /// There is no space left.
    Full,
    /// The system does not let us.
    Denied,
    /// A writer was killed within a transaction, and the file was opened for reading only: opening it for writing rolls
    /// the transaction back.
    HotJournal,
    /// Another process holds a lock.
    Locked,
    /// Anything else.
    Other,
}

/// SQLite's primary result codes (<https://www.sqlite.org/rescode.html>): the low byte of the extended ones.
const ERROR: i32 = 1;
const PERM: i32 = 3;
const BUSY: i32 = 5;
const READONLY: i32 = 8;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const NOTADB: i32 = 26;
/// The extended code for a rollback journal that a reader may not play back.
const READONLY_ROLLBACK: i32 = 776;
/// The extended code for a file that was deleted or replaced while it was open.
const READONLY_DBMOVED: i32 = 1032;
/// The extended code for a `-shm` file that can't grow, which it could if there were space.
const IOERR_SHMSIZE: i32 = 4874;

/// What kind of failure an error is.
pub fn fault(error: &sqlx::Error) -> Fault {
    match error {
        sqlx::Error::Database(error) => match code(error.as_ref()) {
            Some(IOERR_SHMSIZE) => Fault::Full,
            Some(READONLY_ROLLBACK) => Fault::HotJournal,
            Some(READONLY_DBMOVED) => Fault::Other,
            // A table or column that the schema has and the file has not.
            Some(ERROR) if error.message().starts_with("no such") => Fault::Damaged,
            code => match code.map(|code| code & 0xff) {
                Some(CORRUPT) => Fault::Damaged,
                Some(NOTADB) => Fault::NotADatabase,
                Some(FULL) => Fault::Full,
                Some(PERM | READONLY) => Fault::Denied,
                Some(BUSY) => Fault::Locked,
                _ => Fault::Other,
            },
        },
        sqlx::Error::Io(error) => match error.kind() {
            io::ErrorKind::PermissionDenied => Fault::Denied,
            io::ErrorKind::StorageFull => Fault::Full,
            _ => Fault::Other,
        },
        // A column that isn't what the schema says it is, and a row that is always there and is not.
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => Fault::Damaged,
        _ => Fault::Other,
    }
}

fn code(error: &dyn sqlx::error::DatabaseError) -> Option<i32> {
    error.code().and_then(|code| code.parse().ok())
}

/// An error in words for an operator. A value that was of another type is left out: it may be anything.
pub fn said(error: &sqlx::Error) -> String {
    match (fault(error), error) {
        (Fault::Full, _) => "the disk is full: make room on it".to_owned(),
        (Fault::Denied, _) => "permission denied: the file and its folder must be writable by this user".to_owned(),
        (Fault::Other, sqlx::Error::Database(inner)) if code(inner.as_ref()) == Some(READONLY_DBMOVED) => {
            "the file was deleted or replaced while it was open: restore it, then restart".to_owned()
        }
        (Fault::Damaged, sqlx::Error::Database(_)) => error.to_string(),
        (Fault::Damaged, _) => "a row is missing, or holds a value of another type".to_owned(),
        _ => error.to_string(),
    }
}
