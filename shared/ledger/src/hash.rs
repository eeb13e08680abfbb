//! Hashes of the tree (RFC 6962 §2.1).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The hash of a leaf or of an inner node: SHA-256. Shown as base64, as checkpoints and exports have it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The root of the tree without leaves: the hash of nothing.
    pub fn of_nothing() -> Self {
        Self(Sha256::digest(b"").into())
    }

    /// Reads base64 of exactly 32 bytes, padded (RFC 4648 §4); nothing else.
    pub fn from_base64(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

/// The hash of stored bytes as a leaf: SHA-256 of `0x00` and the bytes (RFC 6962 §2.1).
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0x00]).chain_update(bytes).finalize().into())
}

/// The hash of an inner node: SHA-256 of `0x01`, the left and the right hash (RFC 6962 §2.1).
pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash(Sha256::new().chain_update([0x01]).chain_update(left.0).chain_update(right.0).finalize().into())
}
