//! Keys in a SQLite file of their own, for a single machine.

mod checkpoints;
mod rewrap;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use domain::{KeyId, Position};
use postkey_sqlite::{Application, NotOurs, Writer, make_private, said};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Connection, Row};
use tokio::sync::{Mutex, mpsc, oneshot};
use uuid::Uuid;

use crate::gathered::{Gathered, Source};
use crate::{KeyStore, Rewrapped, StoredKey, Unavailable, WrappedKey};

/// What the file is known by: `pkky`.
const KEY_STORE: Application = Application {
    what: "a key store",
    id: 0x706b_6b79,
    migrations: &[
        "
        CREATE TABLE key (id BLOB PRIMARY KEY CHECK (length(id) = 16), wrapped BLOB) WITHOUT ROWID;
        CREATE TABLE destruction (one INTEGER PRIMARY KEY CHECK (one = 1), cursor INTEGER NOT NULL);
        INSERT INTO destruction (one, cursor) VALUES (1, 0);",
        "
        CREATE TABLE checkpoint (one INTEGER PRIMARY KEY CHECK (one = 1), note TEXT NOT NULL);
        CREATE TABLE crossing (
            id INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT NOT NULL, old_key TEXT NOT NULL, new_key TEXT NOT NULL);",
    ],
};
/// How many writes may share one transaction.
const BATCH: usize = 256;

/// Keys in a SQLite file: a rollback journal that is deleted, deleted content overwritten with zeros, every commit
/// synced. A destroyed key is then in no file of the folder; what the disk itself still holds is not ours to say.
///
/// Writes that wait at the same time share one transaction, and questions for keys one statement. Two processes may share
/// the file.
pub struct SqliteKeyStore {
    readers: Gathered<Readers>,
    queue: mpsc::Sender<Write>,
    checkpoints: Mutex<Writer>,
}

struct Readers(SqlitePool);

struct Write {
    change: Change,
    done: oneshot::Sender<Result<(), Unavailable>>,
}

enum Change {
    Create(Vec<(KeyId, WrappedKey)>),
    Destroy(Vec<KeyId>, Position),
    Rewrap(Vec<Rewrapped>),
}

fn unavailable(error: sqlx::Error) -> Unavailable {
    Unavailable(said(&error))
}

/// A value in the file that can't be.
fn nonsense(error: impl std::fmt::Display) -> Unavailable {
    Unavailable(format!("it holds what was never stored: {error}"))
}

impl SqliteKeyStore {
    /// Opens the store at `path`, and makes it (mode 0600) where there is none and `create` says so.
    ///
    /// # Errors
    /// Where the file is missing, can't be read or written, or is another program's.
    pub async fn open(path: &Path, create: bool) -> Result<Self, Unavailable> {
        let named = |what: String| Unavailable(format!("{}: {what}", path.display()));
        if create {
            make_private(path).map_err(|error| named(error.to_string()))?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Delete)
            .synchronous(SqliteSynchronous::Full)
            .pragma("secure_delete", "ON")
            .busy_timeout(Duration::from_secs(5));
        let connected = SqliteConnection::connect_with(&options).await;
        let mut connection = connected.map_err(|error| named(said(&error)))?;
        let found = KEY_STORE.found(&mut connection).await;
        if !create && matches!(found, Ok(0)) {
            return Err(named(
                "it is empty: restore the key store that belongs to the log from your backup".to_owned(),
            ));
        }
        KEY_STORE.prepare(&mut connection).await.map_err(|error| match error {
            NotOurs::Sqlite(error) => named(said(&error)),
            other => named(other.to_string()),
        })?;
        let writer = Writer::new(options.clone(), connection);
        let checkpoints = Mutex::new(Writer::lazy(options.clone()));
        let readers = SqlitePoolOptions::new().max_connections(4).test_before_acquire(false).connect_lazy_with(options);
        let (queue, queued) = mpsc::channel(BATCH);
        tokio::spawn(write(writer, queued));
        Ok(Self { readers: Gathered::new(Readers(readers)), queue, checkpoints })
    }

    /// Whether no key was ever stored, nor destroyed.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub async fn is_empty(&self) -> Result<bool, Unavailable> {
        let any: Option<i64> = sqlx::query_scalar("SELECT 1 FROM key LIMIT 1")
            .fetch_optional(&self.readers.source().0)
            .await
            .map_err(unavailable)?;
        Ok(any.is_none())
    }

    async fn write(&self, change: Change) -> Result<(), Unavailable> {
        let (done, outcome) = oneshot::channel();
        let gone = |_| Unavailable("its writer has stopped".to_owned());
        self.queue.send(Write { change, done }).await.map_err(|_| gone(()))?;
        outcome.await.map_err(|_| gone(()))?
    }
}

/// Writes whatever waits as one transaction, one after the other, until nobody can ask any more.
async fn write(mut writer: Writer, mut queued: mpsc::Receiver<Write>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queued.recv_many(&mut batch, BATCH).await > 0 {
        let outcome = write_batch(&mut writer, &batch).await;
        if outcome.is_err() {
            writer.failed().await;
        }
        let outcome = outcome.map_err(unavailable);
        for Write { done, .. } in batch.drain(..) {
            // Whoever no longer waits has lost nothing: the key is stored, or is stored again under another id.
            let _ = done.send(outcome.clone());
        }
    }
    writer.close().await;
}

async fn write_batch(writer: &mut Writer, batch: &[Write]) -> Result<(), sqlx::Error> {
    let mut transaction = writer.begin().await?;
    for Write { change, .. } in batch {
        match change {
            Change::Create(keys) => {
                for (id, wrapped) in keys {
                    sqlx::query("INSERT INTO key (id, wrapped) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING")
                        .bind(&id.as_bytes()[..])
                        .bind(&wrapped.0)
                        .execute(&mut *transaction)
                        .await?;
                }
            }
            Change::Rewrap(keys) => rewrap::write(&mut transaction, keys).await?,
            Change::Destroy(ids, cursor) => {
                for id in ids {
                    sqlx::query(
                        "INSERT INTO key (id, wrapped) VALUES ($1, NULL) ON CONFLICT (id) DO UPDATE SET wrapped = NULL",
                    )
                    .bind(&id.as_bytes()[..])
                    .execute(&mut *transaction)
                    .await?;
                }
                // A position that SQLite can't count to is never reached.
                let cursor = i64::try_from(cursor.get()).unwrap_or(i64::MAX);
                sqlx::query("UPDATE destruction SET cursor = max(cursor, $1)")
                    .bind(cursor)
                    .execute(&mut *transaction)
                    .await?;
            }
        }
    }
    transaction.commit().await
}

/// A row of id and wrapped key.
fn stored(row: &SqliteRow) -> Result<(KeyId, StoredKey), Unavailable> {
    let id: Vec<u8> = row.try_get(0).map_err(unavailable)?;
    let wrapped: Option<Vec<u8>> = row.try_get(1).map_err(unavailable)?;
    let id = KeyId::new(Uuid::from_slice(&id).map_err(nonsense)?);
    Ok((id, wrapped.map_or(StoredKey::Destroyed, |bytes| StoredKey::Here(WrappedKey(bytes)))))
}

#[async_trait]
impl Source for Readers {
    async fn ask(&self, ids: Vec<KeyId>) -> Result<HashMap<KeyId, StoredKey>, Unavailable> {
        let wanted: Vec<_> = ids.iter().map(|id| id.uuid().simple().to_string()).collect();
        let mut found: HashMap<_, _> = ids.into_iter().map(|id| (id, StoredKey::NeverSeen)).collect();
        let wanted = serde_json::to_string(&wanted).map_err(nonsense)?;
        let rows = sqlx::query("SELECT id, wrapped FROM key WHERE id IN (SELECT unhex(value) FROM json_each($1))")
            .bind(wanted)
            .fetch_all(&self.0)
            .await
            .map_err(unavailable)?;
        for row in &rows {
            let (id, stored) = stored(row)?;
            found.insert(id, stored);
        }
        Ok(found)
    }
}

#[async_trait]
impl KeyStore for SqliteKeyStore {
    async fn create(&self, keys: &[(KeyId, WrappedKey)]) -> Result<(), Unavailable> {
        self.write(Change::Create(keys.to_vec())).await
    }

    async fn fetch(&self, ids: &[KeyId]) -> Result<HashMap<KeyId, StoredKey>, Unavailable> {
        self.readers.ask(ids).await
    }

    async fn destroy(&self, ids: &[KeyId], cursor: Position) -> Result<(), Unavailable> {
        self.write(Change::Destroy(ids.to_vec(), cursor)).await
    }

    async fn cursor(&self) -> Result<Position, Unavailable> {
        let cursor: i64 = sqlx::query_scalar("SELECT cursor FROM destruction")
            .fetch_one(&self.readers.source().0)
            .await
            .map_err(unavailable)?;
        u64::try_from(cursor).map(Position::new).map_err(nonsense)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CheckpointStore;

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.db");
        let store = SqliteKeyStore::open(&path, true).await.unwrap();
        let other_process = SqliteKeyStore::open(&path, false).await.unwrap();
        crate::contract::all(&store, &other_process).await;
        crate::contract::checkpoints(&store, &other_process).await;
    }

    #[tokio::test]
    async fn a_file_of_the_first_version_is_migrated_and_keeps_its_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.db");
        let first = Application { migrations: &KEY_STORE.migrations[..1], ..KEY_STORE };
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        first.prepare(&mut connection).await.unwrap();
        sqlx::query("INSERT INTO key VALUES (x'00000000000000000000000000000001', x'07')")
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let store = SqliteKeyStore::open(&path, false).await.unwrap();
        let id = KeyId::new(Uuid::from_u128(1));
        assert_eq!(store.fetch(&[id]).await.unwrap()[&id], StoredKey::Here(WrappedKey(vec![7])));
        assert!(store.replace(None, "first", &[]).await.unwrap());
        assert_eq!(store.newest().await.unwrap().as_deref(), Some("first"));
    }

    #[tokio::test]
    async fn it_keeps_the_contract_of_wrapping_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.db");
        let store = SqliteKeyStore::open(&path, true).await.unwrap();
        let other_process = SqliteKeyStore::open(&path, false).await.unwrap();
        crate::contract::rewraps(&store, &other_process, &other_process).await;
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
