//! Records in a PostgreSQL database of their own, for several services.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use domain::{ServiceId, UserId};
use postkey_postgres::{Connections, Durability, Location, NotOurs, Schema, Session, Statement, said};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::conditions::{COLUMNS, Conditions, Value};
use crate::looking::{self, Look};
use crate::{ActivityStore, Bounds, Filter, Kept, Kind, LOOKED_AT, Page, Record, Unavailable};

const ACTIVITY_LOG: Schema = Schema {
    what: "an activity log",
    migrations: &[include_str!("schema_1.sql")],
    // Whatever is lost of it, what comes next can be kept again.
    repeatable: false,
    grants: include_str!("grants.sql"),
};

/// How long a question, or a batch, may take.
const WITHIN: Duration = Duration::from_secs(5);
/// Questions and batches at a time.
const MOST: u32 = 3;

const APPEND: &str = "\
    WITH taken AS (UPDATE place SET last = last + cardinality($1::timestamptz[]) \
        RETURNING last - cardinality($1::timestamptz[]) AS before) \
    INSERT INTO activity (id, at, lost, kind, what, code, rules, service_id, user_id, client, actor, origin, request_id) \
    SELECT taken.before + given.nth, given.at, given.lost, given.kind, given.what, given.code, given.rules, \
        given.service_id, given.user_id, given.client, given.actor, given.origin, given.request_id \
    FROM taken, UNNEST($1::timestamptz[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[], \
        $8::uuid[], $9::text[], $10::text[], $11::text[], $12::text[]) WITH ORDINALITY \
        AS given (at, lost, kind, what, code, rules, service_id, user_id, client, actor, origin, request_id, nth)";
const PRUNE_OLD: &str = "DELETE FROM activity WHERE id IN (SELECT id FROM activity WHERE at < $1 ORDER BY at LIMIT $2)";
const PRUNE_MANY: &str = "\
    DELETE FROM activity WHERE id IN (SELECT id FROM activity WHERE kind = $1 AND id <= \
    (SELECT id FROM activity WHERE kind = $1 ORDER BY id DESC LIMIT 1 OFFSET $2) ORDER BY id LIMIT $3)";

/// Records in a PostgreSQL database of their own. No commit waits for the disk (`synchronous_commit=off`): a crash of the
/// server may take the last of them. Comes back by itself after the server was away.
pub struct PostgresActivityStore {
    location: Location,
    connections: Connections,
    /// Whether the schema was seen to be there.
    ready: OnceCell<()>,
}

fn unavailable(error: &sqlx::Error) -> Unavailable {
    Unavailable(said(error))
}

fn not_ours(location: &Location, error: &NotOurs) -> Unavailable {
    Unavailable(format!("{location}: {error}"))
}

impl PostgresActivityStore {
    /// The store in a database. Connects to nothing yet; its schema is made where the database is empty and this role may.
    pub fn at(location: &Location) -> Self {
        let session =
            Session { name: "postkey activity", most: MOST, durability: Durability::Deferred, within: WITHIN };
        Self { location: location.clone(), connections: Connections::new(location, session), ready: OnceCell::new() }
    }

    /// Makes or migrates the schema and grants to the role `postkey_activity`, if it exists, as the owner of the database.
    /// Everybody else loses the right to connect. Idempotent.
    ///
    /// # Errors
    /// Where it can't be reached, is another program's, or this role is not its owner.
    pub async fn set_up(location: &Location) -> Result<(), Unavailable> {
        ACTIVITY_LOG.set_up(location).await.map_err(|error| not_ours(location, &error))
    }

    async fn ready(&self) -> Result<&Connections, Unavailable> {
        let open = async || ACTIVITY_LOG.open(&self.location).await.map_err(|error| not_ours(&self.location, &error));
        self.ready.get_or_try_init(open).await?;
        Ok(&self.connections)
    }

    async fn rows(&self, sql: String, values: Vec<Value>) -> Result<Vec<PgRow>, Unavailable> {
        let statement = || {
            values.iter().cloned().fold(sqlx::query(AssertSqlSafe(sql.clone())), |query, value| match value {
                Value::Number(number) => query.bind(number),
                Value::Id(id) => query.bind(id),
                Value::Text(text) => query.bind(text),
                Value::Instant(at) => query.bind(at),
            })
        };
        self.ready().await?.rows(statement).await.map_err(|error| unavailable(&error))
    }
}

/// Columns of a batch, one array each.
fn append(records: &[Record]) -> Statement {
    fn column<T>(records: &[Record], value: impl Fn(&Record) -> T) -> Vec<T> {
        records.iter().map(value).collect()
    }
    sqlx::query(APPEND)
        .bind(column(records, |record| record.at))
        .bind(column(records, |record| i64::try_from(record.lost).unwrap_or(i64::MAX)))
        .bind(column(records, |record| record.activity.kind.as_str()))
        .bind(column(records, |record| record.activity.what))
        .bind(column(records, |record| record.activity.code))
        .bind(column(records, |record| record.activity.rules.join(" ")))
        .bind(column(records, |record| record.activity.service.map(|service| service.uuid())))
        .bind(column(records, |record| record.activity.user.map(|user| user.uuid())))
        .bind(column(records, |record| record.activity.client.clone()))
        .bind(column(records, |record| record.activity.actor.clone()))
        .bind(column(records, |record| record.activity.origin.map(|origin| origin.to_string())))
        .bind(column(records, |record| record.activity.request.clone()))
}

/// A record; none where a newer version wrote what this one does not know.
fn kept(row: &PgRow) -> Result<Option<Kept>, sqlx::Error> {
    let Ok(kind) = row.try_get::<&str, _>(3)?.parse::<Kind>() else { return Ok(None) };
    Ok(Some(Kept {
        id: row.try_get::<i64, _>(0)?.unsigned_abs(),
        at: row.try_get(1)?,
        lost: row.try_get::<i64, _>(2)?.unsigned_abs(),
        kind,
        what: row.try_get(4)?,
        code: row.try_get(5)?,
        rules: row.try_get::<&str, _>(6)?.split_whitespace().map(str::to_owned).collect(),
        service: row.try_get::<Option<Uuid>, _>(7)?.map(ServiceId::new),
        user: row.try_get::<Option<Uuid>, _>(8)?.map(UserId::new),
        client: row.try_get(9)?,
        actor: row.try_get(10)?,
        origin: row.try_get::<Option<&str>, _>(11)?.and_then(|origin| origin.parse::<IpAddr>().ok()),
        request: row.try_get(12)?,
    }))
}

#[async_trait]
impl Look for PostgresActivityStore {
    async fn span(&self, of: Conditions) -> Result<Option<(i64, i64)>, Unavailable> {
        let sql = format!("SELECT min(id), max(id) FROM activity WHERE {}", of.text);
        let rows = self.rows(sql, of.values).await?;
        let read = |row: &PgRow| -> Result<Option<(i64, i64)>, sqlx::Error> {
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
impl ActivityStore for PostgresActivityStore {
    async fn append(&self, records: &[Record]) -> Result<(), Unavailable> {
        // Not twice, whatever becomes of it.
        let statement = append(records);
        let appended = self.ready().await?.once(async |connection| statement.execute(connection).await).await;
        appended.map(|_| ()).map_err(|error| unavailable(&error))
    }

    async fn page(&self, filter: &Filter, after: u64, limit: u32) -> Result<Page, Unavailable> {
        looking::page(self, filter, after, limit).await
    }

    async fn prune(&self, bounds: Bounds, step: u32) -> Result<u64, Unavailable> {
        let (most, step) = (i64::try_from(bounds.most).unwrap_or(i64::MAX), i64::from(step));
        let connections = self.ready().await?;
        let removed = async {
            let mut removed = connections.changed(|| sqlx::query(PRUNE_OLD).bind(bounds.since).bind(step)).await?;
            for kind in Kind::ALL {
                let many = || sqlx::query(PRUNE_MANY).bind(kind.as_str()).bind(most).bind(step);
                removed += connections.changed(many).await?;
            }
            Ok(removed)
        };
        removed.await.map_err(|error| unavailable(&error))
    }

    async fn close(&self) {
        self.connections.close().await;
    }
}
