//! Readers: bounded pages through a small pool, heads, and waiting for more.

use std::sync::Arc;
use std::time::Duration;

use domain::Position;
use futures::TryStreamExt;
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions, SqliteRow};
use tokio::sync::{Mutex, watch};
use uuid::Uuid;
use wire::{Entry, LogId, Stored, Subject};

use super::errors::read_error;
use super::file::LogFile;
use super::presence::Presence;
use crate::{Corrupt, Head, ReadError, Scope};

/// Connections that read at the same time; each is a thread.
const READERS: u32 = 4;
/// A page ends with whichever comes first.
const PAGE_ENTRIES: i64 = 1024;
const PAGE_BYTES: usize = 1024 * 1024;
/// How often a follower asks what other processes have appended.
const POLL: Duration = Duration::from_millis(10);

/// The reading half of the store.
pub(super) struct Reader {
    pool: SqlitePool,
    /// The highest position that the writer has committed or a follower has found: followers wait on it.
    heard: watch::Sender<Position>,
    presence: Arc<Presence>,
    /// Held by the one follower that asks on behalf of all of them.
    turn: Mutex<()>,
}

/// Some entries, and whether more may follow at once.
pub(super) struct Page {
    pub(super) entries: Vec<Stored>,
    pub(super) full: bool,
}

impl Reader {
    pub(super) fn new(file: &LogFile, heard: watch::Sender<Position>, presence: Arc<Presence>) -> Self {
        let pool = SqlitePoolOptions::new()
            .max_connections(READERS)
            // There is no network that could have gone: a connection to a file needs no test before each use.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(file.reading());
        Self { pool, heard, presence, turn: Mutex::new(()) }
    }

    /// The next entries of `scope` after the position, in one statement and thus of one moment.
    pub(super) async fn page(&self, scope: &Scope, after: Position) -> Result<Page, ReadError> {
        self.presence.check()?;
        let failed = |error: sqlx::Error| read_error(&error, after);
        let from = i64::try_from(after.get()).unwrap_or(i64::MAX);
        let query = match scope {
            Scope::All => {
                sqlx::query("SELECT position, subject, bytes FROM entry WHERE position > $1 ORDER BY position LIMIT $2")
                    .bind(from)
                    .bind(PAGE_ENTRIES)
            }
            Scope::Subject(subject) => sqlx::query(
                "SELECT position, subject, bytes FROM entry WHERE position > $1 AND subject = $3
                 ORDER BY position LIMIT $2",
            )
            .bind(from)
            .bind(PAGE_ENTRIES)
            .bind(subject.as_str()),
        };
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        let mut rows = query.fetch(&mut *connection);
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            let stored = match stored(&row, after) {
                Ok(stored) => stored,
                // What stands before it is told first: then it is the first of a page.
                Err(_) if !entries.is_empty() => return Ok(Page { entries, full: true }),
                Err(error) => return Err(error),
            };
            bytes += stored.entry.bytes.len();
            entries.push(stored);
            if bytes >= PAGE_BYTES {
                return Ok(Page { entries, full: true });
            }
        }
        let full = entries.len() as i64 == PAGE_ENTRIES;
        Ok(Page { entries, full })
    }

    /// The entry at a position.
    pub(super) async fn at(&self, position: Position) -> Result<Option<Stored>, ReadError> {
        self.presence.check()?;
        let before = Position::new(position.get().saturating_sub(1));
        let row = sqlx::query("SELECT position, subject, bytes FROM entry WHERE position = $1")
            .bind(i64::try_from(position.get()).unwrap_or(i64::MAX))
            .fetch_optional(&self.pool)
            .await;
        let row = row.map_err(|error| read_error(&error, before))?;
        row.map(|row| stored(&row, before)).transpose()
    }

    /// Identity and last position, in one statement.
    pub(super) async fn head(&self, scope: &Scope) -> Result<Head, ReadError> {
        self.presence.check()?;
        let query = match scope {
            Scope::All => sqlx::query("SELECT id, (SELECT coalesce(max(position), 0) FROM entry) FROM log"),
            Scope::Subject(subject) => {
                sqlx::query("SELECT id, (SELECT coalesce(max(position), 0) FROM entry WHERE subject = $1) FROM log")
                    .bind(subject.as_str())
            }
        };
        let failed = |error: sqlx::Error| read_error(&error, Position::START);
        let row = query.fetch_optional(&self.pool).await.map_err(failed)?;
        let Some(row) = row else { return Err(nameless().into()) };
        let id: &[u8] = row.try_get(0).map_err(failed)?;
        let log = LogId::new(Uuid::from_slice(id).map_err(|_| nameless())?);
        let position = row.try_get(1).map_err(failed).and_then(position)?;
        Ok(Head { log, position })
    }

    /// Refuses where another file, or none, has taken the place of the one that was opened.
    pub(super) fn in_place(&self) -> Result<(), Corrupt> {
        self.presence.check()
    }

    /// What followers listen to.
    pub(super) fn listen(&self) -> watch::Receiver<Position> {
        self.heard.subscribe()
    }

    /// Returns once the log goes on after `last`, or can't be read.
    pub(super) async fn more(&self, news: &mut watch::Receiver<Position>, last: Position) -> Result<(), ReadError> {
        tokio::select! {
            // The sender lives as long as `self`.
            _ = news.wait_for(|heard| *heard > last) => Ok(()),
            error = self.ask_for_all() => Err(error),
        }
    }

    /// Asks for the head at intervals and tells all followers; only one of them does so at a time, and the next one
    /// takes over when it leaves. Returns when it can't.
    async fn ask_for_all(&self) -> ReadError {
        let _turn = self.turn.lock().await;
        loop {
            tokio::time::sleep(POLL).await;
            match self.head(&Scope::All).await {
                Ok(head) => announce(&self.heard, head.position),
                Err(error) => return error,
            }
        }
    }

    /// Waits for reads under way, and refuses any more.
    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Tells followers that the log has come to `position`; it never goes back.
pub(super) fn announce(heard: &watch::Sender<Position>, position: Position) {
    heard.send_if_modified(|heard| {
        let news = position > *heard;
        *heard = position.max(*heard);
        news
    });
}

fn stored(row: &SqliteRow, after: Position) -> Result<Stored, ReadError> {
    let failed = |error: sqlx::Error| read_error(&error, after);
    let position = row.try_get(0).map_err(failed).and_then(position)?;
    let subject =
        Subject::parse(row.try_get(1).map_err(failed)?).map_err(|_| Corrupt::UnreadableSubject { position })?;
    Ok(Stored { position, entry: Entry { subject, bytes: row.try_get(2).map_err(failed)? } })
}

fn position(value: i64) -> Result<Position, ReadError> {
    let found = u64::try_from(value)
        .map_err(|_| Corrupt::Damaged { after: Position::START, what: format!("an entry has the position {value}") })?;
    Ok(Position::new(found))
}

fn nameless() -> Corrupt {
    Corrupt::Damaged { after: Position::START, what: "it does not say which log it is".to_owned() }
}
