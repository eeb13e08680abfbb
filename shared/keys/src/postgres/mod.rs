//! Keys in a PostgreSQL database of their own, for several services.

mod checkpoints;
mod rewrap;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use domain::{KeyId, Position};
use postkey_postgres::{Connections, Durability, Location, NotOurs, Schema, Session, Statement, said};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Row};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::gathered::{Gathered, Source};
use crate::{KeyStore, StoredKey, Unavailable, WrappedKey};

const KEY_STORE: Schema = Schema {
    what: "a key store",
    migrations: &[include_str!("schema_1.sql"), include_str!("schema_2.sql")],
    // What it has lost is restored from a backup, and made by nobody.
    repeatable: false,
    grants: include_str!("grants.sql"),
};

/// How many writes may share one transaction.
const BATCH: usize = 256;
/// How long a question, or a transaction, may take.
const WITHIN: Duration = Duration::from_secs(5);
/// Questions at a time.
const READERS: u32 = 4;

const CREATE: &str =
    "INSERT INTO key (id, wrapped) SELECT * FROM UNNEST($1::uuid[], $2::bytea[]) ON CONFLICT (id) DO NOTHING";
const DESTROY: &str = "WITH moved AS (UPDATE destruction SET cursor = greatest(cursor, $2)) \
     INSERT INTO key (id, wrapped) SELECT id, NULL FROM UNNEST($1::uuid[]) AS doomed (id) \
     ON CONFLICT (id) DO UPDATE SET wrapped = NULL";

/// Keys in a PostgreSQL database of their own. Every commit waits for the disk (`synchronous_commit=on`), whatever the
/// server's default is.
///
/// A destroyed key is gone from its row, and for every statement. PostgreSQL overwrites nothing: until its pages are
/// vacuumed and used again, and its write-ahead log and the backups are gone, their bytes hold what was wrapped; without
/// the keyring that opens nothing. How long that is, is the administrator's to set.
///
/// Writes that wait at the same time share one transaction, and questions for keys one statement. Comes back by itself
/// after the server was away.
pub struct PostgresKeyStore {
    readers: Gathered<Readers>,
    queue: mpsc::Sender<Write>,
}

struct Readers(Connections);

struct Write {
    change: Change,
    done: oneshot::Sender<Result<(), Unavailable>>,
}

enum Change {
    Create(Vec<(KeyId, WrappedKey)>),
    Destroy(Vec<KeyId>, Position),
}

fn unavailable(error: &sqlx::Error) -> Unavailable {
    Unavailable(said(error))
}

/// Why a database is not open as a key store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostgresOpenError {
    /// It can't be reached now. Worth trying again.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// It is another program's, another postkey's, or not set up for this role.
    #[error("the key store can't be used: {0}")]
    NotOurs(String),
}

fn not_ours(location: &Location, error: &NotOurs) -> PostgresOpenError {
    let what = format!("{location}: {error}");
    match error {
        NotOurs::Postgres(_) => Unavailable(what).into(),
        _ => PostgresOpenError::NotOurs(what),
    }
}

fn statement(sql: &'static str) -> Statement {
    sqlx::query(sql)
}

impl PostgresKeyStore {
    /// Opens the store in a database, and makes its schema where the database is empty and this role may.
    ///
    /// # Errors
    /// Where it can't be reached, is another program's, or is not set up for this role.
    pub async fn open(location: &Location) -> Result<Self, PostgresOpenError> {
        KEY_STORE.open(location).await.map_err(|error| not_ours(location, &error))?;
        let connections = |name, most| {
            Connections::new(location, Session { name, most, durability: Durability::Synced, within: WITHIN })
        };
        let (queue, queued) = mpsc::channel(BATCH);
        tokio::spawn(write(connections("postkey keys", 1), queued));
        Ok(Self { readers: Gathered::new(Readers(connections("postkey keys", READERS))), queue })
    }

    /// Makes or migrates the schema and grants to the role `postkey_keys`, if it exists, as the owner of the database.
    /// Everybody else loses the right to connect. Idempotent.
    ///
    /// # Errors
    /// As [`PostgresKeyStore::open`].
    pub async fn set_up(location: &Location) -> Result<(), PostgresOpenError> {
        KEY_STORE.set_up(location).await.map_err(|error| not_ours(location, &error))
    }

    /// Whether no key was ever stored, nor destroyed.
    ///
    /// # Errors
    /// Where it can't be reached.
    pub async fn is_empty(&self) -> Result<bool, Unavailable> {
        let any = self.readers.source().0.rows(|| statement("SELECT 1 FROM key LIMIT 1")).await;
        Ok(any.map_err(|error| unavailable(&error))?.is_empty())
    }

    async fn write(&self, change: Change) -> Result<(), Unavailable> {
        let (done, outcome) = oneshot::channel();
        let gone = |_| Unavailable("its writer has stopped".to_owned());
        self.queue.send(Write { change, done }).await.map_err(|_| gone(()))?;
        outcome.await.map_err(|_| gone(()))?
    }
}

/// Writes whatever waits as one transaction, one after the other, until nobody can ask any more.
async fn write(connections: Connections, mut queued: mpsc::Receiver<Write>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queued.recv_many(&mut batch, BATCH).await > 0 {
        let outcome = Together::of(&batch).write(&connections).await.map_err(|error| unavailable(&error));
        for Write { done, .. } in batch.drain(..) {
            // Whoever no longer waits has lost nothing: the key is stored, or is stored again under another id.
            let _ = done.send(outcome.clone());
        }
    }
    connections.close().await;
}

/// What a batch of writes comes to, whatever their order: a key that is created and destroyed is destroyed. In the order of
/// their ids, so that two processes that write the same ones never wait for each other in turn.
#[derive(Default)]
struct Together {
    ids: Vec<Uuid>,
    wrapped: Vec<Vec<u8>>,
    doomed: Vec<Uuid>,
    cursor: Option<i64>,
}

impl Together {
    fn of(batch: &[Write]) -> Self {
        let (mut created, mut doomed, mut to) = (BTreeMap::new(), BTreeSet::new(), None);
        for Write { change, .. } in batch {
            match change {
                Change::Create(keys) => {
                    for (id, wrapped) in keys {
                        // Of two with one id the first stays, as in the store.
                        created.entry(id.uuid()).or_insert_with(|| wrapped.0.clone());
                    }
                }
                Change::Destroy(ids, cursor) => {
                    doomed.extend(ids.iter().map(|id| id.uuid()));
                    // A position that PostgreSQL can't count to is never reached.
                    to = to.max(Some(i64::try_from(cursor.get()).unwrap_or(i64::MAX)));
                }
            }
        }
        let (ids, wrapped) = created.into_iter().unzip();
        Self { ids, wrapped, doomed: doomed.into_iter().collect(), cursor: to }
    }

    fn create(&self) -> Statement {
        statement(CREATE).bind(self.ids.clone()).bind(self.wrapped.clone())
    }

    fn destroy(&self, cursor: i64) -> Statement {
        statement(DESTROY).bind(self.doomed.clone()).bind(cursor)
    }

    /// May be done twice: what is there stays, and what is destroyed is.
    async fn write(&self, connections: &Connections) -> Result<(), sqlx::Error> {
        match (self.ids.is_empty(), self.cursor) {
            (true, None) => Ok(()),
            (false, None) => connections.changed(|| self.create()).await.map(|_| ()),
            (true, Some(cursor)) => connections.changed(|| self.destroy(cursor)).await.map(|_| ()),
            (false, Some(cursor)) => connections.once(async |connection| self.both(cursor, connection).await).await,
        }
    }

    async fn both(&self, cursor: i64, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut transaction = connection.begin().await?;
        self.create().execute(&mut *transaction).await?;
        self.destroy(cursor).execute(&mut *transaction).await?;
        transaction.commit().await
    }
}

/// A row of id and wrapped key.
fn stored(row: &PgRow) -> Result<(KeyId, StoredKey), sqlx::Error> {
    let (id, wrapped): (Uuid, Option<Vec<u8>>) = (row.try_get(0)?, row.try_get(1)?);
    Ok((KeyId::new(id), wrapped.map_or(StoredKey::Destroyed, |bytes| StoredKey::Here(WrappedKey(bytes)))))
}

#[async_trait]
impl Source for Readers {
    async fn ask(&self, ids: Vec<KeyId>) -> Result<HashMap<KeyId, StoredKey>, Unavailable> {
        let wanted: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
        let mut found: HashMap<_, _> = ids.into_iter().map(|id| (id, StoredKey::NeverSeen)).collect();
        let rows = self.0.rows(|| statement("SELECT id, wrapped FROM key WHERE id = ANY($1)").bind(wanted.clone()));
        for row in rows.await.map_err(|error| unavailable(&error))? {
            let (id, stored) = stored(&row).map_err(|error| unavailable(&error))?;
            found.insert(id, stored);
        }
        Ok(found)
    }
}

#[async_trait]
impl KeyStore for PostgresKeyStore {
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
        let row = self.readers.source().0.row(|| statement("SELECT cursor FROM destruction")).await;
        let cursor: i64 = row.and_then(|row| row.try_get(0)).map_err(|error| unavailable(&error))?;
        let nonsense = |error| Unavailable(format!("it holds what was never stored: {error}"));
        u64::try_from(cursor).map(Position::new).map_err(nonsense)
    }
}
