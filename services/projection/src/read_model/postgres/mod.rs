//! The read model in PostgreSQL, for several projection services on one database: one leads.

mod batch;
mod leader;
mod ledger;
mod statements;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::{Address, ServiceId, UserId};
use postkey_postgres::{Connections, Durability, Fault, Location, NotOurs, Schema, Session, Statement, fault, said};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Row};
use uuid::Uuid;

use self::batch::Counted;
use self::statements::SQL;
use super::row::{self, Column, Columns, WrongType};
use super::{
    Applied, ApplyError, Batch, Claim, Filling, Generation, Generations, LiveRows, LoginRow, Lookups, Page, Part,
    Queries, ReadModelError, ReadModelWriter, RowId, Rows, SEARCHES, ServiceQuery, ServiceRow, Strays, Touched,
    UserQuery, UserRow, rebuild_remembers,
};

const READ_MODEL: Schema = Schema {
    what: "a read model",
    migrations: &[include_str!("schema_1.sql"), include_str!("schema_2.sql"), include_str!("schema_3.sql")],
    // Its rows are made anew from the log.
    repeatable: true,
    grants: include_str!("grants.sql"),
};

/// How long a look-up or a page of a list may take.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// How long a batch may take.
const WRITE_WITHIN: Duration = Duration::from_secs(30);
/// How long comparing or dropping a whole generation may take.
const REBUILD_WITHIN: Duration = Duration::from_secs(60 * 60);
/// Portions of a new generation's rows that are written at a time.
const FILLERS: u32 = 2;
/// What the right to rebuild is known by, among the database's advisory locks: `pkrb`.
const REBUILDS: i64 = 0x706b_7262;
/// Look-ups and lists at a time: each keeps a core of the server busy.
const READERS: u32 = 8;
const _: () = assert!(READERS as usize > SEARCHES, "logins find a reader, whoever searches");

/// The read model in a PostgreSQL database of its own.
///
/// Batches are on the server's disk when they are answered (`synchronous_commit=on`): a server that crashed and came back
/// with older rows would take old passwords wherever the log can't be asked at that moment, for as long as logins go on
/// without it. Where rows have gone back all the same, as from an older backup, the projector finds it within a second and
/// applies the rest again.
///
/// Comes back by itself after the server was away. Statements are prepared once a connection.
pub struct PostgresReadModel {
    readers: Connections,
    writer: Connections,
    fillers: Connections,
    /// Apart from the others, so that neither a long batch nor many look-ups cost the lead.
    lease: Connections,
    /// Who we are to other projections on this database: drawn by it.
    holder: Uuid,
    /// Whether we have ever claimed the lead: from then on nothing is applied without it.
    fenced: AtomicBool,
}

impl PostgresReadModel {
    /// Opens the read model in a database, and makes its schema where it is empty and this role may.
    ///
    /// # Errors
    /// Where it can't be reached now (`Unavailable`: try again), or is another program's, a newer postkey's, or not set up
    /// for this role (`NotOurs`).
    pub async fn open(location: &Location) -> Result<Self, ReadModelError> {
        let named = |error: ReadModelError| at(location, error);
        READ_MODEL.open(location).await.map_err(not_ours).map_err(named)?;
        let connections =
            |name, most, durability, within| Connections::new(location, Session { name, most, durability, within });
        let lease = connections("postkey lease", 1, Durability::Deferred, leader::WITHIN);
        let drawn = lease.row(|| statement("SELECT gen_random_uuid()")).await;
        let holder = drawn.and_then(|row| row.try_get(0)).map_err(failed).map_err(named)?;
        Ok(Self {
            readers: connections("postkey lookups", READERS, Durability::Synced, READ_WITHIN),
            writer: connections("postkey projector", 1, Durability::Synced, WRITE_WITHIN),
            // The commit that shows the rows waits for the disk, and so for theirs.
            fillers: connections("postkey rebuild", FILLERS, Durability::Deferred, WRITE_WITHIN),
            lease,
            holder,
            fenced: AtomicBool::new(false),
        })
    }

    /// Makes or migrates the schema and grants to those of the roles `postkey_projector` and `postkey_webmail` that exist,
    /// as the owner of the database. Everybody else loses the right to connect. Tables that are gone are made again, and
    /// then all rows begin anew. Idempotent.
    ///
    /// # Errors
    /// As [`PostgresReadModel::open`].
    pub async fn set_up(location: &Location) -> Result<(), ReadModelError> {
        READ_MODEL.set_up(location).await.map_err(not_ours).map_err(|error| at(location, error))
    }

    /// Closes the connections. The lead is let go of by the projector that holds it.
    pub async fn close(&self) {
        for connections in [&self.readers, &self.writer, &self.fillers, &self.lease] {
            connections.close().await;
        }
    }

    /// Runs one durable transaction that may take long. Nothing of it is done where it is refused. It takes the tables in the
    /// order of `schema_1.sql`, which may be run beside it: `generation`, `leader`, `service`, `mailbox_user`. The ledger's,
    /// `ledger_leaf` and `ledger_node`, come behind them, and none that it takes.
    async fn rebuild<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<Result<T, ApplyError>, sqlx::Error>,
    ) -> Result<T, ApplyError> {
        let done = self.writer.once_within(REBUILD_WITHIN, async |connection| {
            let mut transaction = connection.begin().await?;
            sqlx::raw_sql(
                "SET LOCAL synchronous_commit = on; SET LOCAL statement_timeout = 0; SET LOCAL enable_seqscan = on",
            )
            .execute(&mut *transaction)
            .await?;
            let value = work(&mut transaction).await?;
            if value.is_ok() {
                transaction.commit().await?;
            } else {
                transaction.rollback().await?;
            }
            Ok(value)
        });
        done.await.map_err(failed)?
    }

    async fn rows<T>(
        &self,
        bound: impl Fn() -> Statement,
        read: fn(&PgRow) -> Result<T, ReadModelError>,
    ) -> Result<Vec<T>, ReadModelError> {
        self.readers.rows(bound).await.map_err(failed)?.iter().map(read).collect()
    }

    async fn page<T>(
        &self,
        limit: u32,
        bound: impl Fn() -> Statement,
        read: fn(&PgRow) -> Result<T, ReadModelError>,
    ) -> Result<Page<T>, ReadModelError> {
        // One more than asked for tells whether there are more.
        let mut rows = self.rows(|| bound().bind(i64::from(limit) + 1), read).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        Ok(Page { rows, more })
    }
}

/// Whether planning costs more than a bad plan could: a statement for many rows is planned when it is run, for the size that
/// the table has then.
const fn is_small<T>(rows: &[T]) -> bool {
    rows.len() < 64
}

fn statement(sql: &'static str) -> Statement {
    sqlx::query(AssertSqlSafe(sql))
}

/// What waiting does not mend is damage: rows of other types, a row or a table that is gone.
fn failed(error: sqlx::Error) -> ReadModelError {
    match fault(&error) {
        Fault::Damaged => ReadModelError::Damaged(said(&error)),
        Fault::Missing => ReadModelError::Incomplete(said(&error)),
        Fault::Away | Fault::Conflict | Fault::Denied | Fault::Full | Fault::Twice | Fault::Other => {
            ReadModelError::Unavailable(said(&error))
        }
    }
}

/// The error of a transaction that refuses nothing by itself.
fn only_the_models(error: ApplyError) -> ReadModelError {
    match error {
        ApplyError::ReadModel(error) => error,
        other => ReadModelError::Unavailable(other.to_string()),
    }
}

fn not_ours(error: NotOurs) -> ReadModelError {
    match error {
        NotOurs::Postgres(error) => failed(error),
        other => ReadModelError::NotOurs(other.to_string()),
    }
}

fn at(location: &Location, error: ReadModelError) -> ReadModelError {
    match error {
        ReadModelError::Unavailable(what) => ReadModelError::Unavailable(format!("{location}: {what}")),
        ReadModelError::Damaged(what) => ReadModelError::Damaged(format!("{location}: {what}")),
        ReadModelError::Incomplete(what) => ReadModelError::Incomplete(format!("{location}: {what}")),
        ReadModelError::NotOurs(what) => ReadModelError::NotOurs(format!("{location}: {what}")),
    }
}

impl Columns for PgRow {
    fn bytes(&self, at: usize) -> Column<&[u8]> {
        self.try_get(at).map_err(|_| WrongType)
    }

    fn text(&self, at: usize) -> Column<&str> {
        self.try_get(at).map_err(|_| WrongType)
    }

    fn number(&self, at: usize) -> Column<i64> {
        self.try_get(at).map_err(|_| WrongType)
    }

    fn truth(&self, at: usize) -> Column<bool> {
        self.try_get(at).map_err(|_| WrongType)
    }

    fn uuid(&self, at: usize) -> Column<Uuid> {
        self.try_get(at).map_err(|_| WrongType)
    }

    fn instant(&self, at: usize) -> Column<DateTime<Utc>> {
        self.try_get(at).map_err(|_| WrongType)
    }
}

#[async_trait]
impl ReadModelWriter for PostgresReadModel {
    async fn applied(&self, generation: Generation) -> Result<Option<Applied>, ReadModelError> {
        let sql = "SELECT log, position, leaf, frontier FROM generation WHERE generation = $1";
        let found = self.rows(|| statement(sql).bind(generation.0), row::applied).await?;
        Ok(found.into_iter().next().flatten())
    }

    async fn touched(&self, generation: Generation, touched: &Touched) -> Result<Rows, ReadModelError> {
        let mut rows = Rows::default();
        if !touched.services.is_empty() {
            let ids: Vec<_> = touched.services.iter().map(|id| id.uuid()).collect();
            let bound =
                || statement(&SQL.services_touched).persistent(is_small(&ids)).bind(generation.0).bind(ids.clone());
            rows.services = self.rows(bound, row::service).await?.into_iter().map(|row| (row.id, row)).collect();
        }
        if !touched.users.is_empty() {
            let ids: Vec<_> = touched.users.iter().map(|id| id.uuid()).collect();
            let bound =
                || statement(&SQL.users_touched).persistent(is_small(&ids)).bind(generation.0).bind(ids.clone());
            rows.users = self.rows(bound, row::user).await?.into_iter().map(|row| (row.id, row)).collect();
        }
        Ok(rows)
    }

    async fn apply(&self, generation: Generation, batch: &Batch, from: Option<&Applied>) -> Result<(), ApplyError> {
        let counted = Counted::new(generation, batch, from)?;
        let fenced = self.fenced.load(Ordering::SeqCst);
        let holder = fenced.then_some(self.holder);
        match self.writer.once(async |connection| counted.apply(holder, connection).await).await {
            Ok(outcome) => outcome.as_applied(fenced),
            Err(error) if fault(&error) == Fault::Twice => Err(ApplyError::AddressTwice),
            Err(error) => Err(failed(error).into()),
        }
    }

    async fn not_searchable(&self, generation: Generation, limit: u32) -> Result<Vec<UserRow>, ReadModelError> {
        let bound = || statement(&SQL.users_without_search_text).bind(generation.0).bind(i64::from(limit));
        self.rows(bound, row::user).await
    }

    /// Dead rows, the server's write-ahead log and its backups are its administrator's.
    async fn forget(&self) -> Result<(), ReadModelError> {
        let unfinished = self.readers.row(|| statement("SELECT EXISTS (SELECT FROM generation WHERE NOT live)")).await;
        if unfinished.and_then(|row| row.try_get(0)).map_err(failed)? {
            let _claim = self.claim_rebuild().await?.ok_or_else(rebuild_remembers)?;
            self.drop_unfinished().await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Generations for PostgresReadModel {
    async fn mend(&self) -> Result<(), ReadModelError> {
        let mended = self.rebuild(async |transaction| {
            // The right to make a row is asked for only where one is missing.
            for (missing, made) in [
                // None of those that there were: whoever looked them up sees that these are others.
                (
                    "SELECT NOT EXISTS (SELECT FROM generation)",
                    "INSERT INTO generation (generation) VALUES (extract(epoch FROM clock_timestamp())::bigint)",
                ),
                (
                    "SELECT NOT EXISTS (SELECT FROM generation WHERE live)",
                    "UPDATE generation SET live = true WHERE generation = \
                     (SELECT generation FROM generation ORDER BY position DESC, generation LIMIT 1)",
                ),
                ("SELECT NOT EXISTS (SELECT FROM leader)", "INSERT INTO leader DEFAULT VALUES ON CONFLICT DO NOTHING"),
            ] {
                if sqlx::query_scalar(missing).fetch_one(&mut *transaction).await? {
                    sqlx::query(made).execute(&mut *transaction).await?;
                }
            }
            Ok(Ok(()))
        });
        mended.await.map_err(only_the_models)
    }

    async fn live(&self) -> Result<Generation, ReadModelError> {
        let row = self.readers.row(|| statement("SELECT generation FROM generation WHERE live")).await;
        row.and_then(|row| row.try_get(0)).map(Generation).map_err(failed)
    }

    async fn begin(&self) -> Result<Generation, ApplyError> {
        self.rebuild(async |transaction| {
            drop_unfinished(transaction).await?;
            let next = sqlx::query_scalar(
                "INSERT INTO generation (generation) SELECT max(generation) + 1 FROM generation RETURNING generation",
            );
            Ok(Ok(Generation(next.fetch_one(transaction).await?)))
        })
        .await
    }

    async fn differences(
        &self,
        one: Generation,
        other: Generation,
        part: Part,
        limit: u32,
    ) -> Result<Vec<RowId>, ReadModelError> {
        let bound =
            |filler: u8, byte: u8| Uuid::from_bytes(std::array::from_fn(|at| if at == 0 { byte } else { filler }));
        let (first, last) = (bound(0, *part.start()), bound(0xff, *part.end()));
        let named: [(fn(Uuid) -> RowId, &str); 2] = [
            (|id| RowId::Service(ServiceId::new(id)), &SQL.differing_services),
            (|id| RowId::User(UserId::new(id)), &SQL.differing_users),
        ];
        let found = self.rebuild(async |transaction| {
            let mut found = Vec::new();
            for (named, sql) in named {
                let ids = sqlx::query_scalar(AssertSqlSafe(sql)).bind(one.0).bind(other.0).bind(i64::from(limit));
                let ids: Vec<Uuid> = ids.bind(first).bind(last).fetch_all(&mut *transaction).await?;
                found.extend(ids.into_iter().map(named));
            }
            Ok(Ok(found))
        });
        let mut found = found.await.map_err(only_the_models)?;
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn swap(&self, live: Generation, next: Generation, force: bool) -> Result<(), ApplyError> {
        self.rebuild(async |transaction| {
            let dropped = sqlx::query(
                "DELETE FROM generation AS old USING generation AS new \
                 WHERE old.generation = $1 AND old.live AND new.generation = $2 AND NOT new.live AND \
                 ($3 OR (old.log IS NOT DISTINCT FROM new.log AND (old.position < new.position \
                         OR old.position = new.position AND old.frontier IS NOT DISTINCT FROM new.frontier)))",
            )
            .bind(live.0)
            .bind(next.0)
            .bind(force)
            .execute(&mut *transaction)
            .await?;
            if dropped.rows_affected() != 1 {
                return Ok(Err(ApplyError::Moved));
            }
            let raised = sqlx::query("UPDATE generation SET live = true WHERE generation = $1").bind(next.0);
            raised.execute(&mut *transaction).await?;
            Ok(Ok(()))
        })
        .await?;
        // Apart, for whoever applies a batch meanwhile would wait for it.
        if let Err(error) = self.drop_unfinished().await {
            tracing::warn!(%error, "the rows that are looked up no more are still there; the next rebuild drops them");
        }
        Ok(())
    }
}

#[async_trait]
impl Filling for PostgresReadModel {
    /// An advisory lock of a connection's own: the server gives it back with the connection.
    async fn claim_rebuild(&self) -> Result<Option<Claim>, ReadModelError> {
        let mut held = self.fillers.apart().await.map_err(failed)?;
        let asked = sqlx::query_scalar::<_, bool>("SELECT pg_try_advisory_lock($1)").bind(REBUILDS);
        let taken = asked.fetch_one(&mut held).await.map_err(failed)?;
        Ok(taken.then(|| Claim::held(held)))
    }

    async fn fill(&self, generation: Generation, rows: &Batch) -> Result<(), ApplyError> {
        let counted = Counted::new(generation, rows, None)?;
        match self.fillers.once(async |connection| counted.fill(connection).await).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(ApplyError::Moved),
            Err(error) if fault(&error) == Fault::Twice => Err(ApplyError::AddressTwice),
            Err(error) => Err(failed(error).into()),
        }
    }

    async fn drop_unfinished(&self) -> Result<(), ReadModelError> {
        let dropped = self.rebuild(async |transaction| {
            drop_unfinished(transaction).await?;
            Ok(Ok(()))
        });
        dropped.await.map_err(only_the_models)
    }
}

/// Drops every generation but the live one.
async fn drop_unfinished(transaction: &mut PgConnection) -> Result<(), sqlx::Error> {
    for sql in [
        "DELETE FROM generation WHERE NOT live",
        "DELETE FROM service WHERE generation <> (SELECT generation FROM generation WHERE live)",
        "DELETE FROM mailbox_user WHERE generation <> (SELECT generation FROM generation WHERE live)",
    ] {
        sqlx::query(sql).execute(&mut *transaction).await?;
    }
    Ok(())
}

#[async_trait]
impl Strays for PostgresReadModel {
    async fn strays(&self, limit: u32) -> Result<Vec<RowId>, ReadModelError> {
        let found = self.readers.rows(|| statement(&SQL.strays).bind(i64::from(limit))).await.map_err(failed)?;
        found.iter().map(|row| row.try_get(0).map(|id| RowId::User(UserId::new(id))).map_err(failed)).collect()
    }

    async fn schema(&self) -> Result<(), ReadModelError> {
        Ok(())
    }
}

#[async_trait]
impl Lookups for PostgresReadModel {
    async fn login(&self, address: &Address) -> Result<LoginRow, ReadModelError> {
        let found = self.readers.row(|| statement(&SQL.login).bind(address.as_str().to_owned())).await;
        row::login(&found.map_err(failed)?)
    }
}

#[async_trait]
impl Queries for PostgresReadModel {
    async fn live_rows(&self) -> Result<LiveRows, ReadModelError> {
        let found = self.readers.row(|| statement(&SQL.live_rows)).await;
        row::live_rows(&found.map_err(failed)?)
    }

    async fn service(&self, service: ServiceId) -> Result<Option<ServiceRow>, ReadModelError> {
        let found = self.rows(|| statement(&SQL.service).bind(service.uuid()), row::service).await?;
        Ok(found.into_iter().next())
    }

    async fn services(&self, query: &ServiceQuery) -> Result<Page<ServiceRow>, ReadModelError> {
        // Behind the empty text stands every domain.
        let after = || query.after.clone().unwrap_or_default();
        match &query.customer {
            None => self.page(query.limit, || statement(&SQL.services).bind(after()), row::service).await,
            Some(customer) => {
                let bound = || statement(&SQL.services_of).bind(after()).bind(customer.as_str().to_owned());
                self.page(query.limit, bound, row::service).await
            }
        }
    }

    async fn user(&self, service: ServiceId, user: UserId) -> Result<Option<UserRow>, ReadModelError> {
        let bound = || statement(&SQL.user).bind(service.uuid()).bind(user.uuid());
        Ok(self.rows(bound, row::user).await?.into_iter().next())
    }

    async fn users(&self, query: &UserQuery) -> Result<Page<UserRow>, ReadModelError> {
        // Behind the smallest id stands every user: nobody has it.
        let after = query.after.map_or(Uuid::nil(), |user| user.uuid());
        let bound = || {
            let sql = if query.search.is_some() { &SQL.users_found } else { &SQL.users };
            let sql = statement(sql).bind(query.service.uuid()).bind(after);
            match &query.search {
                Some(needle) => sql.bind(needle.as_str().to_owned()),
                None => sql,
            }
        };
        self.page(query.limit, bound, row::user).await
    }
}
