//! Whether the tables of a file are those that were made there: a view or a trigger of somebody else's could show other rows to
//! whoever looks after them than to logins.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use super::super::ReadModelError;
use super::super::row::damaged;
use super::{READ_MODEL, failed};

/// What SQLite itself keeps about how full tables are, where somebody had it counted.
const COUNTED: &str = "sqlite_stat";

/// How each table, view, index and trigger of a file is made: its kind and name, the table that it is of, and its text, which an
/// index of SQLite's own has not.
type Objects = BTreeMap<(String, String), (String, Option<String>)>;

/// Looks at a file of our version.
///
/// # Errors
/// `Damaged` where a table, view, index or trigger is missing, was changed, or is none of ours; `Unavailable` where the file can't
/// be asked.
pub async fn check(connection: &mut SqliteConnection) -> Result<(), ReadModelError> {
    let found = objects(connection).await.map_err(failed)?;
    let ours = made().await.map_err(failed)?;
    let differs = |(name, made): (&(String, String), _)| (ours.get(name) != Some(made)).then(|| name.clone());
    let other = found.iter().find_map(differs).map(|name| (name, "was changed, or is none of postkey's"));
    let missing = || ours.keys().find(|name| !found.contains_key(*name)).map(|name| (name.clone(), "is missing"));
    match other.or_else(missing) {
        None => Ok(()),
        // Whoever changed it chose the name: it is shown so that it can't be taken for anything else.
        Some(((kind, name), what)) => Err(damaged(format!("somebody changed its schema: {kind} {name:?} {what}"))),
    }
}

/// What our migrations make.
async fn made() -> Result<Objects, sqlx::Error> {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await?;
    for migration in READ_MODEL.migrations {
        sqlx::raw_sql(AssertSqlSafe(*migration)).execute(&mut connection).await?;
    }
    let made = objects(&mut connection).await?;
    connection.close().await?;
    Ok(made)
}

async fn objects(connection: &mut SqliteConnection) -> Result<Objects, sqlx::Error> {
    let rows = sqlx::query("SELECT type, name, tbl_name, sql FROM sqlite_schema").fetch_all(connection).await?;
    let mut objects = Objects::new();
    for row in rows {
        let (kind, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        if kind == "table" && name.starts_with(COUNTED) {
            continue;
        }
        objects.insert((kind, name), (row.try_get(2)?, row.try_get(3)?));
    }
    Ok(objects)
}
