//! The raw operation of stores in databases: one-row transactions through the same driver.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Executor};
use tokio::task::JoinSet;

use super::{Timing, Window};
use crate::failure::{Failure, Named};
use crate::tally::Tally;

/// One-row transactions by the one writer that SQLite allows: write-ahead log, `synchronous=FULL`, one after the other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InsertsSqlite {
    /// A file of its own; made, and left where it is.
    pub path: PathBuf,
    /// How long a row's bytes are.
    pub bytes: usize,
    /// For how long.
    pub timing: Timing,
}

/// A file to insert into, with a table for it.
///
/// # Errors
/// Where SQLite fails.
pub async fn raw_file(path: &std::path::Path) -> Result<SqliteConnection, Failure> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await.named("the raw file")?;
    let table =
        "CREATE TABLE IF NOT EXISTS raw (position INTEGER PRIMARY KEY, subject TEXT NOT NULL, bytes BLOB NOT NULL)";
    connection.execute(table).await.named("the raw file")?;
    Ok(connection)
}

/// One row in a transaction of its own, durable on return.
///
/// # Errors
/// Where SQLite fails.
pub async fn insert(connection: &mut SqliteConnection, subject: &str, bytes: &[u8]) -> Result<(), Failure> {
    let row = sqlx::query("INSERT INTO raw (subject, bytes) VALUES ($1, $2)").bind(subject).bind(bytes);
    row.execute(connection).await.named("a row").map(|_| ())
}

impl InsertsSqlite {
    pub(super) async fn run(self) -> Result<Tally, Failure> {
        let mut connection = raw_file(&self.path).await?;
        let (window, bytes) = (Window::new(), vec![b'x'; self.bytes]);
        let work = async {
            window.ready();
            while !window.is_over() {
                let begun = Instant::now();
                match insert(&mut connection, "raw", &bytes).await {
                    Ok(()) => window.done(begun),
                    Err(error) => window.failed(&error.to_string()),
                }
            }
        };
        let (tally, ()) = tokio::join!(window.run(1, self.timing), work);
        connection.close().await.named("the raw file")?;
        tally
    }
}

/// One-row transactions in PostgreSQL, `synchronous_commit` as the server has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InsertsPostgres {
    /// A database of its own.
    pub database: String,
    /// How long a row's bytes are.
    pub bytes: usize,
    /// How many are under way at a time.
    pub in_flight: usize,
    /// Over how many connections.
    pub pool: u32,
    /// For how long.
    pub timing: Timing,
}

impl InsertsPostgres {
    pub(super) async fn run(self) -> Result<Tally, Failure> {
        let options = PgPoolOptions::new().max_connections(self.pool).test_before_acquire(false);
        let pool = options.connect(&self.database).await.named("PostgreSQL")?;
        let table = "CREATE TABLE IF NOT EXISTS raw (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                     subject text NOT NULL, bytes bytea NOT NULL)";
        pool.execute(table).await.named("PostgreSQL")?;
        let (window, bytes) = (Window::new(), vec![b'x'; self.bytes]);
        let mut workers = JoinSet::new();
        for _ in 0..self.in_flight {
            workers.spawn(work(pool.clone(), bytes.clone(), Arc::clone(&window)));
        }
        let tally = window.run(self.in_flight, self.timing).await?;
        while let Some(ended) = workers.join_next().await {
            ended.named("a worker")?;
        }
        pool.close().await;
        Ok(tally)
    }
}

async fn work(pool: PgPool, bytes: Vec<u8>, window: Arc<Window>) {
    window.ready();
    while !window.is_over() {
        let begun = Instant::now();
        let row = sqlx::query("INSERT INTO raw (subject, bytes) VALUES ($1, $2)").bind("raw").bind(&bytes);
        match row.execute(&pool).await {
            Ok(_) => window.done(begun),
            Err(error) => window.failed(&error.to_string()),
        }
    }
}
