//! The log's Merkle tree (RFC 6962), its tiles and proofs, and its signed checkpoints (C2SP).
//!
//! Leaf `i` is the stored bytes at position `i + 1`. Prover and checker stand side by side: what one service hands out,
//! whoever doesn't trust it checks with the same crate. The prover is in two steps, since nodes lie in a database: a
//! plan says which nodes are needed, and makes the proof of them once they are at hand.
//!
//! Formats: RFC 6962 §2.1 (hashing), RFC 9162 §2.1.3 and §2.1.4 (proofs and how they are checked), C2SP tlog-tiles
//! (tiles, entry bundles, their paths), C2SP tlog-checkpoint and signed-note (checkpoints, keys).
//!
//! Pure: no I/O, no clock, no knowledge of what an entry says.

mod bundle;
mod check;
mod checkpoint;
mod crossing;
mod frontier;
mod hash;
mod node;
mod note;
mod note_key;
mod proof;
mod subtree;
mod tile;
mod verifier_key;

pub use bundle::{Bundle, BundleError};
pub use check::{Unproved, verify_consistency, verify_inclusion};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use crossing::{Crossing, CrossingError, follow};
pub use frontier::{Frontier, FrontierError, FrontierPlan};
pub use hash::{Hash, leaf_hash};
pub use node::{MissingNode, Node, NodeRange};
pub use note::{NoteError, Opened, open, peek, sign};
pub use note_key::NoteKey;
pub use proof::{BeyondTree, ConsistencyPlan, InclusionPlan};
pub use tile::{PathError, Tile};
pub use verifier_key::{KeyError, VerifierKey};
