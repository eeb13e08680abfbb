//! The keys that seal parts of entries: authenticated encryption under a part's key, wrapping under a master key, and a
//! store in which a key can be destroyed so that nothing brings it back.
//!
//! Beside them the newest checkpoint of the log's ledger, as text: what was signed must be gone no sooner than the keys.
//!
//! This crate knows no event, no entry, no ledger, no position but the cursor of destruction, and nothing of whose a key is.

mod checkpoints;
mod held;
mod keyring;
mod part_key;
mod rewrap;
mod store;
mod vault;

#[cfg(feature = "contract")]
pub mod contract;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod gathered;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use checkpoints::{CheckpointStore, KeptCrossing};
pub use keyring::{Keyring, KeyringError, MacKey, MacKeyId, MacKeys, WrappedKey};
pub use part_key::{NotOurs, PartKey};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresKeyStore, PostgresOpenError};
pub use rewrap::{Rewrapped, WrappedKeys, rewrap_all, wrapped_otherwise};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteKeyStore;
pub use store::{KeyStore, StoredKey, Unavailable};
pub use vault::{KeyState, Keys, Vault, VaultError};
