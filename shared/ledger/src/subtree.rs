//! Perfect subtrees, and how ranges of leaves are made of them.

use crate::hash::{Hash, node_hash};
use crate::node::{MissingNode, NodeRange, TILE_HEIGHT};

/// The perfect subtree over leaves `index · 2^height` to `(index + 1) · 2^height`, the last excluded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Subtree {
    pub(crate) height: u8,
    pub(crate) index: u64,
}

impl Subtree {
    /// The kept nodes that it is the tree of: those of the nearest level of tiles at or below its height.
    pub(crate) fn nodes(self) -> NodeRange {
        let above = self.height % TILE_HEIGHT;
        let first = self.index << above;
        NodeRange { level: self.height / TILE_HEIGHT, indexes: first..first + (1 << above) }
    }

    /// Its root.
    pub(crate) fn root(self, lookup: &impl Fn(u8, u64) -> Option<Hash>) -> Result<Hash, MissingNode> {
        let NodeRange { level, indexes } = self.nodes();
        let mut hashes = indexes
            .map(|index| lookup(level, index).ok_or(MissingNode { level, index }))
            .collect::<Result<Vec<_>, _>>()?;
        while hashes.len() > 1 {
            hashes = hashes.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
        }
        // A range is never empty.
        hashes.pop().ok_or(MissingNode { level, index: self.index })
    }
}

/// The perfect subtrees that leaves `from` to `to`, the last excluded, are made of in RFC 6962's tree, the largest first.
///
/// `from` is a multiple of the smallest power of two that is no less than `to - from`, as the ranges of RFC 6962's
/// recursion always are.
pub(crate) fn span(from: u64, to: u64) -> Vec<Subtree> {
    let mut subtrees = Vec::new();
    let mut start = from;
    while start < to {
        let height = (to - start).ilog2();
        subtrees.push(Subtree { height: height as u8, index: start >> height });
        start += 1 << height;
    }
    subtrees
}

/// The root over subtrees as [`span`] gives them; none for no subtrees.
pub(crate) fn join(roots: impl DoubleEndedIterator<Item = Hash>) -> Option<Hash> {
    roots.rev().reduce(|right, left| node_hash(&left, &right))
}
