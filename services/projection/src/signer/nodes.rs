//! Nodes at hand, read tile by tile.

use std::collections::{BTreeMap, HashMap};

use ledger::{Hash, NodeRange};

use crate::read_model::{LedgerRows, ReadModelError};

/// How many nodes a tile has at most.
const TILE: u64 = 256;

/// Nodes by level and index.
pub struct Nodes(HashMap<(u8, u64), Hash>);

impl Nodes {
    /// Reads what a plan needs; of what lies in one tile, everything in between too, in one question. What is not there is
    /// missed by whoever looks it up.
    pub async fn read(rows: &dyn LedgerRows, planned: &[NodeRange]) -> Result<Self, ReadModelError> {
        let mut tiles: BTreeMap<(u8, u64), NodeRange> = BTreeMap::new();
        for range in planned {
            tiles
                .entry((range.level, range.indexes.start / TILE))
                .and_modify(|tile| {
                    tile.indexes.start = tile.indexes.start.min(range.indexes.start);
                    tile.indexes.end = tile.indexes.end.max(range.indexes.end);
                })
                .or_insert_with(|| range.clone());
        }
        let mut nodes = HashMap::new();
        for range in tiles.values() {
            nodes.extend(rows.nodes(range).await?.into_iter().map(|node| ((node.level, node.index), node.hash)));
        }
        Ok(Self(nodes))
    }

    /// The hash of a node.
    pub fn hash(&self, level: u8, index: u64) -> Option<Hash> {
        self.0.get(&(level, index)).copied()
    }
}
