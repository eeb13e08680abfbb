//! What the tree is held against: roots that somebody else has signed or kept.

use domain::Position;
use ledger::{Checkpoint, Hash};

use super::finding::{Findings, Kind};

/// Whose word a root is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The checkpoint's that the log is verified by.
    Checkpoint,
    /// That of a checkpoint that was seen before, and kept.
    Pin,
    /// That of the newest checkpoint in the key store.
    Stored,
    /// What the read model says that it was made from.
    Rows,
}

impl Anchor {
    const fn name(self) -> &'static str {
        match self {
            Self::Checkpoint => "the checkpoint",
            Self::Pin => "the pinned checkpoint",
            Self::Stored => "the newest checkpoint in the key store",
            Self::Rows => "the read model",
        }
    }
}

/// Roots that the tree must have had, and whether it had.
#[derive(Debug, Default)]
pub struct Anchors {
    /// By size, those that were not reached yet; the smallest last.
    ahead: Vec<(u64, Hash, Anchor)>,
    /// Up to here the tree is what was signed.
    proved: u64,
    held: Vec<Anchor>,
}

impl Anchors {
    /// Checkpoints to hold the tree against.
    pub fn new<'a>(checkpoints: impl IntoIterator<Item = (Anchor, &'a Checkpoint)>) -> Self {
        let mut anchors = Self::default();
        for (anchor, checkpoint) in checkpoints {
            anchors = anchors.and(anchor, checkpoint.size, checkpoint.root);
        }
        anchors
    }

    /// And another root.
    #[must_use]
    pub fn and(mut self, anchor: Anchor, size: u64, root: Hash) -> Self {
        self.ahead.push((size, root, anchor));
        self.ahead.sort_by_key(|(size, ..)| std::cmp::Reverse(*size));
        self
    }

    /// Whether the root of a tree of this size is asked for.
    pub fn wants(&self, size: u64) -> bool {
        self.ahead.last().is_some_and(|(next, ..)| *next == size)
    }

    /// Holds the root of the tree of `size` leaves against what was said of it.
    pub fn hold(&mut self, size: u64, root: Hash, findings: &mut Findings) {
        while let Some((_, expected, anchor)) = self.ahead.pop_if(|(next, ..)| *next == size) {
            if expected == root {
                self.held.push(anchor);
                self.proved = self.proved.max(size);
            } else {
                let from = self.proved + 1;
                let what = format!(
                    "the entries at positions 1 to {size} do not have the root of {}: something in positions {from} to {size} \
                     was altered, or this is a fork of the log that it was made of",
                    anchor.name()
                );
                findings.add(Position::new(size), Kind::Tree, what);
            }
        }
    }

    /// What is still ahead where the log ends, at `end`: its tail was cut off. What lies before that could not be held, for
    /// something was found that left the tree without a root.
    pub fn end(&mut self, end: Position, findings: &mut Findings) {
        let ahead = std::mem::take(&mut self.ahead);
        for (size, _, anchor) in ahead.into_iter().filter(|(size, ..)| *size > end.get()) {
            let first = end.next();
            let what = format!(
                "the log ends at position {end}, and {} is of {size} entries: positions {first} to {size} are gone",
                anchor.name()
            );
            findings.add(first, Kind::Missing, what);
        }
    }

    /// Whether the tree was as an anchor says.
    pub fn held(&self, anchor: Anchor) -> bool {
        self.held.contains(&anchor)
    }
}
