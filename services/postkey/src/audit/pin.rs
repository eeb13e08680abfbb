//! The pin: the newest checkpoint that an auditor has seen, in a file of its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use audit::verify::{Findings, Kind};
use domain::Position;
use ledger::{Checkpoint, NoteError, VerifierKey};

use super::verify::unsigned;
use crate::failure::Failure;
use crate::folder::replace;

/// A file that keeps a checkpoint, or will.
pub struct Pin {
    path: PathBuf,
    kept: Option<Checkpoint>,
    /// Whether none of the keys that are believed now has signed it.
    unsigned: bool,
}

impl Pin {
    /// Reads it; one that is not there yet will be made.
    pub fn read(path: &Path, keys: &[VerifierKey]) -> Result<Self, Failure> {
        let pin = |kept, unsigned| Ok(Self { path: path.to_owned(), kept, unsigned });
        let note = match fs::read_to_string(path) {
            Ok(note) => note,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return pin(None, false),
            Err(error) => return Err(Failure::io(path, &error)),
        };
        match ledger::open(&note, keys) {
            Ok(opened) => pin(Some(opened.checkpoint), false),
            // It was signed by who was believed when it was kept.
            Err(NoteError::NotSigned) => match unsigned(&note) {
                Some(kept) => pin(Some(kept), true),
                None => Err(Failure::usage(format!(
                    "{}: it is no checkpoint: name the file that an earlier `--pin` has made, or one that is not there yet",
                    path.display()
                ))),
            },
            Err(error) => Err(Failure::usage(format!(
                "{}: {error}: name the file that an earlier `--pin` has made, or one that is not there yet",
                path.display()
            ))),
        }
    }

    /// What it keeps.
    pub const fn checkpoint(&self) -> Option<&Checkpoint> {
        self.kept.as_ref()
    }

    /// Finds what can't be of one ledger by the checkpoints alone.
    pub fn judge(&self, checkpoint: &Checkpoint, findings: &mut Findings) {
        let Some(kept) = &self.kept else { return };
        let position = Position::new(kept.size);
        if kept.origin != checkpoint.origin {
            let what = format!(
                "the pinned checkpoint is of the ledger {}, and this one of {}: another was put in its place",
                kept.origin, checkpoint.origin
            );
            findings.add(position, Kind::Tree, what);
        } else if kept.size == checkpoint.size && kept.root != checkpoint.root {
            let what =
                "the pinned checkpoint is of as many entries as this one, and of other ones: two histories were signed";
            findings.add(position, Kind::Tree, what);
        } else if self.unsigned {
            let what = "the pinned checkpoint is signed by a key that is not among the public keys any more: they were replaced";
            findings.add(position, Kind::Signature, what);
        }
    }

    /// Keeps a checkpoint that holds, unless what it keeps is as new.
    pub fn keep(&self, checkpoint: &Checkpoint, note: &str) -> Result<(), Failure> {
        match &self.kept {
            Some(kept) if kept.size >= checkpoint.size => Ok(()),
            _ => replace(&self.path, note.trim_end_matches('\n').as_bytes()),
        }
    }
}
