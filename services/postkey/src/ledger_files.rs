//! The files of the ledger's key: `key`, `public-key` and `checkpoint`, in one folder.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use ledger::NoteKey;
use postkey_projection::signer::LedgerFiles;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::folder::replace;

/// What lies beside a ledger key file, and the file itself.
#[derive(Clone, Debug)]
pub struct LedgerFolder {
    key: PathBuf,
}

impl LedgerFolder {
    /// Of this key file, whether it is there or not.
    pub fn of(key: PathBuf) -> Self {
        Self { key }
    }

    /// The private keys, one a line, the newest first.
    pub fn key(&self) -> &Path {
        &self.key
    }

    /// The verifier keys, one a line: for verifiers.
    pub fn public_key(&self) -> PathBuf {
        self.key.with_file_name("public-key")
    }

    /// The newest checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.key.with_file_name("checkpoint")
    }

    /// Reads the private keys.
    ///
    /// # Errors
    /// Where the file is missing, can't be read, or holds something else, or keys of several ledgers.
    pub fn keys(&self) -> Result<Vec<NoteKey>, Failure> {
        let text = Zeroizing::new(fs::read_to_string(&self.key).map_err(|error| match error.kind() {
            ErrorKind::NotFound => missing(&self.key),
            _ => Failure::io(&self.key, &error),
        })?);
        let said = |what: &dyn std::fmt::Display| {
            Failure::failed(format!("{}: {what}; restore the ledger key from your backup", self.key.display()))
        };
        let keys = NoteKey::from_private_texts(&text).map_err(|error| said(&error))?;
        if keys.windows(2).any(|pair| pair[0].name() != pair[1].name()) {
            return Err(said(&"it holds keys of several ledgers"));
        }
        Ok(keys)
    }

    /// Writes a key file or what belongs to it (0600), by a temporary name.
    ///
    /// # Errors
    /// Where it can't be written; it is then as it was.
    pub fn write(path: &Path, text: &str) -> Result<(), Failure> {
        // The last line ends where the file is written.
        replace(path, text.strip_suffix('\n').unwrap_or(text).as_bytes())
    }
}

/// A key file that is named must be there, also where nothing has to be signed yet.
pub fn check_there(key: Option<&Path>) -> Result<(), Failure> {
    match key {
        Some(path) if !path.exists() => Err(missing(path)),
        _ => Ok(()),
    }
}

fn missing(path: &Path) -> Failure {
    Failure::failed(format!(
        "the ledger key {} is missing: restore it from your backup, or make one with `postkey init`",
        path.display()
    ))
}

/// Does what waits for a disk where nobody else waits.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|failure| failure.to_string()),
        Err(_) => Err("reading or writing the ledger's files was cut off".to_owned()),
    }
}

#[async_trait]
impl LedgerFiles for LedgerFolder {
    async fn keys(&self) -> Result<Vec<NoteKey>, String> {
        let folder = self.clone();
        beside(move || folder.keys()).await
    }

    async fn checkpoint(&self) -> Result<Option<String>, String> {
        let path = LedgerFolder::checkpoint(self);
        beside(move || match fs::read_to_string(&path) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            // What is not text is no checkpoint: the signer says so.
            Err(error) if error.kind() == ErrorKind::InvalidData => Ok(Some(String::new())),
            Err(error) => Err(Failure::io(&path, &io::Error::from(error.kind()))),
        })
        .await
    }

    async fn put(&self, note: &str) -> Result<(), String> {
        let (path, note) = (LedgerFolder::checkpoint(self), note.to_owned());
        beside(move || Self::write(&path, &note)).await
    }
}
