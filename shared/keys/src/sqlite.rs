//! Keys in a SQLite file of their own, for a single machine.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use domain::{KeyId, Position};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, Row};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::{KeyStore, StoredKey, Unavailable, WrappedKey};

/// Marks the file as ours (SQLite's header, offset 68): `pkky`.
const APPLICATION_ID: i64 = 0x706b_6b79;
/// The only version of the schema so far.
const SCHEMA_VERSION: i64 = 1;
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS key (id BLOB PRIMARY KEY CHECK (length(id) = 16), wrapped BLOB) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS destruction (one INTEGER PRIMARY KEY CHECK (one = 1), cursor INTEGER NOT NULL);
    INSERT INTO destruction (one, cursor) VALUES (1, 0) ON CONFLICT DO NOTHING;
    PRAGMA application_id = 0x706b6b79;
    PRAGMA user_version = 1;";
/// How many writes may share one transaction.
const BATCH: usize = 256;

/// Keys in a SQLite file: a rollback journal that is deleted, deleted content overwritten with zeros, every commit
/// synced. A destroyed key is then in no file of the folder; what the disk itself still holds is not ours to say.
///
/// Writes that wait at the same time share one transaction. Two processes may share the file.
pub struct SqliteKeyStore {
    readers: SqlitePool,
    writer: mpsc::Sender<Write>,
}

struct Write {
    change: Change,
    done: oneshot::Sender<Result<(), Unavailable>>,
}

enum Change {
    Create(Vec<(KeyId, WrappedKey)>),
    Destroy(Vec<KeyId>, Position),
}

fn unavailable(error: impl std::fmt::Display) -> Unavailable {
    Unavailable(error.to_string())
}

impl SqliteKeyStore {
    /// Opens the store at `path`, and makes it (mode 0600) where there is none and `create` says so.
    ///
    /// # Errors
    /// Where the file is missing, can't be read or written, or is another program's.
    pub async fn open(path: &Path, create: bool) -> Result<Self, Unavailable> {
        let named = |error: &dyn std::fmt::Display| Unavailable(format!("{}: {error}", path.display()));
        if create {
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
            file.map_err(|error| named(&error))?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Delete)
            .synchronous(SqliteSynchronous::Full)
            .pragma("secure_delete", "ON")
            .busy_timeout(Duration::from_secs(5));
        let mut connection = SqliteConnection::connect_with(&options).await.map_err(|error| named(&error))?;
        prepare(&mut connection).await.map_err(|error| named(&error.0))?;
        let readers = SqlitePoolOptions::new().max_connections(4).test_before_acquire(false).connect_lazy_with(options);
        let (writer, queue) = mpsc::channel(BATCH);
        tokio::spawn(write(connection, queue));
        Ok(Self { readers, writer })
    }

    /// Whether no key was ever stored, nor destroyed.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub async fn is_empty(&self) -> Result<bool, Unavailable> {
        let any: Option<i64> =
            sqlx::query_scalar("SELECT 1 FROM key LIMIT 1").fetch_optional(&self.readers).await.map_err(unavailable)?;
        Ok(any.is_none())
    }

    async fn write(&self, change: Change) -> Result<(), Unavailable> {
        let (done, outcome) = oneshot::channel();
        let gone = |_| Unavailable("its writer has stopped".to_owned());
        self.writer.send(Write { change, done }).await.map_err(|_| gone(()))?;
        outcome.await.map_err(|_| gone(()))?
    }
}

async fn prepare(connection: &mut SqliteConnection) -> Result<(), Unavailable> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)?;
    let application: i64 =
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *transaction).await.map_err(unavailable)?;
    let version: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await.map_err(unavailable)?;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut *transaction)
        .await
        .map_err(unavailable)?;
    match (application, version, tables) {
        (0, 0, 0) => sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await.map_err(unavailable)?,
        (APPLICATION_ID, SCHEMA_VERSION, _) => return Ok(()),
        (APPLICATION_ID, newer, _) => {
            return Err(Unavailable(format!(
                "schema version {newer} is of another postkey; this one knows {SCHEMA_VERSION}"
            )));
        }
        _ => return Err(Unavailable("not a key store of postkey".to_owned())),
    };
    transaction.commit().await.map_err(unavailable)
}

/// Writes whatever waits as one transaction, one after the other, until nobody can ask any more.
async fn write(mut connection: SqliteConnection, mut queue: mpsc::Receiver<Write>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let outcome = write_batch(&mut connection, &batch).await;
        for Write { done, .. } in batch.drain(..) {
            // Whoever no longer waits has lost nothing: the key is stored, or is stored again under another id.
            let _ = done.send(outcome.clone());
        }
    }
}

async fn write_batch(connection: &mut SqliteConnection, batch: &[Write]) -> Result<(), Unavailable> {
    // Dropping the transaction on an error rolls it back before the connection's next use.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)?;
    for Write { change, .. } in batch {
        match change {
            Change::Create(keys) => {
                for (id, wrapped) in keys {
                    sqlx::query("INSERT INTO key (id, wrapped) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING")
                        .bind(&id.as_bytes()[..])
                        .bind(&wrapped.0)
                        .execute(&mut *transaction)
                        .await
                        .map_err(unavailable)?;
                }
            }
            Change::Destroy(ids, cursor) => {
                for id in ids {
                    sqlx::query(
                        "INSERT INTO key (id, wrapped) VALUES ($1, NULL) ON CONFLICT (id) DO UPDATE SET wrapped = NULL",
                    )
                    .bind(&id.as_bytes()[..])
                    .execute(&mut *transaction)
                    .await
                    .map_err(unavailable)?;
                }
                let cursor = i64::try_from(cursor.get()).map_err(unavailable)?;
                sqlx::query("UPDATE destruction SET cursor = max(cursor, $1)")
                    .bind(cursor)
                    .execute(&mut *transaction)
                    .await
                    .map_err(unavailable)?;
            }
        }
    }
    transaction.commit().await.map_err(unavailable)
}

#[async_trait]
impl KeyStore for SqliteKeyStore {
    async fn create(&self, keys: &[(KeyId, WrappedKey)]) -> Result<(), Unavailable> {
        self.write(Change::Create(keys.to_vec())).await
    }

    async fn fetch(&self, ids: &[KeyId]) -> Result<HashMap<KeyId, StoredKey>, Unavailable> {
        let mut found: HashMap<_, _> = ids.iter().map(|id| (*id, StoredKey::NeverSeen)).collect();
        let wanted: Vec<_> = found.keys().map(|id| id.uuid().simple().to_string()).collect();
        let wanted = serde_json::to_string(&wanted).map_err(unavailable)?;
        let rows = sqlx::query("SELECT id, wrapped FROM key WHERE id IN (SELECT unhex(value) FROM json_each($1))")
            .bind(wanted)
            .fetch_all(&self.readers)
            .await
            .map_err(unavailable)?;
        for row in rows {
            let id: Vec<u8> = row.try_get(0).map_err(unavailable)?;
            let wrapped: Option<Vec<u8>> = row.try_get(1).map_err(unavailable)?;
            let id = KeyId::new(Uuid::from_slice(&id).map_err(unavailable)?);
            found.insert(id, wrapped.map_or(StoredKey::Destroyed, |bytes| StoredKey::Here(WrappedKey(bytes))));
        }
        Ok(found)
    }

    async fn destroy(&self, ids: &[KeyId], cursor: Position) -> Result<(), Unavailable> {
        self.write(Change::Destroy(ids.to_vec(), cursor)).await
    }

    async fn cursor(&self) -> Result<Position, Unavailable> {
        let cursor: i64 =
            sqlx::query_scalar("SELECT cursor FROM destruction").fetch_one(&self.readers).await.map_err(unavailable)?;
        u64::try_from(cursor).map(Position::new).map_err(unavailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.db");
        let store = SqliteKeyStore::open(&path, true).await.unwrap();
        let other_process = SqliteKeyStore::open(&path, false).await.unwrap();
        crate::contract::all(&store, &other_process).await;
    }

    #[tokio::test]
    async fn a_destroyed_key_is_in_no_file_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteKeyStore::open(&folder.path().join("keys.db"), true).await.unwrap();
        let id = KeyId::new(Uuid::from_u128(1));
        let wrapped = WrappedKey(b"0123456789-this-is-wrapped-9876543210".to_vec());
        let found = || {
            std::fs::read_dir(folder.path()).unwrap().any(|entry| {
                let bytes = std::fs::read(entry.unwrap().path()).unwrap();
                bytes.windows(wrapped.0.len()).any(|window| window == wrapped.0)
            })
        };
        store.create(&[(id, wrapped.clone())]).await.unwrap();
        assert!(found());
        store.destroy(&[id], Position::new(1)).await.unwrap();
        assert!(!found());
    }

    #[tokio::test]
    async fn another_programs_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.db");
        assert!(SqliteKeyStore::open(&path, false).await.is_err());
        std::fs::write(&path, b"not a database, and long enough to be read as one".repeat(100)).unwrap();
        assert!(SqliteKeyStore::open(&path, true).await.is_err());
        std::fs::remove_file(&path).unwrap();
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let mut other = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query("CREATE TABLE theirs (x)").execute(&mut other).await.unwrap();
        assert!(SqliteKeyStore::open(&path, true).await.is_err());
    }
}
