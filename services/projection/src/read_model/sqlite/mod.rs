//! The read model in a SQLite file, for a single machine. WAL; a commit is seen by the next lookup of any process.

mod json;
mod ledger;
mod schema;
mod statements;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::{Address, Position, ServiceId, UserId};
use postkey_sqlite::{Application, Fault, NotOurs, Writer, fault, make_private, said};
use serde_json::Value;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};
use tokio::sync::{Mutex, Semaphore};
use uuid::Uuid;

use self::json::{ids_json, service_json, user_json};
use self::statements::SQL;
use super::row::{self, Column, Columns, WrongType};
use super::{
    Applied, ApplyError, Batch, Claim, Filling, Generation, Generations, Lead, Leadership, LiveRows, LoginRow, Lookups,
    Page, Part, Queries, ReadModelError, ReadModelWriter, RowId, Rows, SEARCHES, ServiceQuery, ServiceRow, Standing,
    Strays, Touched, UserQuery, UserRow, rebuild_remembers,
};

/// What the file is known by: `pkrm`.
const READ_MODEL: Application = Application {
    what: "a read model",
    id: 0x706b_726d,
    migrations: &[
        include_str!("schema_1.sql"),
        include_str!("schema_2.sql"),
        include_str!("schema_3.sql"),
        include_str!("schema_4.sql"),
    ],
};

/// What the extension begins with of a file of rows that is kept under another name, to be looked at.
pub const ASIDE: &str = "aside-";

/// Look-ups and lists at a time.
const READERS: u32 = 4;
const _: () = assert!(READERS as usize > SEARCHES, "logins find a reader, whoever searches");

/// How long forgetting waits for readers, while batches wait for it.
const FORGET_WITHIN: Duration = Duration::from_millis(250);

/// The read model in a SQLite file. `synchronous=NORMAL`: a power cut may take the last commits, which the projector
/// then applies again. Deleted content is overwritten with zeros, in the write-ahead log once it is forgotten.
pub struct SqliteReadModel {
    readers: SqlitePool,
    writer: Mutex<Writer>,
    /// For a connection that forgets: apart from the writer's, whose transactions may not give up so soon.
    forgets: SqliteConnectOptions,
    /// The right to rebuild: the file is one process's.
    rebuilds: Arc<Semaphore>,
}

/// What SQLite says of a file that is no longer one is damage, which waiting does not mend.
fn failed(error: sqlx::Error) -> ReadModelError {
    match fault(&error) {
        Fault::Damaged | Fault::NotADatabase => ReadModelError::Damaged(said(&error)),
        Fault::Full | Fault::Denied | Fault::HotJournal | Fault::Locked | Fault::Other => {
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
        NotOurs::Sqlite(error) => failed(error),
        other => ReadModelError::NotOurs(other.to_string()),
    }
}

impl SqliteReadModel {
    /// Opens the read model at `path`, and makes it (mode 0600) where there is none. Whoever does is alone with it, but for
    /// readers: what a killed rebuild has left unfinished is dropped, for it holds names that are forgotten elsewhere.
    ///
    /// # Errors
    /// Where it can't be read or written, is another program's, or has a table, view, index or trigger that is not as we make it.
    pub async fn open(path: &Path) -> Result<Self, ReadModelError> {
        make_private(path).map_err(|error| ReadModelError::Unavailable(format!("{}: {error}", path.display())))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .synchronous(SqliteSynchronous::Normal)
            .pragma("secure_delete", "ON")
            .pragma("cache_size", "-8192")
            .busy_timeout(Duration::from_secs(5));
        // Looked at before anything is changed: write-ahead logging is a property of the file, whosever it is. What a
        // killed first start has left half made can't be looked at, and is rolled back by being opened.
        match look_at(options.clone()).await {
            Err(NotOurs::Sqlite(error)) if fault(&error) == Fault::HotJournal => {}
            looked => looked.map_err(not_ours)?,
        }
        let options = options.journal_mode(SqliteJournalMode::Wal);
        let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
        READ_MODEL.prepare(&mut connection).await.map_err(not_ours)?;
        schema::check(&mut connection).await?;
        let forgets = options.clone().busy_timeout(FORGET_WITHIN);
        let writer = Mutex::new(Writer::new(options.clone(), connection));
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .test_before_acquire(false)
            .connect_lazy_with(options.read_only(true));
        let model = Self { readers, writer, forgets, rebuilds: Arc::new(Semaphore::new(1)) };
        // Rows that can't be read are a rebuild's to make anew.
        if matches!(model.holds_unfinished().await, Ok(true)) {
            model.drop_unfinished().await?;
        }
        Ok(model)
    }

    /// Opens the read model at `path` for whoever changes nothing, beside whoever does: an auditor. What writes fails.
    ///
    /// # Errors
    /// Where there is none, it can't be read, it is another program's or of another version, or has a table, view, index or trigger
    /// that is not as we make it.
    pub async fn open_to_read(path: &Path) -> Result<Self, ReadModelError> {
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(5)).read_only(true);
        let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
        let found = READ_MODEL.found(&mut connection).await.map_err(not_ours)?;
        if found != READ_MODEL.migrations.len() {
            return Err(ReadModelError::NotOurs("it is an older postkey's: start its projection once".to_owned()));
        }
        schema::check(&mut connection).await?;
        let writer = Mutex::new(Writer::new(options.clone(), connection));
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .test_before_acquire(false)
            .connect_lazy_with(options.clone());
        Ok(Self { readers, writer, forgets: options, rebuilds: Arc::new(Semaphore::new(1)) })
    }

    async fn holds_unfinished(&self) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar(AssertSqlSafe(SQL.holds_unfinished.as_str())).fetch_one(&self.readers).await
    }

    /// Stops one that was opened to read: there is nothing to move.
    pub async fn let_go(&self) {
        self.readers.close().await;
        self.writer.lock().await.failed().await;
    }

    /// Stops in good order: no more reads, and the write-ahead log is moved into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.lock().await.close().await;
    }

    /// Runs one transaction. After any failure but a refusal the connection is made anew.
    async fn write<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, Refused>,
    ) -> Result<T, ApplyError> {
        let mut writer = self.writer.lock().await;
        let outcome = async {
            let mut transaction = writer.begin().await?;
            let value = work(&mut transaction).await?;
            transaction.commit().await?;
            Ok(value)
        };
        let refused = match outcome.await {
            Ok(value) => return Ok(value),
            Err(refused) => refused,
        };
        writer.failed().await;
        Err(match refused {
            Refused::Apply(error) => error,
            Refused::Sqlite(error) => failed(error).into(),
        })
    }
}

/// Whether the file is ours, or nothing yet, seen by a connection that can't change it.
async fn look_at(options: SqliteConnectOptions) -> Result<(), NotOurs> {
    let mut connection = SqliteConnection::connect_with(&options.read_only(true)).await?;
    let looked = READ_MODEL.found(&mut connection).await;
    connection.close().await?;
    looked.map(|_| ())
}

/// Why a transaction is not committed.
enum Refused {
    Apply(ApplyError),
    Sqlite(sqlx::Error),
}

impl From<ApplyError> for Refused {
    fn from(error: ApplyError) -> Self {
        Self::Apply(error)
    }
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Ids are sixteen bytes, instants microseconds since 1970.
impl Columns for SqliteRow {
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
        self.bytes(at)?.map(Uuid::from_slice).transpose().map_err(|_| WrongType)
    }

    fn instant(&self, at: usize) -> Column<DateTime<Utc>> {
        let Some(micros) = self.number(at)? else { return Ok(None) };
        DateTime::from_timestamp_micros(micros).map(Some).ok_or(WrongType)
    }
}

/// The rows of a batch, ready to be written: made before the writer is waited for.
struct RowsJson {
    services: Option<String>,
    users: Option<String>,
}

impl RowsJson {
    fn of(batch: &Batch) -> Self {
        let some = |rows: Vec<Value>| if rows.is_empty() { None } else { Some(Value::from(rows).to_string()) };
        Self {
            services: some(batch.services.iter().map(service_json).collect()),
            users: some(batch.users.iter().map(user_json).collect()),
        }
    }

    async fn write(self, generation: Generation, transaction: &mut SqliteConnection) -> Result<(), Refused> {
        for (sql, rows) in [(&SQL.upsert_services, self.services), (&SQL.upsert_users, self.users)] {
            let Some(rows) = rows else { continue };
            let upserted = sqlx::query(AssertSqlSafe(sql.as_str())).bind(generation.0).bind(rows);
            upserted.execute(&mut *transaction).await.map_err(|error| match error.as_database_error() {
                Some(error) if error.is_unique_violation() => Refused::Apply(ApplyError::AddressTwice),
                _ => error.into(),
            })?;
        }
        Ok(())
    }
}

fn number(position: Position) -> Result<i64, ReadModelError> {
    i64::try_from(position.get()).map_err(|_| row::damaged("a position that SQLite can't count to"))
}

#[async_trait]
impl ReadModelWriter for SqliteReadModel {
    async fn applied(&self, generation: Generation) -> Result<Option<Applied>, ReadModelError> {
        let row = sqlx::query("SELECT log, position, leaf, frontier FROM generation WHERE generation = $1")
            .bind(generation.0)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed)?;
        row.map_or(Ok(None), |row| row::applied(&row))
    }

    async fn touched(&self, generation: Generation, touched: &Touched) -> Result<Rows, ReadModelError> {
        let mut rows = Rows::default();
        if !touched.services.is_empty() {
            let ids = ids_json(touched.services.iter().map(ServiceId::as_bytes));
            for row in self.fetch(&SQL.services_touched, generation, ids).await? {
                let row = row::service(&row)?;
                rows.services.insert(row.id, row);
            }
        }
        if !touched.users.is_empty() {
            let ids = ids_json(touched.users.iter().map(UserId::as_bytes));
            for row in self.fetch(&SQL.users_touched, generation, ids).await? {
                let row = row::user(&row)?;
                rows.users.insert(row.id, row);
            }
        }
        Ok(rows)
    }

    async fn apply(&self, generation: Generation, batch: &Batch, from: Option<&Applied>) -> Result<(), ApplyError> {
        let (to, expected) = (number(batch.to.position)?, number(from.map_or(Position::START, |from| from.position))?);
        let rows = RowsJson::of(batch);
        self.write(async |transaction| {
            let moved = sqlx::query(
                "UPDATE generation SET log = $1, position = $2, leaf = $3, frontier = $4 \
                 WHERE generation = $5 AND position = $6 AND log IS $7",
            )
            .bind(batch.to.log.as_bytes().to_vec())
            .bind(to)
            .bind(batch.to.leaf.map(|leaf| leaf.0.to_vec()))
            .bind(batch.to.frontier.to_bytes())
            .bind(generation.0)
            .bind(expected)
            .bind(from.map(|from| from.log.as_bytes().to_vec()))
            .execute(&mut *transaction)
            .await?;
            if moved.rows_affected() != 1 {
                return Err(Refused::Apply(ApplyError::Moved));
            }
            if !batch.erased.is_empty() {
                sqlx::query(
                    "DELETE FROM mailbox_user WHERE generation = $1 AND user IN (SELECT unhex(value) FROM json_each($2))",
                )
                .bind(generation.0)
                .bind(ids_json(batch.erased.iter().map(UserId::as_bytes)))
                .execute(&mut *transaction)
                .await?;
            }
            rows.write(generation, transaction).await?;
            ledger::apply(transaction, generation, batch, from).await
        })
        .await
    }

    async fn not_searchable(&self, generation: Generation, limit: u32) -> Result<Vec<UserRow>, ReadModelError> {
        let query = sqlx::query(AssertSqlSafe(SQL.users_without_search_text.as_str()));
        let found = query.bind(generation.0).bind(i64::from(limit)).fetch_all(&self.readers).await;
        found.map_err(failed)?.iter().map(row::user).collect()
    }

    /// Deleted cells are zeros in the newest image of their page. Older images of it stand in the write-ahead log, which is
    /// cut off here, and in the file until the newest one is moved there.
    async fn forget(&self) -> Result<(), ReadModelError> {
        if let Some(aside) = set_aside(self.forgets.get_filename()).map_err(|error| failed(sqlx::Error::Io(error)))? {
            return Err(ReadModelError::Unavailable(format!(
                "{} holds rows of before: look at it, and remove it; erasures wait for that",
                aside.display()
            )));
        }
        if self.holds_unfinished().await.map_err(failed)? {
            let _claim = self.claim_rebuild().await?.ok_or_else(rebuild_remembers)?;
            self.drop_unfinished().await?;
        }
        let mut connection = SqliteConnection::connect_with(&self.forgets).await.map_err(failed)?;
        let cut = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await;
        let busy = cut.and_then(|row| row.try_get::<i64, _>(0)).map_err(failed);
        connection.close().await.map_err(failed)?;
        match busy? {
            0 => Ok(()),
            _ => Err(ReadModelError::Unavailable("somebody still reads what is to be forgotten".to_owned())),
        }
    }
}

/// A file of rows that a rebuild has set aside, if there is one left.
fn set_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let named = path.with_added_extension(ASIDE);
    let named = named.file_name().unwrap_or_default().as_encoded_bytes();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(named) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

impl SqliteReadModel {
    async fn fetch(
        &self,
        sql: &'static str,
        generation: Generation,
        ids: String,
    ) -> Result<Vec<SqliteRow>, ReadModelError> {
        let query = sqlx::query(AssertSqlSafe(sql)).bind(generation.0).bind(ids);
        query.fetch_all(&self.readers).await.map_err(failed)
    }

    async fn page<T>(
        &self,
        query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
        limit: u32,
        read: fn(&SqliteRow) -> Result<T, ReadModelError>,
    ) -> Result<Page<T>, ReadModelError> {
        // One more than asked for tells whether there are more.
        let mut rows = query.bind(i64::from(limit) + 1).fetch_all(&self.readers).await.map_err(failed)?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        Ok(Page { rows: rows.iter().map(read).collect::<Result<_, _>>()?, more })
    }
}

#[async_trait]
impl Generations for SqliteReadModel {
    async fn mend(&self) -> Result<(), ReadModelError> {
        let mended = self.write(async |transaction| {
            for sql in [
                // Rows that no generation counts would be taken for those of the one that is made.
                "DELETE FROM mailbox_user WHERE NOT EXISTS (SELECT 1 FROM generation)",
                "DELETE FROM service WHERE NOT EXISTS (SELECT 1 FROM generation)",
                "INSERT INTO generation (generation) SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM generation)",
                "UPDATE generation SET live = 1 WHERE NOT EXISTS (SELECT 1 FROM generation WHERE live = 1) AND \
                 generation = (SELECT generation FROM generation ORDER BY position DESC, generation LIMIT 1)",
            ] {
                sqlx::query(sql).execute(&mut *transaction).await?;
            }
            Ok(())
        });
        mended.await.map_err(only_the_models)
    }

    async fn live(&self) -> Result<Generation, ReadModelError> {
        let live: i64 = sqlx::query_scalar("SELECT generation FROM generation WHERE live = 1")
            .fetch_one(&self.readers)
            .await
            .map_err(failed)?;
        Ok(Generation(live))
    }

    async fn begin(&self) -> Result<Generation, ApplyError> {
        self.drop_unfinished().await?;
        self.write(async |transaction| {
            let next = sqlx::query_scalar(
                "INSERT INTO generation (generation) SELECT max(generation) + 1 FROM generation RETURNING generation",
            );
            Ok(Generation(next.fetch_one(&mut *transaction).await?))
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
        let named: [(fn(Uuid) -> RowId, &str); 2] = [
            (|id| RowId::Service(ServiceId::new(id)), &SQL.differing_services),
            (|id| RowId::User(UserId::new(id)), &SQL.differing_users),
        ];
        let mut found = Vec::new();
        for (named, sql) in named {
            let ids: Vec<Vec<u8>> = sqlx::query_scalar(AssertSqlSafe(sql))
                .bind(one.0)
                .bind(other.0)
                .bind(i64::from(limit))
                .bind(vec![*part.start()])
                // Behind every id that begins with the last byte.
                .bind([&[*part.end()][..], &[0xff; 16]].concat())
                .fetch_all(&self.readers)
                .await
                .map_err(failed)?;
            for id in ids {
                let id = Uuid::from_slice(&id).map_err(|_| row::damaged("an id of a row that is none"))?;
                found.push(named(id));
            }
        }
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn swap(&self, live: Generation, next: Generation, force: bool) -> Result<(), ApplyError> {
        self.write(async |transaction| {
            let dropped = sqlx::query(
                "DELETE FROM generation AS old WHERE generation = $1 AND live = 1 AND ($3 OR EXISTS ( \
                   SELECT 1 FROM generation AS new WHERE new.generation = $2 AND new.log IS old.log \
                   AND (old.position < new.position \
                        OR old.position = new.position AND old.frontier IS new.frontier)))",
            )
            .bind(live.0)
            .bind(next.0)
            .bind(force)
            .execute(&mut *transaction)
            .await?;
            if dropped.rows_affected() != 1 {
                return Err(Refused::Apply(ApplyError::Moved));
            }
            let raised = sqlx::query("UPDATE generation SET live = 1 WHERE generation = $1 AND generation <> $2")
                .bind(next.0)
                .bind(live.0)
                .execute(&mut *transaction)
                .await?;
            if raised.rows_affected() != 1 {
                return Err(Refused::Apply(ApplyError::Moved));
            }
            Ok(())
        })
        .await?;
        if let Err(error) = self.drop_unfinished().await {
            tracing::warn!(%error, "the rows that are looked up no more are still there; the next start drops them");
        }
        Ok(())
    }
}

#[async_trait]
impl Filling for SqliteReadModel {
    async fn claim_rebuild(&self) -> Result<Option<Claim>, ReadModelError> {
        Ok(Arc::clone(&self.rebuilds).try_acquire_owned().ok().map(Claim::held))
    }

    async fn fill(&self, generation: Generation, rows: &Batch) -> Result<(), ApplyError> {
        let rows = RowsJson::of(rows);
        self.write(async |transaction| {
            let there = sqlx::query("SELECT 1 FROM generation WHERE generation = $1 AND live = 0").bind(generation.0);
            if there.fetch_optional(&mut *transaction).await?.is_none() {
                return Err(Refused::Apply(ApplyError::Moved));
            }
            rows.write(generation, transaction).await
        })
        .await
    }

    async fn drop_unfinished(&self) -> Result<(), ReadModelError> {
        let counted = self.write(async |transaction| {
            sqlx::query("DELETE FROM generation WHERE live = 0").execute(&mut *transaction).await?;
            Ok(())
        });
        counted.await.map_err(only_the_models)?;
        for sql in &SQL.drop_some {
            let some = async || {
                let dropped = self.write(async |transaction| {
                    Ok(sqlx::query(AssertSqlSafe(sql.as_str())).execute(&mut *transaction).await?.rows_affected())
                });
                dropped.await.map_err(only_the_models)
            };
            while some().await? > 0 {}
        }
        Ok(())
    }
}

/// The file is one process's, by a lock beside it: whoever has it leads.
#[async_trait]
impl Leadership for SqliteReadModel {
    async fn look(&self) -> Result<Standing, ReadModelError> {
        let live = self.live().await?;
        let applied = self.applied(live).await?;
        let (log, position) = applied.map_or((None, Position::START), |at| (Some(at.log), at.position));
        Ok(Standing { live, log, position, lead: Lead::Alone })
    }

    async fn claim(&self) -> Result<bool, ReadModelError> {
        Ok(true)
    }

    async fn release(&self) -> Result<(), ReadModelError> {
        Ok(())
    }
}

#[async_trait]
impl Strays for SqliteReadModel {
    async fn strays(&self, limit: u32) -> Result<Vec<RowId>, ReadModelError> {
        let query = sqlx::query_scalar(AssertSqlSafe(SQL.strays.as_str())).bind(i64::from(limit));
        let ids: Vec<Vec<u8>> = query.fetch_all(&self.readers).await.map_err(failed)?;
        let id = |id: Vec<u8>| Uuid::from_slice(&id).map_err(|_| row::damaged("an id of a row that is none"));
        ids.into_iter().map(|found| Ok(RowId::User(UserId::new(id(found)?)))).collect()
    }

    async fn schema(&self) -> Result<(), ReadModelError> {
        schema::check(&mut *self.readers.acquire().await.map_err(failed)?).await
    }
}

#[async_trait]
impl Lookups for SqliteReadModel {
    async fn login(&self, address: &Address) -> Result<LoginRow, ReadModelError> {
        let query = sqlx::query(AssertSqlSafe(SQL.login.as_str())).bind(address.as_str());
        row::login(&query.fetch_one(&self.readers).await.map_err(failed)?)
    }
}

#[async_trait]
impl Queries for SqliteReadModel {
    async fn live_rows(&self) -> Result<LiveRows, ReadModelError> {
        let query = sqlx::query(AssertSqlSafe(SQL.live_rows.as_str()));
        row::live_rows(&query.fetch_one(&self.readers).await.map_err(failed)?)
    }

    async fn service(&self, service: ServiceId) -> Result<Option<ServiceRow>, ReadModelError> {
        let query = sqlx::query(AssertSqlSafe(SQL.service.as_str())).bind(service.as_bytes().to_vec());
        query.fetch_optional(&self.readers).await.map_err(failed)?.as_ref().map(row::service).transpose()
    }

    async fn services(&self, query: &ServiceQuery) -> Result<Page<ServiceRow>, ReadModelError> {
        // Behind the empty text stands every domain.
        let after = query.after.clone().unwrap_or_default();
        let sql = match &query.customer {
            None => sqlx::query(AssertSqlSafe(SQL.services.as_str())).bind(after),
            Some(customer) => {
                let of = sqlx::query(AssertSqlSafe(SQL.services_of.as_str()));
                of.bind(after).bind(customer.as_str().to_owned())
            }
        };
        self.page(sql, query.limit, row::service).await
    }

    async fn user(&self, service: ServiceId, user: UserId) -> Result<Option<UserRow>, ReadModelError> {
        let query = sqlx::query(AssertSqlSafe(SQL.user.as_str()))
            .bind(service.as_bytes().to_vec())
            .bind(user.as_bytes().to_vec());
        query.fetch_optional(&self.readers).await.map_err(failed)?.as_ref().map(row::user).transpose()
    }

    async fn users(&self, query: &UserQuery) -> Result<Page<UserRow>, ReadModelError> {
        let sql = if query.search.is_some() { &SQL.users_found } else { &SQL.users };
        let mut sql = sqlx::query(AssertSqlSafe(sql.as_str()))
            .bind(query.service.as_bytes().to_vec())
            // Behind no bytes at all stands every user.
            .bind(query.after.map_or_else(Vec::new, |user| user.as_bytes().to_vec()));
        if let Some(needle) = &query.search {
            sql = sql.bind(needle.as_str().to_owned());
        }
        self.page(sql, query.limit, row::user).await
    }
}
