//! The newest checkpoint, in the same database as the keys.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::{PostgresKeyStore, statement, unavailable};
use crate::{CheckpointStore, KeptCrossing, Unavailable};

const REPLACE: &str = "\
    WITH moved AS (UPDATE checkpoint SET note = $1 WHERE note = $2 RETURNING one), \
    kept AS (INSERT INTO crossing (note, old_key, new_key) \
        SELECT * FROM UNNEST($3::text[], $4::text[], $5::text[]) WHERE EXISTS (SELECT FROM moved)) \
    SELECT count(*) FROM moved";
const FIRST: &str = "\
    WITH moved AS (INSERT INTO checkpoint (note) VALUES ($1) ON CONFLICT (one) DO NOTHING RETURNING one), \
    kept AS (INSERT INTO crossing (note, old_key, new_key) \
        SELECT * FROM UNNEST($2::text[], $3::text[], $4::text[]) WHERE EXISTS (SELECT FROM moved)) \
    SELECT count(*) FROM moved";

fn crossing(row: &PgRow) -> Result<KeptCrossing, sqlx::Error> {
    Ok(KeptCrossing { note: row.try_get(0)?, old: row.try_get(1)?, new: row.try_get(2)? })
}

#[async_trait]
impl CheckpointStore for PostgresKeyStore {
    async fn newest(&self) -> Result<Option<String>, Unavailable> {
        let rows = self.readers.source().0.rows(|| statement("SELECT note FROM checkpoint")).await;
        let note = rows.and_then(|rows| rows.first().map(|row| row.try_get(0)).transpose());
        note.map_err(|error| unavailable(&error))
    }

    async fn replace(
        &self,
        expected: Option<&str>,
        next: &str,
        crossings: &[KeptCrossing],
    ) -> Result<bool, Unavailable> {
        let texts = |of: fn(&KeptCrossing) -> &String| crossings.iter().map(of).cloned().collect::<Vec<_>>();
        let replace = || {
            let put = match expected {
                Some(expected) => statement(REPLACE).bind(next.to_owned()).bind(expected.to_owned()),
                None => statement(FIRST).bind(next.to_owned()),
            };
            put.bind(texts(|kept| &kept.note)).bind(texts(|kept| &kept.old)).bind(texts(|kept| &kept.new))
        };
        // Run twice, it changes nothing the second time, and says so.
        let moved = self.readers.source().0.row(replace).await.and_then(|row| row.try_get::<i64, _>(0));
        moved.map(|moved| moved == 1).map_err(|error| unavailable(&error))
    }

    async fn crossings(&self) -> Result<Vec<KeptCrossing>, Unavailable> {
        let all = || statement("SELECT note, old_key, new_key FROM crossing ORDER BY id");
        let rows = self.readers.source().0.rows(all).await;
        rows.and_then(|rows| rows.iter().map(crossing).collect()).map_err(|error| unavailable(&error))
    }
}
