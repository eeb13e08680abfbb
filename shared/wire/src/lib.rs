//! Entries of the log.

mod entry;

pub use entry::{CommandId, Entry, EntryId, LogId, Stored, Subject, SubjectError};
