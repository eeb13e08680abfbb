//! The file: making it, knowing it for what it is, and the options under which it is opened.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postkey_sqlite::{Fault, fault, make_private};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::time::{sleep, timeout};
use uuid::Uuid;
use wire::LogId;

use super::copying;
use super::errors::OpenError;
use super::presence::Presence;
use crate::CopyId;

const SCHEMA: &str = include_str!("schema.sql");
/// "pklg", as it stands in the schema.
const APPLICATION: i64 = 0x706b_6c67;
const VERSION: i64 = 1;
/// How long SQLite waits for a lock of another process: longer than any transaction of ours takes, shorter than an
/// append's deadline.
const PATIENCE: Duration = Duration::from_secs(4);
/// Where SQLite does not wait itself: the pause before it is asked again.
const LOCK_PAUSE: Duration = Duration::from_millis(5);
/// Rows that SQLite's thread may be ahead of the reader.
const ROWS_AHEAD: usize = 256;

/// A log's file, in the words of which its errors speak.
#[derive(Clone, Debug)]
pub(super) struct LogFile(PathBuf);

/// What stands in a file.
enum Content {
    /// A log of our schema, and whether it is a copy under way.
    Log { log: LogId, unfinished: bool },
    /// A database without anything in it: creation got no further.
    Nothing,
}

impl LogFile {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// For readers: SQLite itself refuses every write to the log.
    pub(super) fn reading(&self) -> SqliteConnectOptions {
        self.options().read_only(true)
    }

    /// For the writer: a transaction has reached the disk when COMMIT returns.
    pub(super) fn writing(&self) -> SqliteConnectOptions {
        // A burst's WAL is given back to the disk once it has been checkpointed.
        self.options().synchronous(SqliteSynchronous::Full).pragma("journal_size_limit", "67108864")
    }

    fn options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.0)
            .create_if_missing(false)
            .busy_timeout(PATIENCE)
            .row_buffer_size(ROWS_AHEAD)
            .disable_statement_logging()
    }

    /// Makes the file, durably and for this user only, with an empty log in it; finishes one that was begun. One that is
    /// made for a copy is marked with it.
    pub(super) async fn create(&self, log: LogId, copy: Option<CopyId>) -> Result<(), OpenError> {
        make_private(&self.0).map_err(|error| self.io_error(&error))?;
        self.readable()?;
        let mut connection = self.connect(self.writing()).await?;
        let made = self.fill(&mut connection, log, copy).await;
        let closed = connection.close().await.map_err(|error| self.error(&error));
        made.and(closed)
    }

    /// Which log the file holds, seen by a connection that can't change it. Refuses one that is a copy under way.
    pub(super) async fn identify(&self) -> Result<LogId, OpenError> {
        match self.look().await? {
            (log, false) => Ok(log),
            (_, true) => Err(OpenError::CopyUnderWay(self.0.clone())),
        }
    }

    /// Which log the file holds, and whether it is a copy under way.
    pub(super) async fn look(&self) -> Result<(LogId, bool), OpenError> {
        self.readable()?;
        let mut connection = self.connect(self.reading()).await?;
        let content = self.content(&mut connection).await;
        let closed = connection.close().await.map_err(|error| self.error(&error));
        match content? {
            Content::Log { log, unfinished } => closed.map(|()| (log, unfinished)),
            Content::Nothing => Err(OpenError::Unfinished(self.0.clone())),
        }
    }

    /// Refuses where another file, or none, has taken the place of the one that was opened.
    pub(super) fn in_place(&self, presence: &Presence) -> Result<(), OpenError> {
        presence.check().map_err(|corrupt| OpenError::Damaged { path: self.0.clone(), what: corrupt.to_string() })
    }

    /// The file as it is now, to be told from another that takes its place.
    pub(super) fn presence(&self) -> Result<Presence, OpenError> {
        Presence::of(&self.0).map_err(|error| self.io_error(&error))
    }

    /// A connection that has been seen to write, to the log it is expected to write to.
    pub(super) async fn writer(
        &self,
        options: SqliteConnectOptions,
        log: LogId,
    ) -> Result<SqliteConnection, OpenError> {
        let mut connection = self.connect(options).await?;
        match self.content(&mut connection).await? {
            Content::Log { log: found, .. } if found == log => {}
            _ => return Err(OpenError::NotALog(self.0.clone())),
        }
        // SQLite opens a file that it may not write to all the same, and says so at the first write only.
        let transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(|error| self.error(&error))?;
        transaction.rollback().await.map_err(|error| self.error(&error))?;
        self.keep_ahead_log(&mut connection).await?;
        Ok(connection)
    }

    /// What an error of SQLite means for this file.
    pub(super) fn error(&self, error: &sqlx::Error) -> OpenError {
        let path = self.0.clone();
        match fault(error) {
            Fault::NotADatabase => OpenError::NotALog(path),
            Fault::Damaged => OpenError::Damaged { path, what: error.to_string() },
            Fault::Full => OpenError::Full(path),
            Fault::Denied => OpenError::Denied(path),
            // Only its creation is a transaction with a rollback journal.
            Fault::HotJournal => OpenError::Unfinished(path),
            Fault::Locked | Fault::Other => OpenError::Unavailable { path, reason: error.to_string() },
        }
    }

    async fn connect(&self, options: SqliteConnectOptions) -> Result<SqliteConnection, OpenError> {
        options.connect().await.map_err(|error| self.error(&error))
    }

    /// SQLite says no more than "unable to open": what the reason is has to be found out before.
    fn readable(&self) -> Result<(), OpenError> {
        let file = File::open(&self.0).map_err(|error| self.io_error(&error))?;
        let metadata = file.metadata().map_err(|error| self.io_error(&error))?;
        if metadata.is_file() { Ok(()) } else { Err(OpenError::NotALog(self.0.clone())) }
    }

    async fn fill(&self, connection: &mut SqliteConnection, log: LogId, copy: Option<CopyId>) -> Result<(), OpenError> {
        // Looked at first, so that nothing is touched that is not ours; and again under the lock, for whoever else
        // creates it at the same time.
        if let Content::Log { .. } = self.content(connection).await? {
            return Err(OpenError::AlreadyExists(self.0.clone()));
        }
        self.keep_ahead_log(connection).await?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(|error| self.error(&error))?;
        if let Content::Log { .. } = self.content(&mut transaction).await? {
            return Err(OpenError::AlreadyExists(self.0.clone()));
        }
        sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await.map_err(|error| self.error(&error))?;
        sqlx::query("INSERT INTO log (one, id, closed) VALUES (1, $1, $2)")
            .bind(&log.as_bytes()[..])
            .bind(if copy.is_some() { copying::UNDER_WAY } else { 0 })
            .execute(&mut *transaction)
            .await
            .map_err(|error| self.error(&error))?;
        if let Some(copy) = copy {
            copying::note(&mut transaction, "made by", copy).await.map_err(|error| self.error(&error))?;
        }
        transaction.commit().await.map_err(|error| self.error(&error))
    }

    /// Write-ahead logging is a property of the file. Readers then never wait for the writer, nor it for them.
    async fn keep_ahead_log(&self, connection: &mut SqliteConnection) -> Result<(), OpenError> {
        let switch = async {
            // The one lock for which SQLite itself does not wait.
            loop {
                let mode: Result<String, _> =
                    sqlx::query_scalar("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await;
                match mode {
                    Err(error) if fault(&error) == Fault::Locked => sleep(LOCK_PAUSE).await,
                    mode => return mode,
                }
            }
        };
        let reason = match timeout(PATIENCE, switch).await {
            Ok(Ok(mode)) if mode == "wal" => return Ok(()),
            Ok(Ok(mode)) => format!("the file system allows no write-ahead log (journal mode {mode})"),
            Ok(Err(error)) => return Err(self.error(&error)),
            Err(_) => "another process does not let go of its lock".to_owned(),
        };
        Err(OpenError::Unavailable { path: self.0.clone(), reason })
    }

    async fn content(&self, connection: &mut SqliteConnection) -> Result<Content, OpenError> {
        let (application, version, tables): (i64, i64, i64) = sqlx::query_as(
            "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
             FROM pragma_application_id, pragma_user_version",
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| self.error(&error))?;
        match (application, version, tables) {
            (0, 0, 0) => Ok(Content::Nothing),
            (APPLICATION, VERSION, _) => {
                let row: Option<(Vec<u8>, i64)> = sqlx::query_as("SELECT id, closed FROM log")
                    .fetch_optional(connection)
                    .await
                    .map_err(|error| self.error(&error))?;
                let log = row.and_then(|(id, closed)| Some((LogId::new(Uuid::from_slice(&id).ok()?), closed)));
                let (log, closed) = log.ok_or_else(|| OpenError::Damaged {
                    path: self.0.clone(),
                    what: "it does not say which log it is".to_owned(),
                })?;
                Ok(Content::Log { log, unfinished: closed == copying::UNDER_WAY })
            }
            (APPLICATION, found, _) if found > VERSION => {
                Err(OpenError::Newer { path: self.0.clone(), found, known: VERSION })
            }
            _ => Err(OpenError::NotALog(self.0.clone())),
        }
    }

    fn io_error(&self, error: &std::io::Error) -> OpenError {
        let path = self.0.clone();
        match error.kind() {
            ErrorKind::NotFound => OpenError::Missing(path),
            ErrorKind::PermissionDenied => OpenError::Denied(path),
            ErrorKind::StorageFull => OpenError::Full(path),
            _ => OpenError::Unavailable { path, reason: error.to_string() },
        }
    }
}
