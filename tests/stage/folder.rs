//! A folder for one test: what postkey keeps, and beside it what the test itself needs.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A scratch folder, gone with the test. The data folder in it is not made: `postkey` does that.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Folder {
    /// A new one.
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("postkey-test-").tempdir().unwrap())
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// A file in the data folder.
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.data().join(name)
    }

    /// A file outside of the data folder.
    pub fn beside(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    /// The bytes of a file in the data folder.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let path = self.file(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Removes a SQLite file of the data folder, with what may lie beside it.
    pub fn remove_database(&self, name: &str) {
        std::fs::remove_file(self.file(name)).unwrap();
        for suffix in ["-wal", "-shm", "-journal"] {
            let beside = self.file(format!("{name}{suffix}"));
            if beside.exists() {
                std::fs::remove_file(beside).unwrap();
            }
        }
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}
