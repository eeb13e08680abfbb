//! The ledger's hashes beside the rows, held against those of the log.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use domain::{Position, UserId};
use ledger::{Hash, Node, NodeRange};

use super::finding::Kind;
use super::history::{Grown, History};
use super::log::CouldNotLook;
use super::rows::{RowsUnread, unread};

/// How many nodes a tile has, and are asked for at once (C2SP tlog-tiles).
const TILE: u64 = 256;

/// Above the levels that a tree of 64 bits has nodes of.
const HIGHEST: u8 = 8;

/// The port to the ledger's nodes as they are kept. Level 0 is the leaves.
#[async_trait]
pub trait KeptNodes: Send + Sync {
    /// How many leaves there are.
    async fn size(&self) -> Result<u64, RowsUnread>;

    /// The nodes of a range that are there, in their order.
    async fn nodes(&self, range: &NodeRange) -> Result<Vec<Node>, RowsUnread>;

    /// Whom the leaves after a position and up to another say that their entries are about, as far as they are there, in their order.
    async fn about(&self, after: Position, up_to: Position) -> Result<Vec<(Position, Option<UserId>)>, RowsUnread>;
}

/// Holds the kept nodes against those of the log.
pub struct Tiles {
    kept: Arc<dyn KeptNodes>,
    size: u64,
    /// How many nodes were held against the log.
    pub seen: u64,
}

impl Tiles {
    /// As many as there are now.
    ///
    /// # Errors
    /// Where they can't be asked for.
    pub async fn new(kept: Arc<dyn KeptNodes>) -> Result<Self, CouldNotLook> {
        let size = kept.size().await.map_err(unread)?;
        Ok(Self { kept, size, seen: 0 })
    }

    /// How many leaves there were when it began.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Looks at what `history` has come to since it was asked last.
    pub(super) async fn look(&mut self, history: &mut History) -> Result<(), CouldNotLook> {
        let Some(grown) = history.grown.as_mut().map(std::mem::take) else { return Ok(()) };
        let Grown { nodes, about } = grown;
        self.look_at_users(&about, history).await?;
        let mut nodes: Vec<_> = nodes.into_iter().filter(|node| last_leaf(node) <= self.size).collect();
        nodes.sort_unstable_by_key(|node| (node.level, node.index));
        for some in nodes.chunk_by(|one, other| one.level == other.level && one.index / TILE == other.index / TILE) {
            let (Some(first), Some(last)) = (some.first(), some.last()) else { continue };
            let range = NodeRange { level: first.level, indexes: first.index..last.index + 1 };
            let kept = self.kept.nodes(&range).await.map_err(unread)?;
            for node in some {
                self.seen += 1;
                let own = kept.iter().find(|kept| kept.index == node.index).map(|kept| kept.hash);
                if own != Some(node.hash) {
                    let (position, what) = (Position::new(last_leaf(node)), said(node, own));
                    history.findings.add(position, Kind::Tile, what);
                }
            }
        }
        Ok(())
    }

    /// By them the services find the history of one user.
    async fn look_at_users(
        &self,
        about: &[(Position, Option<UserId>)],
        history: &mut History,
    ) -> Result<(), CouldNotLook> {
        let positions = || about.iter().map(|(position, _)| *position);
        let (Some(first), Some(last)) = (positions().min(), positions().max()) else { return Ok(()) };
        let before = Position::new(first.get().saturating_sub(1));
        let kept = self.kept.about(before, last).await.map_err(unread)?;
        let kept: HashMap<_, _> = kept.into_iter().collect();
        for (position, user) in about {
            if kept.get(position).is_some_and(|kept| kept != user) {
                let what = "the ledger beside the rows says that it is about another user: one user's history, as the \
                            services tell it, is not all of it";
                history.findings.add(*position, Kind::Tile, what);
            }
        }
        Ok(())
    }

    /// What is kept beyond the log's end, once that was reached, or beyond the position at which the rows beside them were found
    /// later.
    ///
    /// # Errors
    /// Where they can't be asked for.
    pub async fn end(&self, applied: Position, history: &mut History) -> Result<(), CouldNotLook> {
        if self.size > applied.get() && applied < history.last() {
            let what = format!(
                "the ledger beside the rows has {} leaves, and they say that the log is applied up to position {applied}: somebody \
                 has set that back",
                self.size
            );
            history.findings.add(applied.next(), Kind::Tile, what);
        }
        if self.size > history.last().get() {
            let (at, end) = (history.last().next(), history.last());
            let what =
                format!("the ledger beside the rows has {} leaves, and the log ends at position {end}", self.size);
            history.findings.add(at, Kind::Tile, what);
        }
        self.look_ahead(history).await
    }

    /// Nodes of leaves that are not there yet would be in the way of the right ones.
    async fn look_ahead(&self, history: &mut History) -> Result<(), CouldNotLook> {
        let mut ahead = Vec::new();
        for level in 1..HIGHEST {
            let whole = self.size / TILE.saturating_pow(u32::from(level));
            ahead.extend(self.kept.nodes(&NodeRange { level, indexes: whole..u64::MAX }).await.map_err(unread)?);
        }
        // Asked for after them, for the ledger may have grown.
        let size = self.kept.size().await.map_err(unread)?;
        for node in ahead.iter().filter(|node| last_leaf(node) > size) {
            let (level, index) = (node.level, node.index);
            let what =
                format!("the ledger beside the rows has node {index} of level {level}, whose leaves are not there yet");
            history.findings.add(Position::new(last_leaf(node)), Kind::Tile, what);
        }
        Ok(())
    }
}

/// The position of the last leaf below a node.
fn last_leaf(node: &Node) -> u64 {
    // A tree of 64 bits has no node that is whole beyond that.
    node.index.saturating_add(1).saturating_mul(TILE.saturating_pow(u32::from(node.level)))
}

fn said(node: &Node, kept: Option<Hash>) -> String {
    match (node.level, kept) {
        (0, None) => "the ledger beside the rows has no hash of it".to_owned(),
        (0, Some(_)) => {
            "the ledger beside the rows has another hash of it: the entry was altered, or that was".to_owned()
        }
        (level, None) => format!("the ledger beside the rows lacks node {} of level {level}", node.index),
        (level, Some(_)) => format!("the ledger beside the rows has another node {} of level {level}", node.index),
    }
}
