//! The ledger's rows. Those of a batch are written by its own statement.

use async_trait::async_trait;
use domain::{Position, UserId};
use ledger::{Node, NodeRange};
use postkey_postgres::{Fault, fault};
use sqlx::Row;
use wire::{Link, LogId};

use super::super::row::{self, counted};
use super::super::{ApplyError, Leaf, LedgerRows, LedgerState, ReadModelError};
use super::batch::{LedgerColumns, number};
use super::statements::SQL;
use super::{PostgresReadModel, failed, statement};

#[async_trait]
impl LedgerRows for PostgresReadModel {
    async fn ledger(&self) -> Result<LedgerState, ReadModelError> {
        let sql = "SELECT live.log, live.position, live.leaf, live.frontier, last.position, last.leaf \
             FROM generation AS live \
             LEFT JOIN (SELECT position, leaf FROM ledger_leaf ORDER BY position DESC LIMIT 1) AS last ON true \
             WHERE live.live";
        row::ledger(&self.readers.row(|| statement(sql)).await.map_err(failed)?)
    }

    async fn nodes(&self, range: &NodeRange) -> Result<Vec<Node>, ReadModelError> {
        let (first, end) = (counted(range.indexes.start), counted(range.indexes.end));
        let bound = || match range.level {
            0 => statement(
                "SELECT position - 1, leaf FROM ledger_leaf WHERE position > $1 AND position <= $2 ORDER BY position",
            )
            .bind(first)
            .bind(end),
            level => statement(
                "SELECT \"index\", hash FROM ledger_node WHERE \"index\" >= $1 AND \"index\" < $2 AND level = $3 \
                 ORDER BY \"index\"",
            )
            .bind(first)
            .bind(end)
            .bind(i64::from(level)),
        };
        let found = self.readers.rows(bound).await.map_err(failed)?;
        found.iter().map(|found| row::node(range.level, found)).collect()
    }

    async fn extend(&self, log: LogId, leaves: &[Leaf], nodes: &[Node]) -> Result<(), ApplyError> {
        let (Some(first), Some(last)) = (leaves.first(), leaves.last()) else { return Ok(()) };
        let (end, last) = (number(first.position.get())? - 1, number(last.position.get())?);
        let columns = LedgerColumns::new(leaves, nodes)?;
        let extended = self.writer.once(async |connection| {
            let query = statement(&SQL.extend).persistent(false).bind(log.uuid()).bind(last).bind(end);
            let row = columns.bind(query).fetch_one(connection).await?;
            row.try_get::<i64, _>(0)
        });
        match extended.await {
            Ok(1) => Ok(()),
            Ok(_) => Err(ApplyError::Moved),
            // Another has added one of them while this one was looking where the ledger ends.
            Err(error) if fault(&error) == Fault::Twice => Err(ApplyError::Moved),
            Err(error) => Err(failed(error).into()),
        }
    }

    async fn entries_about(
        &self,
        user: UserId,
        after: Position,
        up_to: Position,
        limit: u32,
    ) -> Result<Vec<Link>, ReadModelError> {
        let bound = || {
            statement(
                "SELECT position, leaf FROM ledger_leaf WHERE \"user\" = $1 AND position > $2 AND position <= $3 \
                 ORDER BY position LIMIT $4",
            )
            .bind(user.uuid())
            .bind(counted(after.get()))
            .bind(counted(up_to.get()))
            .bind(i64::from(limit))
        };
        self.rows(bound, row::link).await
    }

    async fn about(&self, after: Position, up_to: Position) -> Result<Vec<(Position, Option<UserId>)>, ReadModelError> {
        let bound = || {
            statement(
                "SELECT position, \"user\" FROM ledger_leaf WHERE position > $1 AND position <= $2 ORDER BY position",
            )
            .bind(counted(after.get()))
            .bind(counted(up_to.get()))
        };
        self.rows(bound, row::about).await
    }
}
