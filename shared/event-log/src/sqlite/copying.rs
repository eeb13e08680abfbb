//! Either end of a copy: closing a log for one, and being filled by one.

use std::path::Path;

use async_trait::async_trait;
use domain::Position;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};
use tokio::sync::MutexGuard;
use uuid::Uuid;
use wire::{LogId, Stored};

use super::SqliteStore;
use super::errors::{OpenError, read_error};
use super::file::LogFile;
use crate::{CopyEnd, CopyError, CopyId, Corrupt, Standing};

const COPIES: &str = include_str!("copies.sql");
/// In the column `closed`, while a copy into the log is under way.
pub(super) const UNDER_WAY: i64 = 2;
/// The same, of a log that was closed for ever.
const CLOSED: i64 = 1;

impl SqliteStore {
    /// Makes a new, empty log with this id as the target of a copy, and opens it as [`Self::open_for_copy`] does. Durable
    /// on return. Only the copy's end opens it for anything else.
    ///
    /// # Errors
    /// As [`SqliteStore::create`]; another copy's target is [`OpenError::AlreadyExists`].
    pub async fn create_copy(path: &Path, log: LogId, copy: CopyId) -> Result<Self, OpenError> {
        LogFile::new(path).create(log, Some(copy)).await?;
        Self::open_for_copy(path).await
    }

    /// Opens a log that lies at an end of a copy, also while one into it is under way. It can be read, and what
    /// [`CopyEnd`] offers; appends through it are [`Appended::Closed`](crate::Appended::Closed).
    ///
    /// # Errors
    /// As [`SqliteStore::open`]: the file must be one that can be written to.
    pub async fn open_for_copy(path: &Path) -> Result<Self, OpenError> {
        let file = LogFile::new(path);
        let (log, _) = file.look().await?;
        let store = Self::reading(file, log)?;
        let connection = store.file.writer(store.file.writing(), log).await?;
        *store.copier.lock().await = Some(connection);
        Ok(store)
    }

    /// The connection that copies work with, made anew where the last one failed, and its place.
    async fn copier(&self) -> Result<(MutexGuard<'_, Option<SqliteConnection>>, SqliteConnection), CopyError> {
        let mut place = self.copier.lock().await;
        self.reader.in_place()?;
        let connection = match place.take() {
            Some(connection) => connection,
            None => {
                let opened = self.file.writer(self.file.writing(), self.log).await;
                opened.map_err(|error| CopyError::Unavailable(error.to_string()))?
            }
        };
        Ok((place, connection))
    }

    /// What became of a step, once it is known to be in a file that others find too. A connection that failed is closed,
    /// and with it an open transaction rolled back.
    async fn settled<T>(
        &self,
        (mut place, connection): (MutexGuard<'_, Option<SqliteConnection>>, SqliteConnection),
        done: Result<T, CopyError>,
    ) -> Result<T, CopyError> {
        if done.is_ok() {
            *place = Some(connection);
        } else if let Err(error) = connection.close().await {
            tracing::debug!(%error, "closing a connection that a step of a copy failed on");
        }
        self.reader.in_place()?;
        done
    }
}

#[async_trait]
impl CopyEnd for SqliteStore {
    async fn standing(&self) -> Result<Standing, CopyError> {
        let mut copier = self.copier().await?;
        let done = standing(&mut copier.1).await;
        self.settled(copier, done).await
    }

    async fn close_for(&self, copy: CopyId) -> Result<Position, CopyError> {
        let mut copier = self.copier().await?;
        let done = close_for(&mut copier.1, copy).await;
        self.settled(copier, done).await
    }

    async fn take(&self, entries: &[Stored]) -> Result<(), CopyError> {
        let mut copier = self.copier().await?;
        let done = take(&mut copier.1, entries).await;
        self.settled(copier, done).await
    }

    async fn finish(&self, copy: CopyId, head: Position) -> Result<(), CopyError> {
        let mut copier = self.copier().await?;
        let done = finish(&mut copier.1, copy, head).await;
        self.settled(copier, done).await
    }
}

/// Writes down which copy the log has this part in.
pub(super) async fn note(connection: &mut SqliteConnection, part: &str, copy: CopyId) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(COPIES).execute(&mut *connection).await?;
    sqlx::query("INSERT INTO copy (part, id) VALUES ($1, $2)")
        .bind(part)
        .bind(&copy.as_bytes()[..])
        .execute(connection)
        .await?;
    Ok(())
}

async fn standing(connection: &mut SqliteConnection) -> Result<Standing, CopyError> {
    // One transaction, and so of one moment.
    let mut transaction = connection.begin().await.map_err(failed)?;
    let standing = look(&mut transaction).await?;
    transaction.rollback().await.map_err(failed)?;
    Ok(standing)
}

async fn look(connection: &mut SqliteConnection) -> Result<Standing, CopyError> {
    let row = sqlx::query(
        "SELECT id, closed, (SELECT coalesce(max(position), 0) FROM entry),
                (SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'copy')
         FROM log",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    let id: Vec<u8> = row.try_get(0).map_err(failed)?;
    let (closed, head, copies): (i64, i64, i64) =
        (row.try_get(1).map_err(failed)?, row.try_get(2).map_err(failed)?, row.try_get(3).map_err(failed)?);
    let mut standing = Standing {
        log: LogId::new(read(&id)?),
        head: Position::new(head.cast_unsigned()),
        made_by: None,
        unfinished: closed == UNDER_WAY,
        closed: closed == CLOSED,
        closed_for: None,
    };
    if copies > 0 {
        let rows: Vec<(String, Vec<u8>)> =
            sqlx::query_as("SELECT part, id FROM copy").fetch_all(connection).await.map_err(failed)?;
        for (part, id) in rows {
            let copy = Some(CopyId::new(read(&id)?));
            if part == "made by" {
                standing.made_by = copy;
            } else {
                standing.closed_for = copy;
            }
        }
    }
    Ok(standing)
}

async fn close_for(connection: &mut SqliteConnection, copy: CopyId) -> Result<Position, CopyError> {
    // The lock of every writer: no append is decided between the look and the seal.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let standing = look(&mut transaction).await?;
    match standing.closed_for {
        Some(other) if other != copy => return Err(CopyError::ClosedForAnother(other)),
        Some(_) => {}
        None if standing.unfinished => return Err(CopyError::Unfinished),
        None => note(&mut transaction, "closed for", copy).await.map_err(failed)?,
    }
    sqlx::query("UPDATE log SET closed = $1").bind(CLOSED).execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(standing.head)
}

async fn take(connection: &mut SqliteConnection, entries: &[Stored]) -> Result<(), CopyError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let standing = look(&mut transaction).await?;
    if !standing.unfinished {
        return Err(CopyError::NotUnderWay);
    }
    let mut last = standing.head;
    for Stored { position, entry } in entries {
        if *position != last.next() {
            return Err(CopyError::NotNext);
        }
        last = *position;
        let number = i64::try_from(position.get()).map_err(|_| CopyError::NotNext)?;
        sqlx::query("INSERT INTO entry (position, subject, bytes) VALUES ($1, $2, $3)")
            .bind(number)
            .bind(entry.subject.as_str())
            .bind(&entry.bytes[..])
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

async fn finish(connection: &mut SqliteConnection, copy: CopyId, head: Position) -> Result<(), CopyError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let standing = look(&mut transaction).await?;
    if standing.made_by != Some(copy) {
        return Err(CopyError::NotUnderWay);
    }
    if standing.unfinished {
        if standing.head != head {
            return Err(CopyError::NotNext);
        }
        sqlx::query("UPDATE log SET closed = 0").execute(&mut *transaction).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

fn read(id: &[u8]) -> Result<Uuid, CopyError> {
    Uuid::from_slice(id).map_err(|_| {
        let what = "an id of a log or a copy can't be read".to_owned();
        Corrupt::Damaged { after: Position::START, what }.into()
    })
}

fn failed(error: sqlx::Error) -> CopyError {
    read_error(&error, Position::START).into()
}
