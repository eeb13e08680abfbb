//! The log in one SQLite file: nothing to install, and durable in earnest on one machine.
//!
//! Whoever can write to the file can put another history in it; the entries' MACs and the signed ledger find that out,
//! this store does not.

mod copying;
mod errors;
mod file;
mod presence;
mod reader;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_stream::try_stream;
use async_trait::async_trait;
use domain::Position;
use futures::StreamExt;
use futures::stream::BoxStream;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use wire::{Entry, LogId, Stored};

pub use errors::OpenError;
use file::LogFile;
use reader::Reader;
use writer::{Append, QUEUE, Writer};

use crate::{Appended, Corrupt, Head, LogStore, ReadError, Scope};

/// A log in one SQLite file with a write-ahead log beside it (`-wal`, `-shm`), on a local file system.
///
/// - **Durable on return**: `synchronous=FULL`; an append is answered after the COMMIT that holds it has been synced.
/// - **Group commit**: one task owns the one connection that writes, and commits whatever is queued as one transaction.
///   An append alone costs one fsync; many at once share it.
/// - **Several processes** may have the file open: each with any number of readers, and writers too, for SQLite's own
///   lock and the guard in the statement hold between processes. Followers hear appends of this process at once and
///   those of another within about 10 ms.
/// - **Deleted or replaced** while it is open, the file or its write-ahead log is [`Corrupt::Damaged`], and nothing is
///   acknowledged any more: a deleted file takes all that is written to it, and loses it with the process.
/// - **Recovery** is by itself: a transaction that fails, for whatever reason, is rolled back, its appends are
///   [`Appended::Unknown`], and the next one starts on a fresh connection. A full disk is over when there is space.
/// - **Stopping**: [`close`](Self::close), or drop it: what is queued is still written.
///
/// Must be opened, used and dropped inside a tokio runtime.
pub struct SqliteStore {
    file: LogFile,
    log: LogId,
    reader: Reader,
    /// None once closed, and from the start where the store only reads.
    queue: Mutex<Option<mpsc::Sender<Append>>>,
    writer: tokio::sync::Mutex<Option<JoinHandle<Option<SqliteConnection>>>>,
    /// The connection that copies work with; none until one does.
    copier: tokio::sync::Mutex<Option<SqliteConnection>>,
    reads_only: bool,
}

impl SqliteStore {
    /// Makes a new, empty log with this id and opens it for writing.
    ///
    /// Durable on return. The file is made only where there is none, readable by this user only; schema and id are
    /// one transaction. A creation that a crash has cut short, or an empty file, is finished by the next one; a
    /// finished log is [`OpenError::AlreadyExists`] and stays as it is, also for the slower of two that create it at
    /// the same time.
    pub async fn create(path: &Path, log: LogId) -> Result<Self, OpenError> {
        LogFile::new(path).create(log, None).await?;
        Self::open(path).await
    }

    /// Opens a log for reading and appending. It must exist: no file is made, and none that is not a log is touched.
    /// Which log it is, [`log`](Self::log) says.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let file = LogFile::new(path);
        let log = file.identify().await?;
        let (heard, _) = watch::channel(Position::START);
        let presence = Arc::new(file.presence()?);
        let writer = Writer::open(file.clone(), log, heard.clone(), Arc::clone(&presence)).await?;
        let (queue, queued) = mpsc::channel(QUEUE);
        let writer = tokio::spawn(writer.run(queued));
        Ok(Self {
            reader: Reader::new(&file, heard, presence),
            file,
            log,
            queue: Mutex::new(Some(queue)),
            writer: tokio::sync::Mutex::new(Some(writer)),
            copier: tokio::sync::Mutex::default(),
            reads_only: false,
        })
    }

    /// Opens a log for reading, in a process that never appends; an append through it is [`Appended::Closed`].
    ///
    /// SQLite opens the file itself read-only. But readers of a WAL take their locks in the `-shm` file, and the first
    /// one there makes it and the `-wal`: so run the reader as the same user as the writer, or as one that may write to
    /// the folder and to these two. The writer need not be running, nor have been stopped in good order.
    pub async fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        let file = LogFile::new(path);
        let log = file.identify().await?;
        Self::reading(file, log)
    }

    fn reading(file: LogFile, log: LogId) -> Result<Self, OpenError> {
        let (heard, _) = watch::channel(Position::START);
        let presence = Arc::new(file.presence()?);
        Ok(Self {
            reader: Reader::new(&file, heard, presence),
            file,
            log,
            queue: Mutex::new(None),
            writer: tokio::sync::Mutex::new(None),
            copier: tokio::sync::Mutex::default(),
            reads_only: true,
        })
    }

    /// Which log the file holds, as it said when it was opened.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// Stops in good order: finishes the appends that are queued, takes no more (they are [`Appended::Unknown`]), ends
    /// reads, and moves the write-ahead log into the file. Where this was the last process to have it open, the file
    /// alone is the log then. Calling it again is harmless.
    pub async fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.writer.lock().await.take();
        let connection = match writer {
            Some(writer) => writer.await.unwrap_or_else(|error| {
                tracing::error!(%error, "the log's writer did not stop in good order");
                None
            }),
            None => None,
        };
        let copier = self.copier.lock().await.take();
        self.reader.close().await;
        // Last, because SQLite removes the write-ahead log only with the last connection, and only if that one writes.
        for connection in [connection, copier].into_iter().flatten() {
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, "closing the log");
            }
        }
    }

    fn queue(&self) -> Option<mpsc::Sender<Append>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl LogStore for SqliteStore {
    async fn try_append(&self, entry: &Entry, expected: Position) -> Appended {
        if self.reads_only {
            return Appended::Closed;
        }
        let Some(queue) = self.queue() else { return Appended::Unknown };
        let (answer, answered) = oneshot::channel();
        if queue.send(Append { entry: entry.clone(), expected, answer }).await.is_err() {
            return Appended::Unknown;
        }
        // Held no longer than it takes to queue: the writer stops when the last sender is gone.
        drop(queue);
        answered.await.unwrap_or(Appended::Unknown)
    }

    fn read(&self, scope: Scope, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        try_stream! {
            let mut last = after;
            loop {
                let page = self.reader.page(&scope, last).await?;
                for stored in page.entries {
                    last = stored.position;
                    yield stored;
                }
                if !page.full {
                    break;
                }
            }
        }
        .boxed()
    }

    fn follow(&self, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        try_stream! {
            let mut news = self.reader.listen();
            let mut last = after;
            loop {
                // Taken before the page is read, so that it must have whatever was heard of.
                let heard = *news.borrow_and_update();
                let page = self.reader.page(&Scope::All, last).await?;
                if page.entries.is_empty() && heard > last {
                    Err(Corrupt::RolledBack { head: last, seen: heard })?;
                }
                for stored in page.entries {
                    last = stored.position;
                    yield stored;
                }
                if !page.full {
                    self.reader.more(&mut news, last).await?;
                }
            }
        }
        .boxed()
    }

    async fn at(&self, position: Position) -> Result<Option<Stored>, ReadError> {
        self.reader.at(position).await
    }

    async fn head(&self, scope: Scope) -> Result<Head, ReadError> {
        self.reader.head(&scope).await
    }
}
