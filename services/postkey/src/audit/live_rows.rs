//! The rows of a read model as the auditor asks for them.

use async_trait::async_trait;
use audit::verify::{KeptNodes, LiveRows, RowsUnread};
use audit::{Applied, Rows, ServiceRow, Touched, UserRow};
use domain::{Position, ServiceId, UserId};
use ledger::{Node, NodeRange};
use postkey_projection::read_model::{Generation, ReadModelError, RowId, ServiceQuery, UserQuery};

use crate::stores::ReadModelPorts;

/// So many rows come at once.
const PAGE: u32 = 500;

/// Over the ports of a read model.
pub struct AuditedRows(pub ReadModelPorts);

impl AuditedRows {
    async fn live(&self) -> Result<Generation, RowsUnread> {
        self.0.generations.live().await.map_err(unread)
    }
}

#[async_trait]
impl LiveRows for AuditedRows {
    async fn applied(&self) -> Result<Option<Applied>, RowsUnread> {
        self.0.writer.applied(self.live().await?).await.map_err(unread)
    }

    async fn rows(&self, touched: &Touched) -> Result<Rows, RowsUnread> {
        self.0.writer.touched(self.live().await?, touched).await.map_err(unread)
    }

    async fn services(&self, after: Option<&ServiceRow>) -> Result<Vec<ServiceRow>, RowsUnread> {
        let after = after.map(|row| row.service.domain.to_string());
        let page = self.0.queries.services(&ServiceQuery { customer: None, after, limit: PAGE }).await;
        page.map(|page| page.rows).map_err(unread)
    }

    async fn users(&self, service: ServiceId, after: Option<UserId>) -> Result<Vec<UserRow>, RowsUnread> {
        let page = self.0.queries.users(&UserQuery { service, search: None, after, limit: PAGE }).await;
        page.map(|page| page.rows).map_err(unread)
    }

    async fn strays(&self) -> Result<Vec<UserId>, RowsUnread> {
        let user = |row| match row {
            RowId::User(id) => Some(id),
            RowId::Service(_) => None,
        };
        self.0.strays.strays(PAGE).await.map(|rows| rows.into_iter().filter_map(user).collect()).map_err(unread)
    }
}

#[async_trait]
impl KeptNodes for AuditedRows {
    async fn size(&self) -> Result<u64, RowsUnread> {
        self.0.ledger.ledger().await.map(|state| state.size.get()).map_err(unread)
    }

    async fn nodes(&self, range: &NodeRange) -> Result<Vec<Node>, RowsUnread> {
        self.0.ledger.nodes(range).await.map_err(unread)
    }

    async fn about(&self, after: Position, up_to: Position) -> Result<Vec<(Position, Option<UserId>)>, RowsUnread> {
        self.0.ledger.about(after, up_to).await.map_err(unread)
    }
}

fn unread(error: ReadModelError) -> RowsUnread {
    match error {
        ReadModelError::Damaged(what) => RowsUnread::Damaged(what),
        other => RowsUnread::Unavailable(other.to_string()),
    }
}
