//! Records in a SQLite file of their own, for a single machine.

#[cfg(test)]
mod tests;

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::{ServiceId, UserId};
use postkey_sqlite::{Application, NotOurs, Writer, make_private, said};
use serde_json::json;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Connection, Row, Sqlite, Transaction};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::conditions::{COLUMNS, Conditions, Value};
use crate::looking::{self, Look};
use crate::{ActivityStore, Bounds, Filter, Kept, Kind, LOOKED_AT, Page, Record, Unavailable};

/// What the file is known by: `pkac`. Instants are microseconds since 1970, ids 16 bytes, rules separated by blanks.
const FILE: Application = Application {
    what: "an activity log",
    id: 0x706b_6163,
    migrations: &["
        CREATE TABLE activity (
            id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, lost INTEGER NOT NULL, kind TEXT NOT NULL,
            what TEXT NOT NULL, code TEXT NOT NULL, rules TEXT NOT NULL, service_id BLOB, user_id BLOB,
            client TEXT NOT NULL, actor TEXT, origin TEXT, request_id TEXT NOT NULL);
        CREATE INDEX activity_at ON activity (at);
        CREATE INDEX activity_kind ON activity (kind, id);
        CREATE INDEX activity_service ON activity (service_id, id) WHERE service_id IS NOT NULL;
        CREATE INDEX activity_user ON activity (user_id, id) WHERE user_id IS NOT NULL;"],
};

/// One statement takes a whole batch. A record in it is an array, ids in hexadecimal.
const APPEND: &str = "\
    INSERT INTO activity (at, lost, kind, what, code, rules, service_id, user_id, client, actor, origin, request_id) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, unhex(value ->> 6), \
    unhex(value ->> 7), value ->> 8, value ->> 9, value ->> 10, value ->> 11 FROM json_each($1) ORDER BY key";
const PRUNE_OLD: &str = "DELETE FROM activity WHERE id IN (SELECT id FROM activity WHERE at < $1 ORDER BY at LIMIT $2)";
const PRUNE_MANY: &str = "\
    DELETE FROM activity WHERE id IN (SELECT id FROM activity WHERE kind = $1 AND id <= \
    (SELECT id FROM activity WHERE kind = $1 ORDER BY id DESC LIMIT 1 OFFSET $2) ORDER BY id LIMIT $3)";

/// Records in a SQLite file (mode 0600), which is made where it is missing, also while it is in use. A write-ahead log that
/// is not synced on commit (`synchronous=NORMAL`): a commit waits for no disk, and a power cut takes the last of them and
/// damages nothing. What is removed is overwritten (`secure_delete`). Two processes may share the file.
pub struct SqliteActivityStore {
    path: PathBuf,
    open: Mutex<Option<Open>>,
}

struct Open {
    /// Which file that is: its device and its number there.
    file: Option<(u64, u64)>,
    writer: Writer,
    readers: SqlitePool,
}

fn unavailable(error: &sqlx::Error) -> Unavailable {
    Unavailable(said(error))
}

impl SqliteActivityStore {
    /// The store at `path`. Nothing is opened yet.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), open: Mutex::default() }
    }

    async fn opened(&self) -> Result<Open, Unavailable> {
        let named = |what: String| Unavailable(format!("{}: {what}", self.path.display()));
        make_private(&self.path).map_err(|error| named(error.to_string()))?;
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .pragma("secure_delete", "ON")
            .busy_timeout(Duration::from_secs(5));
        let connected = SqliteConnection::connect_with(&options).await;
        let mut connection = connected.map_err(|error| named(said(&error)))?;
        FILE.prepare(&mut connection).await.map_err(|error| match error {
            NotOurs::Sqlite(error) => named(said(&error)),
            other => named(other.to_string()),
        })?;
        let writer = Writer::new(options.clone(), connection);
        let readers = SqlitePoolOptions::new().max_connections(2).test_before_acquire(false).connect_lazy_with(options);
        Ok(Open { file: self.file(), writer, readers })
    }

    fn file(&self) -> Option<(u64, u64)> {
        fs::metadata(&self.path).ok().map(|file| (file.dev(), file.ino()))
    }

    /// What is open; opened anew where another file, or none, is at the path by now: SQLite would write into the one that was
    /// removed, and nobody could read it.
    async fn current<'o>(&self, slot: &'o mut Option<Open>) -> Result<&'o mut Open, Unavailable> {
        let file = self.file();
        if let Some(mut gone) = slot.take_if(|open| open.file != file) {
            gone.writer.failed().await;
        }
        match slot {
            Some(open) => Ok(open),
            none => Ok(none.insert(self.opened().await?)),
        }
    }

    /// Does one thing in a transaction of its own. A failure lets go of the file.
    async fn write<T>(
        &self,
        work: impl AsyncFnOnce(&mut Transaction<'_, Sqlite>) -> Result<T, sqlx::Error>,
    ) -> Result<T, Unavailable> {
        let mut slot = self.open.lock().await;
        let open = self.current(&mut slot).await?;
        let written = async {
            let mut transaction = open.writer.begin().await?;
            let done = work(&mut transaction).await?;
            transaction.commit().await?;
            Ok(done)
        };
        let written = written.await;
        if written.is_err()
            && let Some(mut open) = slot.take()
        {
            open.writer.failed().await;
        }
        written.map_err(|error| unavailable(&error))
    }

    async fn readers(&self) -> Result<SqlitePool, Unavailable> {
        let mut slot = self.open.lock().await;
        Ok(self.current(&mut slot).await?.readers.clone())
    }

    async fn rows(&self, sql: String, values: Vec<Value>) -> Result<Vec<SqliteRow>, Unavailable> {
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for value in values {
            query = match value {
                Value::Number(number) => query.bind(number),
                Value::Id(id) => query.bind(id.into_bytes().to_vec()),
                Value::Text(text) => query.bind(text),
                Value::Instant(at) => query.bind(at.timestamp_micros()),
            };
        }
        let readers = self.readers().await?;
        query.fetch_all(&readers).await.map_err(|error| unavailable(&error))
    }
}

/// A record's columns as a JSON array.
fn json_of(record: &Record) -> serde_json::Value {
    let activity = &record.activity;
    json!([
        record.at.timestamp_micros(),
        record.lost,
        activity.kind.as_str(),
        activity.what,
        activity.code,
        activity.rules.join(" "),
        activity.service.map(|service| service.uuid().simple().to_string()),
        activity.user.map(|user| user.uuid().simple().to_string()),
        activity.client,
        activity.actor,
        activity.origin.map(|origin| origin.to_string()),
        activity.request,
    ])
}

/// A record; none where a newer version wrote what this one does not know.
fn kept(row: &SqliteRow) -> Result<Option<Kept>, sqlx::Error> {
    let Ok(kind) = row.try_get::<&str, _>(3)?.parse::<Kind>() else { return Ok(None) };
    let id = |index| -> Result<Option<Uuid>, sqlx::Error> {
        Ok(row.try_get::<Option<Vec<u8>>, _>(index)?.and_then(|bytes| Uuid::from_slice(&bytes).ok()))
    };
    Ok(Some(Kept {
        id: row.try_get::<i64, _>(0)?.unsigned_abs(),
        at: DateTime::<Utc>::from_timestamp_micros(row.try_get(1)?).unwrap_or_default(),
        lost: row.try_get::<i64, _>(2)?.unsigned_abs(),
        kind,
        what: row.try_get(4)?,
        code: row.try_get(5)?,
        rules: row.try_get::<&str, _>(6)?.split_whitespace().map(str::to_owned).collect(),
        service: id(7)?.map(ServiceId::new),
        user: id(8)?.map(UserId::new),
        client: row.try_get(9)?,
        actor: row.try_get(10)?,
        origin: row.try_get::<Option<&str>, _>(11)?.and_then(|origin| origin.parse::<IpAddr>().ok()),
        request: row.try_get(12)?,
    }))
}

#[async_trait]
impl Look for SqliteActivityStore {
    async fn span(&self, of: Conditions) -> Result<Option<(i64, i64)>, Unavailable> {
        let sql = format!("SELECT min(id), max(id) FROM activity WHERE {}", of.text);
        let rows = self.rows(sql, of.values).await?;
        let read = |row: &SqliteRow| -> Result<Option<(i64, i64)>, sqlx::Error> {
            Ok(row.try_get::<Option<i64>, _>(0)?.zip(row.try_get(1)?))
        };
        rows.first().map_or(Ok(None), read).map_err(|error| unavailable(&error))
    }

    async fn looked_up_to(&self, of: Conditions) -> Result<Option<i64>, Unavailable> {
        let sql = format!("SELECT id FROM activity WHERE {} ORDER BY id LIMIT 1 OFFSET {}", of.text, LOOKED_AT - 1);
        let rows = self.rows(sql, of.values).await?;
        rows.first().map(|row| row.try_get(0)).transpose().map_err(|error| unavailable(&error))
    }

    async fn records(&self, mut of: Conditions, limit: i64) -> Result<Vec<Kept>, Unavailable> {
        let limit = of.number(limit);
        let sql = format!("SELECT {COLUMNS} FROM activity WHERE {} ORDER BY id LIMIT {limit}", of.text);
        let rows = self.rows(sql, of.values).await?;
        rows.iter()
            .filter_map(|row| kept(row).transpose())
            .collect::<Result<_, _>>()
            .map_err(|error| unavailable(&error))
    }
}

#[async_trait]
impl ActivityStore for SqliteActivityStore {
    async fn append(&self, records: &[Record]) -> Result<(), Unavailable> {
        let records = serde_json::Value::from(records.iter().map(json_of).collect::<Vec<_>>()).to_string();
        self.write(async move |transaction| {
            sqlx::query(APPEND).bind(records).execute(&mut **transaction).await.map(|_| ())
        })
        .await
    }

    async fn page(&self, filter: &Filter, after: u64, limit: u32) -> Result<Page, Unavailable> {
        looking::page(self, filter, after, limit).await
    }

    async fn prune(&self, bounds: Bounds, step: u32) -> Result<u64, Unavailable> {
        let most = i64::try_from(bounds.most).unwrap_or(i64::MAX);
        self.write(async move |transaction| {
            let old = sqlx::query(PRUNE_OLD).bind(bounds.since.timestamp_micros()).bind(step);
            let mut removed = old.execute(&mut **transaction).await?.rows_affected();
            for kind in Kind::ALL {
                let many = sqlx::query(PRUNE_MANY).bind(kind.as_str()).bind(most).bind(step);
                removed += many.execute(&mut **transaction).await?.rows_affected();
            }
            Ok(removed)
        })
        .await
    }

    async fn close(&self) {
        let Some(mut open) = self.open.lock().await.take() else { return };
        open.readers.close().await;
        open.writer.close().await;
    }
}
