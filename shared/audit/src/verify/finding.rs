//! What was found: each tampering that can be told, by where it is.

use domain::Position;
use serde::Serialize;

/// So many findings are kept; of more, only how many.
const KEPT: usize = 50;

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The bytes are none that a writer of ours left, or not the ones that it left.
    Bytes,
    /// Entries are not there that were.
    Missing,
    /// An entry does not stand where it was written for: moved, repeated, or one put in between.
    Order,
    /// An entry that nobody with the keys of the log has written.
    Mac,
    /// An entry that no decision can have made after what went before it.
    History,
    /// The log and a checkpoint, or two checkpoints, are not of one tree.
    Tree,
    /// A checkpoint that none of the trusted keys has signed.
    Signature,
    /// The proof of an entry does not lead to the checkpoint.
    Proof,
    /// A key is gone, or still there, that should not be.
    Key,
    /// A row of the read model is not what the log makes of it.
    Row,
    /// A hash of the ledger beside the rows is not that of the log.
    Tile,
    /// An export is not as it was written.
    Export,
}

impl Kind {
    /// Its name, as `--json` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Missing => "missing",
            Self::Order => "order",
            Self::Mac => "mac",
            Self::History => "history",
            Self::Tree => "tree",
            Self::Signature => "signature",
            Self::Proof => "proof",
            Self::Key => "key",
            Self::Row => "row",
            Self::Tile => "tile",
            Self::Export => "export",
        }
    }
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The position to look at; of a tree that differs, the last that it can be.
    pub position: u64,
    /// What kind of thing it is.
    pub kind: Kind,
    /// What is wrong, for a person: ids and positions, never a value.
    pub what: String,
}

/// All that was found, the first of them word for word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    kept: Vec<Finding>,
    all: u64,
}

impl Findings {
    /// Adds one.
    pub fn add(&mut self, position: Position, kind: Kind, what: impl Into<String>) {
        self.all += 1;
        if self.kept.len() < KEPT {
            self.kept.push(Finding { position: position.get(), kind, what: what.into() });
        }
    }

    /// Whether something of this kind was found at a position, as far as it was kept.
    pub fn has(&self, position: Position, kind: Kind) -> bool {
        self.kept.iter().any(|found| found.position == position.get() && found.kind == kind)
    }

    /// How many there are.
    pub const fn count(&self) -> u64 {
        self.all
    }

    /// The first of them.
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }
}
