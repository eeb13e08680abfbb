//! Checkers of proofs. They trust nobody: neither a proof, nor its length, nor a size.

use crate::hash::{Hash, node_hash};

/// Why a proof proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unproved {
    /// What would be proved lies beyond the tree.
    #[error("the tree has only {size} leaves")]
    BeyondTree {
        /// How many leaves the tree has.
        size: u64,
    },
    /// The proof has fewer or more hashes than trees of these sizes take.
    #[error("the proof has {0} hashes, and trees of these sizes take another number")]
    Length(usize),
    /// The proof does not lead to the tree's root.
    #[error("the proof does not lead to the root of the tree")]
    Root,
    /// The proof does not lead to the older tree's root: the larger tree does not begin with it.
    #[error("the larger tree does not begin with the smaller one")]
    OlderRoot,
}

/// Whether `leaf`, a leaf's hash, is that of leaf `index`, from 0, of the tree of `size` leaves and `root` (RFC 9162
/// §2.1.3.2).
///
/// # Errors
/// What is wrong with the proof.
pub fn verify_inclusion(leaf: Hash, index: u64, size: u64, root: Hash, proof: &[Hash]) -> Result<(), Unproved> {
    if index >= size {
        return Err(Unproved::BeyondTree { size });
    }
    let mut path = Path { at: index, last: size - 1 };
    let mut hash = leaf;
    for sibling in proof {
        hash = match path.step().ok_or(Unproved::Length(proof.len()))? {
            Side::Left => node_hash(sibling, &hash),
            Side::Right => node_hash(&hash, sibling),
        };
    }
    path.ends(proof.len())?;
    if hash == root { Ok(()) } else { Err(Unproved::Root) }
}

/// Whether the tree of `to` leaves and `to_root` begins with the tree of `from` leaves and `from_root` (RFC 9162
/// §2.1.4.2; and where nothing has to be proved, as [`crate::ConsistencyPlan::new`] says).
///
/// # Errors
/// What is wrong with the proof.
pub fn verify_consistency(from: u64, from_root: Hash, to: u64, to_root: Hash, proof: &[Hash]) -> Result<(), Unproved> {
    if from > to {
        return Err(Unproved::BeyondTree { size: to });
    }
    if from == 0 || from == to {
        if !proof.is_empty() {
            return Err(Unproved::Length(proof.len()));
        }
        let expected = if from == 0 { Hash::of_nothing() } else { to_root };
        let empty_is_empty = to > 0 || to_root == Hash::of_nothing();
        return if from_root != expected {
            Err(Unproved::OlderRoot)
        } else if empty_is_empty {
            Ok(())
        } else {
            Err(Unproved::Root)
        };
    }
    // Where the older tree is one perfect subtree, the proof leaves its root out.
    let (start, rest) = match proof.split_first() {
        _ if from.is_power_of_two() => (from_root, proof),
        Some((first, rest)) => (*first, rest),
        None => return Err(Unproved::Length(0)),
    };
    let mut path = Path { at: from - 1, last: to - 1 };
    path.climb(path.at.trailing_ones());
    let (mut older, mut newer) = (start, start);
    for hash in rest {
        match path.step().ok_or(Unproved::Length(proof.len()))? {
            Side::Left => {
                older = node_hash(hash, &older);
                newer = node_hash(hash, &newer);
            }
            Side::Right => newer = node_hash(&newer, hash),
        }
    }
    path.ends(proof.len())?;
    if older != from_root {
        Err(Unproved::OlderRoot)
    } else if newer != to_root {
        Err(Unproved::Root)
    } else {
        Ok(())
    }
}

/// On which side of the path the next hash stands.
enum Side {
    Left,
    Right,
}

/// The way from a node up to the root, RFC 9162's `fn` and `sn`: which of its level the node is, and which is the last.
struct Path {
    at: u64,
    last: u64,
}

impl Path {
    /// Up by one hash; `None` where the root has been reached.
    fn step(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let left = self.at & 1 == 1 || self.at == self.last;
        if left {
            // The last node of a level that has no sibling stands for its parent too.
            self.climb(self.at.trailing_zeros());
        }
        self.climb(1);
        Some(if left { Side::Left } else { Side::Right })
    }

    fn climb(&mut self, levels: u32) {
        self.at = self.at.checked_shr(levels).unwrap_or(0);
        self.last = self.last.checked_shr(levels).unwrap_or(0);
    }

    fn ends(&self, hashes: usize) -> Result<(), Unproved> {
        if self.last == 0 { Ok(()) } else { Err(Unproved::Length(hashes)) }
    }
}
