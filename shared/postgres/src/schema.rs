//! Whose a schema is, of which version, and how it comes to be.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

use crate::{Connections, Durability, Fault, Location, Session, fault, said};

/// How long making or migrating a schema may take.
const WITHIN: Duration = Duration::from_secs(15 * 60);
/// The advisory lock that is held while a schema is made or migrated: `postkey` in ASCII, as a number.
const LOCK: i64 = 0x0070_6f73_746b_6579;

/// A schema of ours: what is in the database, and how each of its versions comes from the one before it.
///
/// A database holds one schema, in `public`, named with its version in `postkey_schema (what, version)`. Nothing is granted
/// to everybody. `grants` gives the roles of ours that exist what they need, and is run by [`Schema::set_up`] alone.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// What it is, in words: "a key store".
    pub what: &'static str,
    /// The statements that make version 1 of nothing, version 2 of version 1, and so on.
    pub migrations: &'static [&'static str],
    /// Whether each of them can be run again on any later version, and makes what is missing then. [`Schema::set_up`] does
    /// so, for a schema whose content can be made anew; what another has lost is not for it to hide.
    pub repeatable: bool,
    /// The statements that grant.
    pub grants: &'static str,
}

/// Why a database is not used.
#[derive(Debug, thiserror::Error)]
pub enum NotOurs {
    /// A newer postkey's.
    #[error("it has schema version {found}, this postkey knows {known}: use the postkey that wrote it, or a newer one")]
    OtherVersion {
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Another schema of ours.
    #[error("it holds {found} of postkey, and {wanted} needs a database of its own")]
    OtherSchema {
        /// What it holds.
        found: String,
        /// What was looked for.
        wanted: &'static str,
    },
    /// Another program's.
    #[error("its tables are not postkey's: {0} needs a database of its own")]
    OtherProgram(&'static str),
    /// The schema is not there, or an older version's, and this role may not make it.
    #[error(
        "its schema is not there yet, or an older version's, and this role may not change it: run `postkey postgres setup` as its owner"
    )]
    NotSetUp,
    /// It, or a table in it, is another role's, and so it is not this one's to set up.
    #[error("it is not this role's to set up: run `postkey postgres setup` as its owner, {0}")]
    NotOwner(String),
    /// It can't be asked.
    #[error("{}", said(.0))]
    Postgres(#[from] sqlx::Error),
}

/// What is in a database.
enum Found {
    Nothing,
    Version(usize),
}

impl Schema {
    /// Makes sure that the schema is there, in our version: makes or migrates it where this role may.
    ///
    /// # Errors
    /// Where the database is not ours, newer than we are, or not to be changed by this role. Nothing is changed then.
    pub async fn open(&self, location: &Location) -> Result<(), NotOurs> {
        let connections = connections(location);
        let ours = connections.once(async |connection| Ok(self.is_ready(connection).await)).await?;
        let ready = match ours {
            Ok(true) => Ok(()),
            Ok(false) => match self.migrated(&connections, false, "").await {
                Err(NotOurs::Postgres(error)) if fault(&error) == Fault::Denied => Err(NotOurs::NotSetUp),
                migrated => migrated,
            },
            Err(error) => Err(error),
        };
        connections.close().await;
        ready
    }

    /// Makes or migrates the schema, makes again what is missing of one that is repeatable, and grants, as its owner.
    /// Idempotent.
    ///
    /// # Errors
    /// As [`Schema::open`], and where this role is not the owner: what it grants would be granted by nobody.
    pub async fn set_up(&self, location: &Location) -> Result<(), NotOurs> {
        check_owner(location).await?;
        let connections = connections(location);
        let done = self.migrated(&connections, self.repeatable, self.grants).await;
        connections.close().await;
        done
    }

    async fn is_ready(&self, connection: &mut PgConnection) -> Result<bool, NotOurs> {
        Ok(matches!(self.found(connection).await?, Found::Version(version) if version == self.migrations.len()))
    }

    /// In one transaction, one process at a time.
    async fn migrated(&self, connections: &Connections, again: bool, then: &'static str) -> Result<(), NotOurs> {
        connections
            .once_within(WITHIN, async |connection| {
                let mut transaction = connection.begin().await?;
                sqlx::raw_sql("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
                    .execute(&mut *transaction)
                    .await?;
                sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
                let from = match self.found(&mut transaction).await {
                    Ok(Found::Nothing) => 0,
                    Ok(Found::Version(_)) if again => 0,
                    Ok(Found::Version(version)) => version,
                    Err(NotOurs::Postgres(error)) => return Err(error),
                    Err(other) => return Ok(Err(other)),
                };
                for migration in self.migrations.iter().skip(from) {
                    sqlx::raw_sql(AssertSqlSafe(*migration)).execute(&mut *transaction).await?;
                }
                if from < self.migrations.len() {
                    self.mark(&mut transaction).await?;
                }
                sqlx::raw_sql(AssertSqlSafe(then)).execute(&mut *transaction).await?;
                transaction.commit().await?;
                Ok(Ok(()))
            })
            .await?
    }

    async fn mark(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("CREATE TABLE IF NOT EXISTS postkey_schema (what text PRIMARY KEY, version bigint NOT NULL)")
            .execute(&mut *connection)
            .await?;
        sqlx::query(
            "INSERT INTO postkey_schema (what, version) VALUES ($1, $2) \
             ON CONFLICT (what) DO UPDATE SET version = excluded.version",
        )
        .bind(self.what)
        .bind(self.known())
        .execute(connection)
        .await
        .map(|_| ())
    }

    fn known(&self) -> i64 {
        i64::try_from(self.migrations.len()).unwrap_or(i64::MAX)
    }

    /// What is there. Changes nothing.
    async fn found(&self, connection: &mut PgConnection) -> Result<Found, NotOurs> {
        let row = sqlx::query(
            "SELECT to_regclass('public.postkey_schema') IS NOT NULL, \
             EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('public') AND relkind IN ('r', 'p', 'v', 'm')), \
             coalesce(has_table_privilege(to_regclass('public.postkey_schema'), 'SELECT'), true)",
        )
        .fetch_one(&mut *connection)
        .await?;
        match (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?) {
            (false, false, _) => return Ok(Found::Nothing),
            (false, true, _) => return Err(NotOurs::OtherProgram(self.what)),
            (true, _, false) => return Err(NotOurs::NotSetUp),
            (true, ..) => {}
        }
        let rows = sqlx::query("SELECT what, version FROM postkey_schema").fetch_all(connection).await?;
        let Some(row) = rows.first() else { return Err(NotOurs::OtherProgram(self.what)) };
        let (what, version): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
        if what != self.what || rows.len() > 1 {
            return Err(NotOurs::OtherSchema { found: what, wanted: self.what });
        }
        match usize::try_from(version) {
            Ok(found) if (1..=self.migrations.len()).contains(&found) => Ok(Found::Version(found)),
            _ => Err(NotOurs::OtherVersion { found: version, known: self.known() }),
        }
    }
}

/// Whether this role owns the database and all tables in it; a superuser owns everything.
async fn check_owner(location: &Location) -> Result<(), NotOurs> {
    const ANOTHERS: &str = "\
        SELECT pg_get_userbyid(owner) FROM ( \
            SELECT datdba AS owner FROM pg_database WHERE datname = current_database() \
            UNION SELECT relowner FROM pg_class WHERE relnamespace = to_regnamespace('public') AND relkind IN ('r', 'p', 'v', 'm') \
        ) AS owners WHERE NOT pg_has_role(owner, 'USAGE') ORDER BY 1 LIMIT 1";
    let connections = connections(location);
    let anothers = connections.once(async |connection| sqlx::query(ANOTHERS).fetch_optional(connection).await).await;
    connections.close().await;
    match anothers?.map(|row| row.try_get::<String, _>(0)).transpose()? {
        None => Ok(()),
        Some(owner) => Err(NotOurs::NotOwner(owner)),
    }
}

fn connections(location: &Location) -> Connections {
    let within = Duration::from_secs(10);
    Connections::new(location, Session { name: "postkey schema", most: 1, durability: Durability::Synced, within })
}
