//! Wrapping keys anew, in the file that they lie in.

use async_trait::async_trait;
use domain::KeyId;
use sqlx::SqliteConnection;

use super::{Change, SqliteKeyStore, stored, unavailable};
use crate::{Rewrapped, StoredKey, Unavailable, WrappedKeys};

/// Puts second wrappings in the place of first ones, where those still stand.
pub(super) async fn write(connection: &mut SqliteConnection, keys: &[Rewrapped]) -> Result<(), sqlx::Error> {
    for Rewrapped { id, from, to } in keys {
        sqlx::query("UPDATE key SET wrapped = $1 WHERE id = $2 AND wrapped = $3")
            .bind(&to.0)
            .bind(&id.as_bytes()[..])
            .bind(&from.0)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

#[async_trait]
impl WrappedKeys for SqliteKeyStore {
    async fn page(&self, after: Option<KeyId>, most: u32) -> Result<Vec<(KeyId, StoredKey)>, Unavailable> {
        // No id is shorter than none.
        let after = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
        let rows = sqlx::query("SELECT id, wrapped FROM key WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(most)
            .fetch_all(&self.readers.source().0)
            .await
            .map_err(unavailable)?;
        rows.iter().map(stored).collect()
    }

    async fn replace_wrapped(&self, keys: &[Rewrapped]) -> Result<(), Unavailable> {
        self.write(Change::Rewrap(keys.to_vec())).await
    }
}
