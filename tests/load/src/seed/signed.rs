//! A checkpoint of a whole log, as a signer that was there makes it.

use std::path::Path;
use std::time::Instant;

use domain::Position;
use event_log::{LogStore, Scope, SqliteStore};
use futures::TryStreamExt;
use keys::{CheckpointStore, SqliteKeyStore};
use ledger::{Checkpoint, Frontier, NoteKey, leaf_hash, sign};

use crate::failure::{Failure, Named};

/// What was signed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signed {
    /// How many entries.
    pub entries: u64,
    /// How long the SHA-256 of their bytes took, and nothing else.
    pub seconds: f64,
}

/// Signs a checkpoint of the log of a data folder that nobody has open, and puts it into the key store and beside the ledger's
/// key.
///
/// # Errors
/// Where log or key can't be read, or the checkpoint not be kept.
pub async fn sign_all(data: &Path) -> Result<Signed, Failure> {
    let store = SqliteStore::open_read_only(&data.join("log.db")).await.named("the log")?;
    let mut entries = store.read(Scope::All, Position::START);
    let (mut frontier, mut seconds) = (Frontier::default(), 0.0);
    while let Some(stored) = entries.try_next().await.named("the log")? {
        let began = Instant::now();
        let leaf = leaf_hash(&stored.entry.bytes);
        seconds += began.elapsed().as_secs_f64();
        frontier.push(leaf);
    }
    let key = std::fs::read_to_string(data.join("ledger/key")).named("the ledger key")?;
    let key = NoteKey::from_private_text(key.trim()).named("the ledger key")?;
    let checkpoint = Checkpoint { origin: key.name().to_owned(), size: frontier.size(), root: frontier.root() };
    let note = sign(&checkpoint, &[&key]);
    let kept = SqliteKeyStore::open(&data.join("keys.db"), false).await.named("the key store")?;
    let before = kept.newest().await.named("the key store")?;
    if !kept.replace(before.as_deref(), &note, &[]).await.named("the key store")? {
        return Err(Failure::new("the key store", "somebody else signs"));
    }
    std::fs::write(data.join("ledger/checkpoint"), note).named("the checkpoint")?;
    Ok(Signed { entries: checkpoint.size, seconds })
}
