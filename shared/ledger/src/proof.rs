//! Proofs, made of kept nodes (RFC 9162 §2.1.3.1, §2.1.4.1). Their checkers are in `check.rs`.

use std::fmt;
use std::ops::Range;

use crate::hash::Hash;
use crate::node::{MissingNode, NodeRange};
use crate::subtree::{join, span};

/// There is no such leaf, or no such older tree: what was asked for lies beyond the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BeyondTree {
    /// How many leaves would be needed.
    pub needed: u64,
    /// How many the tree has.
    pub size: u64,
}

impl fmt::Display for BeyondTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the tree has {} leaves, and {} would be needed", self.size, self.needed)
    }
}

impl std::error::Error for BeyondTree {}

/// The hashes of a proof, in its order, each as the range of leaves that it is the root of.
#[derive(Clone, Debug)]
struct Plan(Vec<Range<u64>>);

impl Plan {
    fn nodes(&self) -> Vec<NodeRange> {
        self.0.iter().flat_map(|leaves| span(leaves.start, leaves.end)).map(|subtree| subtree.nodes()).collect()
    }

    fn prove(&self, lookup: &impl Fn(u8, u64) -> Option<Hash>) -> Result<Vec<Hash>, MissingNode> {
        let mut proof = Vec::with_capacity(self.0.len());
        for leaves in &self.0 {
            let roots = span(leaves.start, leaves.end)
                .into_iter()
                .map(|subtree| subtree.root(lookup))
                .collect::<Result<Vec<_>, _>>()?;
            proof.extend(join(roots.into_iter()));
        }
        Ok(proof)
    }
}

/// Where RFC 6962 parts a tree over `leaves`, of which there are at least two: after the largest power of two that is
/// smaller than their number.
fn parting(leaves: &Range<u64>) -> u64 {
    leaves.start + (1 << (leaves.end - leaves.start - 1).ilog2())
}

/// Which nodes prove that a leaf stands in a tree.
#[derive(Clone, Debug)]
pub struct InclusionPlan(Plan);

impl InclusionPlan {
    /// For the leaf at `index`, from 0, in the tree of `size` leaves.
    ///
    /// # Errors
    /// Where the tree has no such leaf.
    pub fn new(index: u64, size: u64) -> Result<Self, BeyondTree> {
        if index >= size {
            return Err(BeyondTree { needed: index.saturating_add(1), size });
        }
        let mut siblings = Vec::new();
        let mut leaves = 0..size;
        while leaves.end - leaves.start > 1 {
            let middle = parting(&leaves);
            if index < middle {
                siblings.push(middle..leaves.end);
                leaves.end = middle;
            } else {
                siblings.push(leaves.start..middle);
                leaves.start = middle;
            }
        }
        siblings.reverse();
        Ok(Self(Plan(siblings)))
    }

    /// The nodes that are needed. Two ranges may share nodes.
    pub fn nodes(&self) -> Vec<NodeRange> {
        self.0.nodes()
    }

    /// The proof, from the leaf's sibling upwards, from nodes that `lookup` gives by level and index.
    ///
    /// # Errors
    /// The first node that is missing.
    pub fn prove(&self, lookup: impl Fn(u8, u64) -> Option<Hash>) -> Result<Vec<Hash>, MissingNode> {
        self.0.prove(&lookup)
    }
}

/// Which nodes prove that a tree is the beginning of a larger one.
#[derive(Clone, Debug)]
pub struct ConsistencyPlan(Plan);

impl ConsistencyPlan {
    /// For the tree of `from` leaves in that of `to` leaves. The empty tree is the beginning of each, and each of itself:
    /// their proofs are empty.
    ///
    /// # Errors
    /// Where `from` is larger than `to`.
    pub fn new(from: u64, to: u64) -> Result<Self, BeyondTree> {
        if from > to {
            return Err(BeyondTree { needed: from, size: to });
        }
        let mut parts = Vec::new();
        if from > 0 {
            let mut leaves = 0..to;
            while leaves.end != from {
                let middle = parting(&leaves);
                if from <= middle {
                    parts.push(middle..leaves.end);
                    leaves.end = middle;
                } else {
                    parts.push(leaves.start..middle);
                    leaves.start = middle;
                }
            }
            // Whoever checks has the older tree's root, so it is left out where it is itself a subtree.
            if leaves.start > 0 {
                parts.push(leaves);
            }
        }
        parts.reverse();
        Ok(Self(Plan(parts)))
    }

    /// The nodes that are needed. Two ranges may share nodes.
    pub fn nodes(&self) -> Vec<NodeRange> {
        self.0.nodes()
    }

    /// The proof, in RFC 9162's order, from nodes that `lookup` gives by level and index.
    ///
    /// # Errors
    /// The first node that is missing.
    pub fn prove(&self, lookup: impl Fn(u8, u64) -> Option<Hash>) -> Result<Vec<Hash>, MissingNode> {
        self.0.prove(&lookup)
    }
}
