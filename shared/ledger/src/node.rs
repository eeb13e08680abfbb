//! The nodes that are kept: those of every eighth level of the tree, as tiles hold them.

use std::fmt;
use std::ops::Range;

use crate::hash::Hash;

/// How many levels of the tree one level of tiles spans (C2SP tlog-tiles: tiles are 256 hashes wide).
pub(crate) const TILE_HEIGHT: u8 = 8;

/// One kept node: the root of the perfect subtree over leaves `index · 256^level` to `(index + 1) · 256^level`, the last
/// excluded. Level 0 is the leaves. Once it stands it never changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Node {
    /// The level of tiles that it stands in: 0 to 7, since sizes are 64 bits.
    pub level: u8,
    /// Which of its level, from 0.
    pub index: u64,
    /// Its hash.
    pub hash: Hash,
}

/// Nodes of one level that stand beside each other, and are read in one go.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NodeRange {
    /// The level of tiles.
    pub level: u8,
    /// Which of the level; never empty, at most 256.
    pub indexes: Range<u64>,
}

/// A node that a plan needs was not at hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MissingNode {
    /// The level of tiles.
    pub level: u8,
    /// Which of the level.
    pub index: u64,
}

impl fmt::Display for MissingNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} of level {} of the tree is missing", self.index, self.level)
    }
}

impl std::error::Error for MissingNode {}
