//! The signer: within a second after a change there is a checkpoint that holds it.
//!
//! It signs no tree that is not a continuation of every checkpoint that it can see: the newest in the key store, that in the
//! file beside its key, and the last that it has served. What is new in it the signer reads in the log itself, and checks its
//! MACs: rows say which leaves there are, and are not believed of any. What it signs is in the key store before anybody sees it, put there
//! in the place of the one that it continues; of several that sign at once one does, and the others look again. A crash
//! between two steps leaves a checkpoint that the next turn serves and files as any other's: there is no other way back.
//!
//! Who can change rows, key store and file makes it stop, or nothing at all: what it signs is the log's. It forks only for whoever
//! changes all of them and the log too, with the keyring's MAC keys, or has the ledger's key.

mod keeping;
mod nodes;
mod tree;
mod walked;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event_log::{EventLog, Scope};
use keys::{CheckpointStore, Vault};
use ledger::{Checkpoint, NoteKey};
use postkey_http::HealthCheck;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::keeping::{Keeping, Kept};
use self::tree::Tree;
use self::walked::Walked;
use crate::projector::Progress;
use crate::read_model::{LedgerRows, ReadModelError};

/// The least time from one turn to the next: about two checkpoints a second while the log grows.
const PACE: Duration = Duration::from_millis(400);
/// The most: so soon it is seen that another has signed, or that a key was replaced.
const IDLE: Duration = Duration::from_secs(1);

/// The files of a ledger's key, in one folder. What goes wrong is said in words for an operator, without a key.
#[async_trait]
pub trait LedgerFiles: Send + Sync {
    /// The private keys, the newest first, at least one; read anew each time, since one may have been put before them. All
    /// have one name.
    async fn keys(&self) -> Result<Vec<NoteKey>, String>;

    /// The copy of the newest checkpoint; `None` before the first.
    async fn checkpoint(&self) -> Result<Option<String>, String>;

    /// Puts a checkpoint in its place, whole or not at all, durably on return.
    async fn put(&self, note: &str) -> Result<(), String>;
}

/// What checkpoints are signed with, and where they are kept.
#[derive(Clone)]
pub struct Signing {
    /// Where the newest checkpoint is kept.
    pub checkpoints: Arc<dyn CheckpointStore>,
    /// What it is signed with; none where this process signs nothing, and serves what others sign.
    pub files: Option<Arc<dyn LedgerFiles>>,
}

/// Why no checkpoint of the whole log is served.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Hindrance {
    /// It will go away by itself.
    Later(String),
    /// A person has to look: something was altered, or restored from an older copy.
    Wrong(String),
}

impl From<ReadModelError> for Hindrance {
    fn from(error: ReadModelError) -> Self {
        Self::Later(error.to_string())
    }
}

impl From<keys::Unavailable> for Hindrance {
    fn from(error: keys::Unavailable) -> Self {
        Self::Later(error.to_string())
    }
}

/// A checkpoint as it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The signed note.
    pub note: Arc<str>,
    /// What it says.
    pub checkpoint: Checkpoint,
}

/// Signs the log's tree as it grows.
pub struct Signer {
    rows: Arc<dyn LedgerRows>,
    signing: Signing,
    log: Arc<EventLog>,
    vault: Vault,
    walked: Walked,
    served: watch::Sender<Option<Served>>,
    /// That the key store was restored from an older copy: said until a person has looked, and started the service again.
    restored: Option<String>,
}

impl Signer {
    /// Of the tree of `log`, as the rows have it. With the keyring of `vault` the entries are known for ours.
    pub fn new(rows: Arc<dyn LedgerRows>, signing: Signing, log: Arc<EventLog>, vault: Vault) -> Self {
        Self { rows, signing, log, vault, walked: Walked::default(), served: watch::Sender::default(), restored: None }
    }

    /// What is served, as it goes; none before it is known that there is a checkpoint of this tree.
    pub fn served(&self) -> watch::Receiver<Option<Served>> {
        self.served.subscribe()
    }

    /// Signs until told to stop, whenever the rows have moved (`progress`), and says in `health` what keeps it from that.
    pub async fn sign(mut self, mut progress: watch::Receiver<Progress>, health: HealthCheck, stop: CancellationToken) {
        let signing = async {
            loop {
                let begun = Instant::now();
                // Marked as seen before the rows are looked at: what moves meanwhile is the next turn's.
                progress.mark_unchanged();
                let outcome = self.turn().await;
                self.tell(&outcome, &health);
                sleep_until(begun + PACE).await;
                // Where the projector is gone, the service is about to stop.
                let _ = timeout(IDLE, progress.changed()).await;
            }
        };
        stop.run_until_cancelled(signing).await;
    }

    fn tell(&self, outcome: &Result<(), Hindrance>, health: &HealthCheck) {
        match (outcome, &self.restored) {
            // Sign-ins go on: a person is called, and nobody is sent away.
            (Err(Hindrance::Wrong(what)), _) | (Ok(()) | Err(Hindrance::Later(_)), Some(what)) => health.impaired(what),
            (Err(Hindrance::Later(what)), None) => health.yellow(format!("no new checkpoint: {what}")),
            (Ok(()), None) => health.green(),
        }
    }

    /// Once from a look at the rows to a checkpoint of all of them.
    async fn turn(&mut self) -> Result<(), Hindrance> {
        let rows = Arc::clone(&self.rows);
        let Some(tree) = Tree::look(&*rows).await? else { return Ok(()) };
        loop {
            let keeping = Keeping::look(&self.signing).await?;
            let served = self.served.borrow().clone();
            for known in [keeping.stored(), keeping.filed(), served.as_ref().map(|served| &served.checkpoint)] {
                let Some(known) = known else { continue };
                self.is_begun_by(&tree, known).await?;
            }
            if let Some(what) = keeping.restored() {
                self.restored = Some(what);
            }
            let Some(next) = keeping.next(&tree) else {
                return self.publish(&keeping, keeping.newest.clone()).await;
            };
            self.walked.up_to(&tree, keeping.stored(), (&self.log, &self.vault)).await?;
            if self.signing.checkpoints.replace(keeping.newest_note(), &next.kept.note, &next.crossings).await? {
                return self.publish(&keeping, Some(next.kept)).await;
            }
            // Another was faster: what it has signed is looked at as anybody's.
        }
    }

    /// Whether the tree is a continuation of that of a checkpoint.
    async fn is_begun_by(&self, tree: &Tree<'_>, known: &Checkpoint) -> Result<(), Hindrance> {
        if known.size <= tree.size {
            return tree.begins_with(known).await;
        }
        // Rows that are behind catch up; a log that is behind has lost what was signed.
        let head = self.log.head(Scope::All).await.map_err(|error| Hindrance::Later(error.to_string()))?;
        if head.position.get() < known.size {
            return Err(Hindrance::Wrong(format!(
                "a checkpoint of {} entries was signed, and the log has only {}: log and read model were restored from an \
                 older copy, or entries were removed; restore the newest copy of the log",
                known.size, head.position
            )));
        }
        Err(Hindrance::Later(format!("the rows are at position {}, and one of {} was signed", tree.size, known.size)))
    }

    /// Serves the newest checkpoint, and files it.
    async fn publish(&self, keeping: &Keeping, newest: Option<Kept>) -> Result<(), Hindrance> {
        let Some(Kept { note, checkpoint }) = newest else { return Ok(()) };
        self.served.send_if_modified(|served| {
            let next = Some(Served { note: note.as_str().into(), checkpoint });
            let differs = *served != next;
            if differs {
                *served = next;
            }
            differs
        });
        match &self.signing.files {
            Some(files) if keeping.filed_note() != Some(note.as_str()) => {
                files.put(&note).await.map_err(Hindrance::Later)
            }
            _ => Ok(()),
        }
    }
}
