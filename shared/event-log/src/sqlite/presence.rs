//! Whether the file that is open is still the one in its place. A deleted file can be written to as long as it is open,
//! and all of it is gone when the process ends: nothing may be acknowledged into it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use domain::Position;

use crate::Corrupt;

/// What a file is to the system, whatever its name: device and inode.
type Identity = (u64, u64);

/// The identities of a log's file and of its write-ahead log, as they were opened.
pub(super) struct Presence {
    path: PathBuf,
    main: Identity,
    /// Noted by a process that writes: it holds the write-ahead log open, so that SQLite itself does not replace it.
    ahead: Mutex<Option<Identity>>,
    lost: AtomicBool,
}

impl Presence {
    /// Of the file in its place now.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let main = identity(path)?;
        Ok(Self { path: path.to_owned(), main, ahead: Mutex::new(None), lost: AtomicBool::new(false) })
    }

    /// Notes the write-ahead log that a writing connection has just opened.
    pub(super) fn note_ahead(&self) {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = identity(&self.ahead_path()).ok();
    }

    /// Forgets the write-ahead log: SQLite itself deletes it with the last connection.
    pub(super) fn forget_ahead(&self) {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether both are still in their places. Once they were not, never again: what was read and written in between is
    /// in no file that another process finds.
    pub(super) fn check(&self) -> Result<(), Corrupt> {
        let ahead = *self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let there = |path: &Path, known: Identity| identity(path).is_ok_and(|found| found == known);
        let kept = there(&self.path, self.main) && ahead.is_none_or(|known| there(&self.ahead_path(), known));
        if kept && !self.lost.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.lost.store(true, Ordering::Relaxed);
        let what = format!(
            "{} or its -wal was deleted or replaced while it was open: restore it (the open file can be copied from \
             /proc/{}/fd while this process lives), then restart",
            self.path.display(),
            std::process::id()
        );
        Err(Corrupt::Damaged { after: Position::START, what })
    }

    fn ahead_path(&self) -> PathBuf {
        PathBuf::from(format!("{}-wal", self.path.display()))
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}
