//! Proofs for an export of a part of a log, made of the log's own hashes: no service is asked, and no row read.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

use ledger::{BeyondTree, Frontier, Hash, InclusionPlan, MissingNode, Node};

/// How long a hash is.
const HASH: usize = 32;

/// A log's tree, as its entries were read. The leaves lie in a file, so that memory does not grow with them; the 256th part
/// of them that the nodes above are stays in memory.
pub struct Prover {
    leaves: BufWriter<File>,
    /// Kept nodes of the levels from 1 on, in the order of their indexes.
    nodes: Vec<Vec<Hash>>,
    frontier: Frontier,
    completed: Vec<Node>,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum Unprovable {
    /// The tree has no such leaf.
    #[error("it stands behind the checkpoint: {0}")]
    Beyond(#[from] BeyondTree),
    /// The file of leaves can't be written or read.
    #[error("the scratch file of hashes: {0}")]
    Scratch(#[from] io::Error),
    /// A node that was put in is not there: a bug of ours.
    #[error(transparent)]
    Missing(#[from] MissingNode),
}

impl Prover {
    /// An empty tree, whose leaves will lie in `scratch`, an empty file that can be written and read.
    pub fn new(scratch: File) -> Self {
        Self {
            leaves: BufWriter::with_capacity(1 << 16, scratch),
            nodes: Vec::new(),
            frontier: Frontier::default(),
            completed: Vec::new(),
        }
    }

    /// Takes in the next leaf.
    ///
    /// # Errors
    /// Where the file can't be written.
    pub fn push(&mut self, leaf: Hash) -> io::Result<()> {
        self.leaves.write_all(&leaf.0)?;
        self.frontier.append(leaf, &mut self.completed);
        for node in self.completed.drain(..) {
            let level = usize::from(node.level) - 1;
            if self.nodes.len() <= level {
                self.nodes.resize_with(level + 1, Vec::new);
            }
            self.nodes[level].push(node.hash);
        }
        Ok(())
    }

    /// How many leaves there are.
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The tree's root.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Proves that the leaf at `index`, from 0, stands in the tree as it is now.
    ///
    /// # Errors
    /// Where there is no such leaf, or the file can't be read.
    pub fn prove(&mut self, index: u64) -> Result<Vec<Hash>, Unprovable> {
        let plan = InclusionPlan::new(index, self.size())?;
        self.leaves.flush()?;
        let mut leaves = HashMap::new();
        for range in plan.nodes().into_iter().filter(|range| range.level == 0) {
            let count = usize::try_from(range.indexes.end - range.indexes.start).unwrap_or_default();
            let mut bytes = vec![0; count * HASH];
            self.leaves.get_ref().read_exact_at(&mut bytes, range.indexes.start * HASH as u64)?;
            let (hashes, _) = bytes.as_chunks::<HASH>();
            leaves.extend(range.indexes.zip(hashes.iter().copied().map(Hash)));
        }
        let above =
            |level: u8, index: u64| self.nodes.get(usize::from(level) - 1)?.get(usize::try_from(index).ok()?).copied();
        Ok(plan.prove(|level, index| if level == 0 { leaves.get(&index).copied() } else { above(level, index) })?)
    }
}

#[cfg(test)]
mod tests {
    use ledger::{leaf_hash, verify_inclusion};

    use super::*;

    #[test]
    fn every_leaf_of_a_growing_tree_is_proved() {
        let mut prover = Prover::new(tempfile::tempfile().unwrap());
        let leaf = |n: u64| leaf_hash(&n.to_be_bytes());
        for size in 1..=70_000_u64 {
            prover.push(leaf(size - 1)).unwrap();
            // Around the sizes at which a tile is whole, and at the end.
            if ![1, 2, 255, 256, 257, 65_535, 65_536, 65_537, 70_000].contains(&size) {
                continue;
            }
            for index in [0, size / 3, size / 2, size - 1] {
                let proof = prover.prove(index).unwrap();
                assert_eq!(
                    verify_inclusion(leaf(index), index, size, prover.root(), &proof),
                    Ok(()),
                    "{index} of {size}"
                );
            }
            assert!(matches!(prover.prove(size), Err(Unprovable::Beyond(_))));
        }
    }
}
