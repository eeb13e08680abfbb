//! The newest checkpoint, in the same file as the keys.

use async_trait::async_trait;
use postkey_sqlite::Writer;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{SqliteKeyStore, unavailable};
use crate::{CheckpointStore, KeptCrossing, Unavailable};

async fn replaced(
    writer: &mut Writer,
    expected: Option<&str>,
    next: &str,
    crossings: &[KeptCrossing],
) -> Result<bool, sqlx::Error> {
    let mut transaction = writer.begin().await?;
    let put = match expected {
        Some(expected) => sqlx::query("UPDATE checkpoint SET note = $1 WHERE note = $2").bind(next).bind(expected),
        None => {
            sqlx::query("INSERT INTO checkpoint (one, note) VALUES (1, $1) ON CONFLICT (one) DO NOTHING").bind(next)
        }
    };
    if put.execute(&mut *transaction).await?.rows_affected() == 0 {
        transaction.rollback().await?;
        return Ok(false);
    }
    for KeptCrossing { note, old, new } in crossings {
        sqlx::query("INSERT INTO crossing (note, old_key, new_key) VALUES ($1, $2, $3)")
            .bind(note)
            .bind(old)
            .bind(new)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(true)
}

fn crossing(row: &SqliteRow) -> Result<KeptCrossing, sqlx::Error> {
    Ok(KeptCrossing { note: row.try_get(0)?, old: row.try_get(1)?, new: row.try_get(2)? })
}

#[async_trait]
impl CheckpointStore for SqliteKeyStore {
    async fn newest(&self) -> Result<Option<String>, Unavailable> {
        sqlx::query_scalar("SELECT note FROM checkpoint")
            .fetch_optional(&self.readers.source().0)
            .await
            .map_err(unavailable)
    }

    async fn replace(
        &self,
        expected: Option<&str>,
        next: &str,
        crossings: &[KeptCrossing],
    ) -> Result<bool, Unavailable> {
        let mut writer = self.checkpoints.lock().await;
        let outcome = replaced(&mut writer, expected, next, crossings).await;
        if outcome.is_err() {
            writer.failed().await;
        }
        outcome.map_err(unavailable)
    }

    async fn crossings(&self) -> Result<Vec<KeptCrossing>, Unavailable> {
        let rows = sqlx::query("SELECT note, old_key, new_key FROM crossing ORDER BY id")
            .fetch_all(&self.readers.source().0)
            .await;
        rows.and_then(|rows| rows.iter().map(crossing).collect()).map_err(unavailable)
    }
}
