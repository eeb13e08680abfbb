//! The checkpoint that an export is made under, and the log's tree up to it.

use audit::export::{CrossingRecord, Prover};
use domain::Position;
use event_log::Scope;
use futures::TryStreamExt;
use ledger::{Checkpoint, Hash, VerifierKey, leaf_hash};

use super::checkpoint::CheckpointArgs;
use super::reading::Reading;
use super::trusted::Trusted;
use crate::failure::Failure;
use crate::progress::bar;

/// A checkpoint whose signature was checked, and what whoever verifies it needs besides.
pub struct Under {
    /// The signed note.
    pub note: String,
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The keys that it was checked by.
    pub keys: Vec<VerifierKey>,
    /// Where one of the log's keys took the place of another.
    pub crossings: Vec<CrossingRecord>,
}

impl Under {
    /// Reads the checkpoint that is named, or the folder's; none where there is none.
    pub async fn read(args: &CheckpointArgs, reading: &Reading) -> Result<Option<Self>, Failure> {
        let Some(note) = args.note(reading.folder()).await? else { return Ok(None) };
        let keys = args.keys(reading.folder())?;
        let crossings = args.crossings(reading.checkpoints()).await?;
        let Trusted { keys: trusted, broken } = Trusted::follow(keys, &crossings)?;
        if let Some(what) = broken {
            return Err(Failure::failed(what));
        }
        let opened = ledger::open(&note, &trusted).map_err(|error| {
            Failure::failed(format!("{error}: name the checkpoint and the public key that belong to this log"))
        })?;
        Ok(Some(Self { note, checkpoint: opened.checkpoint, keys: trusted, crossings }))
    }

    /// How many entries stand under it, which is the position of the last one.
    pub const fn size(&self) -> Position {
        Position::new(self.checkpoint.size)
    }

    /// Refuses where the log ends before it.
    pub fn reaches(&self, head: Position) -> Result<(), Failure> {
        if self.size() <= head {
            return Ok(());
        }
        Err(Failure::failed(format!(
            "the log ends at position {head}, and the checkpoint is of {} entries: something was cut off; `postkey audit \
             verify` says more",
            self.size()
        )))
    }

    /// Refuses where the log's first entries have another root than it says.
    pub fn holds(&self, root: Hash) -> Result<(), Failure> {
        if root == self.checkpoint.root {
            return Ok(());
        }
        Err(Failure::failed(format!(
            "the log's first {} entries are not those that the checkpoint was signed for: `postkey audit verify` says more",
            self.size()
        )))
    }

    /// The log's tree up to the checkpoint, for proofs.
    pub async fn tree(&self, reading: &Reading) -> Result<Prover, Failure> {
        let bar = bar("hashed", self.size());
        let mut prover = Prover::new(tempfile::tempfile()?);
        let mut entries = reading.stored(Scope::All, Position::START, self.size());
        while let Some(stored) = entries.try_next().await? {
            prover.push(leaf_hash(&stored.entry.bytes))?;
            bar.set_position(stored.position.get());
        }
        bar.finish_and_clear();
        self.reaches(Position::new(prover.size()))?;
        self.holds(prover.root())?;
        Ok(prover)
    }
}
