//! A keyring that is read again when its file is another one.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::{Keyring, KeyringError};

/// By what a file is known: another one in its place differs in some of it.
type Stamp = (u64, u64, i64, i64, u64);

/// The keyring that is used.
pub enum Held {
    /// One for good.
    Fixed(Arc<Keyring>),
    /// That of a file, as it is now: whoever makes keys current writes the file first, so that what was made with new keys is never
    /// met before they can be read.
    File(PathBuf, RwLock<Read>),
}

/// What was read last.
pub struct Read {
    keyring: Arc<Keyring>,
    /// The file that was read, or could not be.
    stamp: Option<Stamp>,
}

impl Held {
    /// Reads a file, and whatever takes its place later.
    pub fn file(path: &Path) -> Result<Self, KeyringError> {
        let stamp = stamp(path);
        let keyring = Arc::new(Keyring::load(path)?);
        Ok(Self::File(path.to_owned(), RwLock::new(Read { keyring, stamp })))
    }

    /// The keyring now. One look at the file; it is read where it is another one. Where that can't be read, the keyring of
    /// before stays, and the log says so once.
    pub fn now(&self) -> Arc<Keyring> {
        let (path, read) = match self {
            Self::Fixed(keyring) => return Arc::clone(keyring),
            Self::File(path, read) => (path, read),
        };
        let found = stamp(path);
        {
            let read = read.read().unwrap_or_else(PoisonError::into_inner);
            if read.stamp == found {
                return Arc::clone(&read.keyring);
            }
        }
        let mut read = read.write().unwrap_or_else(PoisonError::into_inner);
        if read.stamp != found {
            // Looked at before it is read: what takes its place in between is read next time.
            read.stamp = found;
            match Keyring::load(path) {
                Ok(keyring) => {
                    read.keyring = Arc::new(keyring);
                    tracing::info!("the keyring was replaced, and has been read again");
                }
                Err(error) => tracing::error!(%error, "the keyring of before is used on"),
            }
        }
        Arc::clone(&read.keyring)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let of = |found: Metadata| (found.dev(), found.ino(), found.mtime(), found.mtime_nsec(), found.len());
    std::fs::metadata(path).ok().map(of)
}
