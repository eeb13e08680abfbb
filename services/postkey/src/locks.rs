//! One writer at a time: a lock beside each SQLite file that has a single writer. The system releases it with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::failure::Failure;

/// Held for as long as the process writes.
pub struct Lock {
    _file: File,
}

/// The lock of whoever writes a read model, beside its file.
pub const PROJECTION_LOCK: &str = "projection.lock";

/// Takes the lock of this name in `folder`.
pub fn take(folder: &Path, name: &str) -> Result<Lock, Failure> {
    try_take(folder, name)?.ok_or_else(|| {
        Failure::failed(format!(
            "{} is in use by another postkey: stop that one first, or choose another folder",
            folder.display()
        ))
    })
}

/// The same; `None` where another process has it.
pub fn try_take(folder: &Path, name: &str) -> Result<Option<Lock>, Failure> {
    let path = folder.join(name);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(|error| Failure::io(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock { _file: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(Failure::io(&path, &error)),
    }
}
