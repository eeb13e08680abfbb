//! The frontier: what has to be kept of a tree to append to it.

use crate::hash::{Hash, node_hash};
use crate::node::{MissingNode, Node, NodeRange, TILE_HEIGHT};
use crate::subtree::{Subtree, join, span};

/// What has to be kept of a tree to append to it and to know its root: one hash for each set bit of its size, the
/// largest perfect subtree first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Hash>,
}

/// The bytes are no frontier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrontierError;

impl std::fmt::Display for FrontierError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not a frontier: eight bytes of size and one hash for each bit set in it")
    }
}

impl std::error::Error for FrontierError {}

impl Frontier {
    /// How many leaves the tree has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.grow(leaf, |_| ());
    }

    /// Appends a leaf, and adds to `completed` each kept node above the leaves that is whole with it, the lowest first.
    pub fn append(&mut self, leaf: Hash, completed: &mut Vec<Node>) {
        self.grow(leaf, |node| completed.push(node));
    }

    fn grow(&mut self, leaf: Hash, mut completed: impl FnMut(Node)) {
        let mut hash = leaf;
        for height in 1..=self.size.trailing_ones() as u8 {
            let Some(left) = self.subtrees.pop() else { break };
            hash = node_hash(&left, &hash);
            if height % TILE_HEIGHT == 0 {
                completed(Node { level: height / TILE_HEIGHT, index: self.size >> height, hash });
            }
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    /// The tree's root; that of the empty tree is the hash of nothing.
    pub fn root(&self) -> Hash {
        join(self.subtrees.iter().copied()).unwrap_or_else(Hash::of_nothing)
    }

    /// How the frontier of a tree of `size` leaves is made of kept nodes, so that a tree can be taken up from them.
    pub fn plan(size: u64) -> FrontierPlan {
        FrontierPlan { size, subtrees: span(0, size) }
    }

    /// Eight bytes of size, big-endian, then the subtrees' hashes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        for hash in &self.subtrees {
            bytes.extend_from_slice(&hash.0);
        }
        bytes
    }

    /// Reads what [`Frontier::to_bytes`] wrote.
    ///
    /// # Errors
    /// Where the number of hashes is not that of the bits set in the size.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrontierError> {
        let (size, hashes) = bytes.split_first_chunk::<8>().ok_or(FrontierError)?;
        let size = u64::from_be_bytes(*size);
        let (hashes, rest) = hashes.as_chunks::<32>();
        if !rest.is_empty() || hashes.len() != size.count_ones() as usize {
            return Err(FrontierError);
        }
        Ok(Self { size, subtrees: hashes.iter().copied().map(Hash).collect() })
    }
}

/// Which kept nodes a tree's frontier is made of.
#[derive(Clone, Debug)]
pub struct FrontierPlan {
    size: u64,
    subtrees: Vec<Subtree>,
}

impl FrontierPlan {
    /// The nodes that are needed: at most one tile a level of tiles.
    pub fn nodes(&self) -> Vec<NodeRange> {
        self.subtrees.iter().map(|subtree| subtree.nodes()).collect()
    }

    /// The frontier, from nodes that `lookup` gives by level and index.
    ///
    /// # Errors
    /// The first node that is missing.
    pub fn take_up(&self, lookup: impl Fn(u8, u64) -> Option<Hash>) -> Result<Frontier, MissingNode> {
        let subtrees = self.subtrees.iter().map(|subtree| subtree.root(&lookup)).collect::<Result<_, _>>()?;
        Ok(Frontier { size: self.size, subtrees })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::leaf_hash;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex")).collect()
    }

    /// The tree hash as RFC 6962 §2.1 defines it, by recursion.
    fn tree_hash(leaves: &[Vec<u8>]) -> Hash {
        match leaves {
            [] => Hash(Sha256::digest(b"").into()),
            [leaf] => leaf_hash(leaf),
            _ => {
                let half = leaves.len().next_power_of_two() / 2;
                node_hash(&tree_hash(&leaves[..half]), &tree_hash(&leaves[half..]))
            }
        }
    }

    /// The inputs and roots of the reference implementation's tests of RFC 6962 (certificate-transparency's merkletree).
    #[test]
    fn roots_are_those_of_the_reference_vectors() {
        let leaves =
            ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::default();
        assert_eq!(frontier.root().0.to_vec(), hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
        for (leaf, root) in leaves.iter().zip(roots) {
            frontier.push(leaf_hash(&hex(leaf)));
            assert_eq!(frontier.root().0.to_vec(), hex(root), "{} leaves", frontier.size());
        }
    }

    proptest! {
        #[test]
        fn a_frontier_has_the_root_of_its_leaves_and_survives_storage(
            leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..70)
        ) {
            let mut frontier = Frontier::default();
            for leaf in &leaves {
                frontier.push(leaf_hash(leaf));
                frontier = Frontier::from_bytes(&frontier.to_bytes()).expect("its own bytes");
            }
            prop_assert_eq!(frontier.root(), tree_hash(&leaves));
        }

        #[test]
        fn other_bytes_are_no_frontier(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(frontier) = Frontier::from_bytes(&bytes) {
                prop_assert_eq!(frontier.to_bytes(), bytes);
            }
        }
    }
}
