//! The ledger's rows.

use async_trait::async_trait;
use domain::{Position, UserId};
use ledger::{Node, NodeRange};
use sqlx::SqliteConnection;
use wire::{Link, LogId};

use super::super::row::{self, counted};
use super::super::{Applied, ApplyError, Batch, Generation, Leaf, LedgerRows, LedgerState, ReadModelError};
use super::json::{leaves_json, nodes_json};
use super::{Refused, SqliteReadModel, failed, number};

/// Where the ledger's last leaf is at a position, and a generation is the live one.
const APPLIED: &str = "INSERT INTO ledger_leaf (position, leaf, user) \
     SELECT row.value ->> '$[0]', unhex(row.value ->> '$[1]'), unhex(row.value ->> '$[2]') FROM json_each($1) AS row \
     WHERE (SELECT coalesce(max(position), 0) FROM ledger_leaf) = $2 \
       AND EXISTS (SELECT 1 FROM generation WHERE generation = $3 AND live = 1) ON CONFLICT DO NOTHING";
/// Where it is at a position, and a log is applied to the live generation as far as another.
const EXTENDED: &str = "INSERT INTO ledger_leaf (position, leaf, user) \
     SELECT row.value ->> '$[0]', unhex(row.value ->> '$[1]'), unhex(row.value ->> '$[2]') FROM json_each($1) AS row \
     WHERE (SELECT coalesce(max(position), 0) FROM ledger_leaf) = $2 \
       AND EXISTS (SELECT 1 FROM generation WHERE live = 1 AND log = $3 AND position >= $4) ON CONFLICT DO NOTHING";
/// A node that was put there by hand stays: whoever proves the rows finds it.
const NODES: &str = "INSERT INTO ledger_node (level, \"index\", hash) \
     SELECT row.value ->> '$[0]', row.value ->> '$[1]', unhex(row.value ->> '$[2]') FROM json_each($1) AS row \
     WHERE true ON CONFLICT DO NOTHING";

/// Adds a batch's leaves and nodes, if the ledger ends where it begins.
pub(super) async fn apply(
    transaction: &mut SqliteConnection,
    generation: Generation,
    batch: &Batch,
    from: Option<&Applied>,
) -> Result<(), Refused> {
    if batch.leaves.is_empty() {
        return Ok(());
    }
    let from = number(from.map_or(Position::START, |from| from.position)).map_err(ApplyError::from)?;
    let leaves = sqlx::query(APPLIED).bind(leaves_json(&batch.leaves)).bind(from).bind(generation.0);
    if leaves.execute(&mut *transaction).await?.rows_affected() > 0 {
        add(transaction, &batch.nodes).await?;
    }
    Ok(())
}

async fn add(transaction: &mut SqliteConnection, nodes: &[Node]) -> Result<(), sqlx::Error> {
    if !nodes.is_empty() {
        sqlx::query(NODES).bind(nodes_json(nodes)).execute(transaction).await?;
    }
    Ok(())
}

#[async_trait]
impl LedgerRows for SqliteReadModel {
    async fn ledger(&self) -> Result<LedgerState, ReadModelError> {
        let sql = "SELECT live.log, live.position, live.leaf, live.frontier, last.position, last.leaf \
             FROM generation AS live \
             LEFT JOIN (SELECT position, leaf FROM ledger_leaf ORDER BY position DESC LIMIT 1) AS last \
             WHERE live.live = 1";
        row::ledger(&sqlx::query(sql).fetch_one(&self.readers).await.map_err(failed)?)
    }

    async fn nodes(&self, range: &NodeRange) -> Result<Vec<Node>, ReadModelError> {
        let (first, end) = (counted(range.indexes.start), counted(range.indexes.end));
        let query = match range.level {
            0 => sqlx::query(
                "SELECT position - 1, leaf FROM ledger_leaf WHERE position > $1 AND position <= $2 ORDER BY position",
            )
            .bind(first)
            .bind(end),
            level => sqlx::query(
                "SELECT \"index\", hash FROM ledger_node WHERE \"index\" >= $1 AND \"index\" < $2 AND level = $3 \
                 ORDER BY \"index\"",
            )
            .bind(first)
            .bind(end)
            .bind(i64::from(level)),
        };
        let found = query.fetch_all(&self.readers).await.map_err(failed)?;
        found.iter().map(|found| row::node(range.level, found)).collect()
    }

    async fn extend(&self, log: LogId, leaves: &[Leaf], nodes: &[Node]) -> Result<(), ApplyError> {
        let (Some(first), Some(last)) = (leaves.first(), leaves.last()) else { return Ok(()) };
        let (end, last) = (number(first.position)? - 1, number(last.position)?);
        self.write(async |transaction| {
            let added = sqlx::query(EXTENDED)
                .bind(leaves_json(leaves))
                .bind(end)
                .bind(log.as_bytes().to_vec())
                .bind(last)
                .execute(&mut *transaction)
                .await?;
            if added.rows_affected() == 0 {
                return Err(Refused::Apply(ApplyError::Moved));
            }
            Ok(add(transaction, nodes).await?)
        })
        .await
    }

    async fn entries_about(
        &self,
        user: UserId,
        after: Position,
        up_to: Position,
        limit: u32,
    ) -> Result<Vec<Link>, ReadModelError> {
        let sql = "SELECT position, leaf FROM ledger_leaf WHERE user = $1 AND position > $2 AND position <= $3 \
             ORDER BY position LIMIT $4";
        let found = sqlx::query(sql)
            .bind(user.as_bytes().to_vec())
            .bind(counted(after.get()))
            .bind(counted(up_to.get()))
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await;
        found.map_err(failed)?.iter().map(row::link).collect()
    }

    async fn about(&self, after: Position, up_to: Position) -> Result<Vec<(Position, Option<UserId>)>, ReadModelError> {
        let sql = "SELECT position, user FROM ledger_leaf WHERE position > $1 AND position <= $2 ORDER BY position";
        let query = sqlx::query(sql).bind(counted(after.get())).bind(counted(up_to.get()));
        query.fetch_all(&self.readers).await.map_err(failed)?.iter().map(row::about).collect()
    }
}
