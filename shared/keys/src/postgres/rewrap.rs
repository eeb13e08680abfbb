//! Wrapping keys anew, in the database that they lie in.

use async_trait::async_trait;
use domain::KeyId;
use uuid::Uuid;

use super::{PostgresKeyStore, statement, stored, unavailable};
use crate::{Rewrapped, StoredKey, Unavailable, WrappedKeys};

const PAGE: &str = "SELECT id, wrapped FROM key WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2";
/// Rows are locked in the order of their ids, as whoever destroys keys does, so that neither waits for the other in turn.
/// Whoever waited for a row sees it as it is then: one that was destroyed meanwhile is passed over.
const REPLACE: &str = "WITH asked AS (SELECT * FROM UNNEST($1::uuid[], $2::bytea[], $3::bytea[]) AS asked (id, before, after)), \
     held AS (SELECT key.id FROM key JOIN asked ON key.id = asked.id AND key.wrapped = asked.before \
        ORDER BY key.id FOR UPDATE OF key) \
     UPDATE key SET wrapped = asked.after FROM asked JOIN held ON held.id = asked.id \
     WHERE key.id = asked.id AND key.wrapped = asked.before";

#[async_trait]
impl WrappedKeys for PostgresKeyStore {
    async fn page(&self, after: Option<KeyId>, most: u32) -> Result<Vec<(KeyId, StoredKey)>, Unavailable> {
        let after = after.map(|id| id.uuid());
        let rows = self.readers.source().0.rows(|| statement(PAGE).bind(after).bind(i64::from(most))).await;
        rows.and_then(|rows| rows.iter().map(stored).collect()).map_err(|error| unavailable(&error))
    }

    async fn replace_wrapped(&self, keys: &[Rewrapped]) -> Result<(), Unavailable> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.id.uuid()).collect();
        let before: Vec<_> = keys.iter().map(|key| key.from.0.clone()).collect();
        let after: Vec<_> = keys.iter().map(|key| key.to.0.clone()).collect();
        let replace = || statement(REPLACE).bind(ids.clone()).bind(before.clone()).bind(after.clone());
        self.readers.source().0.changed(replace).await.map(|_| ()).map_err(|error| unavailable(&error))
    }
}
