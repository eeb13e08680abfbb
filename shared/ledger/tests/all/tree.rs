//! A tree in memory, kept as rows are: its leaves, and the nodes that appending completed.

use std::collections::HashMap;

use ledger::{Frontier, Hash, Node, leaf_hash};

/// What is kept of a tree.
#[derive(Default)]
pub struct Tree {
    /// The frontier at the end.
    pub frontier: Frontier,
    /// The roots of all sizes from 0 on.
    pub roots: Vec<Hash>,
    nodes: HashMap<(u8, u64), Hash>,
}

impl Tree {
    /// The tree of these leaves.
    pub fn of(leaves: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut tree = Self { roots: vec![Frontier::default().root()], ..Self::default() };
        for leaf in leaves {
            let hash = leaf_hash(&leaf);
            assert_eq!(tree.nodes.insert((0, tree.frontier.size()), hash), None);
            let mut completed = Vec::new();
            tree.frontier.append(hash, &mut completed);
            for Node { level, index, hash } in completed {
                assert!(level > 0);
                assert_eq!(tree.nodes.insert((level, index), hash), None, "a node is completed once");
            }
            tree.roots.push(tree.frontier.root());
        }
        tree
    }

    /// The tree of so many leaves, each of which says which it is.
    pub fn sized(size: u64) -> Self {
        Self::of((0..size).map(|index| index.to_be_bytes().to_vec()))
    }

    /// A kept node.
    pub fn node(&self, level: u8, index: u64) -> Option<Hash> {
        self.nodes.get(&(level, index)).copied()
    }
}
