//! Connections that are kept, and made anew after any failure.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{ConnectOptions, Connection, Postgres};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::{Location, is_dead};

/// How long making a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long it may take until one of the connections is free.
const FREE_WITHIN: Duration = Duration::from_secs(5);
/// How much longer than the server an answer is waited for.
const GRACE: Duration = Duration::from_millis(500);
/// A connection is used for so long: its plans were made for tables of the size that they had then.
const LIFETIME: Duration = Duration::from_secs(60);
/// How long saying good-bye may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// What PostgreSQL is told of every session (runtime configuration, chapter 19 of its manual). A client that was cut off,
/// or stands still within a transaction, is let go of, so that it holds no lock that others wait for. Every statement of
/// ours finds its rows by an index, whatever its values are: planning it again for each costs more than running it does
/// (a batch of one user: 0.68 ms of the server's time with a plan of its own, 0.28 ms without); and a plan that was made
/// while a table was small must not read it through once it is large.
const SESSION: [(&str, &str); 8] = [
    ("search_path", "public"),
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("lock_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "3s"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
];

/// Whether a commit waits for the disk (`synchronous_commit`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It does: what was committed survives a power cut.
    Synced,
    /// It does not: a crash of the server may take the commits of its last three `wal_writer_delay`s (0.6 s by default),
    /// the newest first and each as a whole. Nothing is ever half there.
    Deferred,
}

/// What a set of connections is used for.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// What the server shows of it in `pg_stat_activity`.
    pub name: &'static str,
    /// The most connections at a time.
    pub most: u32,
    /// Whether commits wait for the disk.
    pub durability: Durability,
    /// How long a piece of work may take, on the server and until its answer is here.
    pub within: Duration,
}

/// A statement with its values, owned.
pub type Statement = Query<'static, Postgres, PgArguments>;

struct Idle {
    connection: PgConnection,
    born: Instant,
}

/// A few connections to one database. Made when they are needed; a piece of work that fails takes its connection with it,
/// whatever the failure was, so that there is one way back to health and it is always the same. Where the server was gone,
/// the connections that wait are dropped too: of a server that was restarted nobody meets more than one dead connection.
///
/// The driver's own pool asks the server once more after each use, and tries to connect until its time is up without saying
/// why it can't; it has no deadline for an answer. This one does what is needed here and no more.
pub struct Connections {
    options: PgConnectOptions,
    within: Duration,
    free: Semaphore,
    idle: Mutex<Vec<Idle>>,
}

impl Connections {
    /// Connects to nothing yet.
    pub fn new(location: &Location, session: Session) -> Self {
        let durability = match session.durability {
            Durability::Synced => "on",
            Durability::Deferred => "off",
        };
        let options =
            location.options().clone().application_name(session.name).options(SESSION).options([
                ("synchronous_commit", durability.to_owned()),
                ("statement_timeout", millis(session.within)),
            ]);
        let most = usize::try_from(session.most).unwrap_or(usize::MAX);
        Self { options, within: session.within, free: Semaphore::new(most), idle: Mutex::default() }
    }

    /// Runs one piece of work on a connection. It is done as a whole, or its failure leaves it open whether it was done.
    ///
    /// # Errors
    /// What `work` says; and where there is no connection, or no answer in time.
    pub async fn once<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        self.once_within(self.within, work).await
    }

    /// [`Connections::once`] with another deadline, for work that tells the server of it by itself (`SET LOCAL
    /// statement_timeout`).
    ///
    /// # Errors
    /// As there.
    pub async fn once_within<T>(
        &self,
        within: Duration,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let done = self.on_one(within, work).await;
        if done.as_ref().is_err_and(is_dead) {
            self.idle().clear();
        }
        done
    }

    async fn on_one<T>(
        &self,
        within: Duration,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let permit = timeout(FREE_WITHIN, self.free.acquire()).await.map_err(|_| no_answer())?;
        let _permit = permit.map_err(|_| sqlx::Error::PoolClosed)?;
        let Idle { mut connection, born } = self.take().await?;
        // The server's own deadline comes first, and says so better.
        let done = timeout(within + GRACE, work(&mut connection)).await.unwrap_or_else(|_| Err(no_answer()))?;
        if born.elapsed() < LIFETIME && !self.free.is_closed() {
            self.idle().push(Idle { connection, born });
        }
        Ok(done)
    }

    /// The rows of a statement that may be run twice. Where the connection turns out to be dead, it is run again on a fresh
    /// one.
    ///
    /// # Errors
    /// As [`Connections::once`], of the second time.
    pub async fn rows(&self, statement: impl Fn() -> Statement) -> Result<Vec<PgRow>, sqlx::Error> {
        let first = statement();
        match self.once(async |connection| first.fetch_all(connection).await).await {
            Err(error) if is_dead(&error) && !is_no_answer(&error) => {
                let second = statement();
                self.once(async |connection| second.fetch_all(connection).await).await
            }
            rows => rows,
        }
    }

    /// The one row of a statement that may be run twice.
    ///
    /// # Errors
    /// As [`Connections::rows`], and where there is none.
    pub async fn row(&self, statement: impl Fn() -> Statement) -> Result<PgRow, sqlx::Error> {
        self.rows(statement).await?.into_iter().next().ok_or(sqlx::Error::RowNotFound)
    }

    /// How many rows a statement that may be run twice has changed, the last time.
    ///
    /// # Errors
    /// As [`Connections::rows`].
    pub async fn changed(&self, statement: impl Fn() -> Statement) -> Result<u64, sqlx::Error> {
        let first = statement();
        let changed = match self.once(async |connection| first.execute(connection).await).await {
            Err(error) if is_dead(&error) && !is_no_answer(&error) => {
                let second = statement();
                self.once(async |connection| second.execute(connection).await).await
            }
            changed => changed,
        };
        changed.map(|done| done.rows_affected())
    }

    /// A connection apart from the others, set up as they are, which is closed when it is dropped.
    ///
    /// # Errors
    /// Where it can't be made.
    pub async fn apart(&self) -> Result<PgConnection, sqlx::Error> {
        timeout(CONNECT_WITHIN, self.options.connect()).await.map_err(|_| no_answer())?
    }

    /// Closes the connections that wait, and makes no more.
    pub async fn close(&self) {
        self.free.close();
        let idle = std::mem::take(&mut *self.idle());
        for Idle { connection, .. } in idle {
            if timeout(CLOSE_WITHIN, connection.close()).await.is_err() {
                tracing::debug!("PostgreSQL did not take a good-bye in time");
            }
        }
    }

    async fn take(&self) -> Result<Idle, sqlx::Error> {
        if let Some(idle) = self.idle().pop() {
            return Ok(idle);
        }
        Ok(Idle { connection: self.apart().await?, born: Instant::now() })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(within: Duration) -> String {
    within.as_millis().to_string()
}

fn no_answer() -> sqlx::Error {
    sqlx::Error::Io(io::ErrorKind::TimedOut.into())
}

/// Whether the time was up, and not the connection dead.
fn is_no_answer(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}
