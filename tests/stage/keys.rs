//! What the key store holds, as whoever has its database sees it.

use servers::Postgres;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use crate::folder::Folder;
use crate::scene::Scene;
use crate::until::until;

/// Keys in the key store, by how they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredKeys {
    /// They can be used.
    pub here: i64,
    /// Of these, there are tombstones.
    pub destroyed: i64,
}

const COUNTED: &str = "SELECT count(wrapped), count(*) - count(wrapped) FROM key";

impl StoredKeys {
    /// Those in a folder's `keys.db`.
    pub async fn in_folder(folder: &Folder) -> Self {
        let mut store = opened(folder).await;
        let (here, destroyed) = sqlx::query_as(COUNTED).fetch_one(&mut store).await.unwrap();
        store.close().await.unwrap();
        Self { here, destroyed }
    }

    /// Those in a database of the server that all tests share.
    pub fn in_database(database: &str) -> Self {
        let row = Postgres::shared().psql(database, COUNTED);
        let (here, destroyed) = row.split_once('|').unwrap();
        Self { here: here.parse().unwrap(), destroyed: destroyed.parse().unwrap() }
    }
}

/// Holds a folder's `keys.db` so that it can be read and not written, until it is let go of.
#[derive(Debug)]
pub struct HeldKeys(SqliteConnection);

impl HeldKeys {
    /// Holds it.
    pub async fn of(folder: &Folder) -> Self {
        let mut store = opened(folder).await;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut store).await.unwrap();
        Self(store)
    }

    /// Lets go of it.
    pub async fn let_go(self) {
        self.0.close().await.unwrap();
    }
}

async fn opened(folder: &Folder) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(folder.file("keys.db"));
    SqliteConnection::connect_with(&options).await.unwrap()
}

impl Scene {
    /// The keys that there are.
    pub async fn keys(&self) -> StoredKeys {
        match self.keys_database() {
            Some(database) => StoredKeys::in_database(database),
            None => StoredKeys::in_folder(&self.folder).await,
        }
    }

    /// By how many master keys live keys are wrapped: a wrapped key begins with the id of its master key.
    pub async fn master_keys(&self) -> i64 {
        let counted = |prefix: &str| format!("SELECT count(DISTINCT {prefix}) FROM key WHERE wrapped IS NOT NULL");
        match self.keys_database() {
            Some(database) => {
                Postgres::shared().psql(database, &counted("substring(wrapped FOR 16)")).trim().parse().unwrap()
            }
            None => {
                let mut store = opened(&self.folder).await;
                let counted = counted("substr(wrapped, 1, 16)");
                let masters = sqlx::query_scalar(sqlx::AssertSqlSafe(counted)).fetch_one(&mut store).await.unwrap();
                store.close().await.unwrap();
                masters
            }
        }
    }

    /// Waits until so many keys are destroyed, and no more.
    pub async fn destroyed(&self, keys: i64) {
        let what = format!("{keys} keys are destroyed");
        until(&what, async || (self.keys().await.destroyed >= keys).then_some(())).await;
        assert_eq!(self.keys().await.destroyed, keys);
    }
}
