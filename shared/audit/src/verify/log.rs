//! A log, read from its beginning to its end: entries are looked at side by side, and taken in one after the other.

use std::sync::Arc;

use domain::Position;
use event_log::{Corrupt, LogStore, ReadError, Scope};
use futures::StreamExt;
use keys::{KeyStore, StoredKey, Unavailable};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use wire::Stored;

use super::examine::{Examined, Examiner};
use super::finding::Kind;
use super::history::History;
use super::tiles::Tiles;

/// So many entries are looked at in one piece.
const PIECE: usize = 512;
/// So many pieces are ahead of what is taken in; with that, memory does not grow with the log.
const AHEAD: usize = 4;

/// Why nothing can be said: it is nobody's doing, and worth another try.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CouldNotLook {
    /// The log can't be read now.
    #[error("the log can't be read: {0}; try again once it can")]
    Log(String),
    /// The key store can't be asked now.
    #[error("{0}; try again once it can, or leave out the keys")]
    Keys(#[from] Unavailable),
    /// The read model can't be asked now.
    #[error("the read model can't be read: {0}; try again once it can, or leave it out")]
    Rows(String),
    /// What the read model says of all of its rows, or of the ledger, is nothing that we ever wrote.
    #[error("the read model: {0}: somebody changed it; `postkey rebuild` makes it anew from the log")]
    Damaged(String),
    /// The export can't be read now.
    #[error("the export can't be read: {0}")]
    Export(String),
    /// A bug.
    #[error("a part of postkey has stopped; this is a bug of postkey's, please report it")]
    Stopped,
}

/// What comes out of the log.
enum Piece {
    Entries(JoinHandle<Result<Vec<Examined>, Unavailable>>),
    /// Something that the store can't say, and the position that it is about.
    Unreadable(Position, String),
    Failed(CouldNotLook),
}

/// Takes the log of `store` into `history`, from behind what it has, up to where it ends now. `step` is told of each piece
/// that was taken in.
///
/// # Errors
/// Where log or keys can't be asked.
pub async fn take_log(
    store: &Arc<dyn LogStore>,
    examiner: &Arc<Examiner>,
    history: &mut History,
    watches: &mut Watches,
    mut step: impl FnMut(Position),
) -> Result<(), CouldNotLook> {
    let (send, mut pieces) = mpsc::channel(AHEAD);
    tokio::spawn(pieces_of(Arc::clone(store), Arc::clone(examiner), history.last(), send));
    while let Some(piece) = pieces.recv().await {
        match piece {
            Piece::Entries(examined) => {
                for examined in examined.await.map_err(|_| CouldNotLook::Stopped)?? {
                    history.take(examined);
                }
                watches.look(history).await?;
                step(history.last());
            }
            Piece::Unreadable(position, what) => history.unreadable(position, what),
            Piece::Failed(failed) => return Err(failed),
        }
    }
    Ok(())
}

/// Reads the log in pieces, and has each looked at while the next is read.
async fn pieces_of(store: Arc<dyn LogStore>, examiner: Arc<Examiner>, after: Position, send: mpsc::Sender<Piece>) {
    let mut last = after;
    loop {
        let from = last;
        let mut entries = store.read(Scope::All, from).ready_chunks(PIECE);
        let mut failed = None;
        while let Some(piece) = entries.next().await {
            let mut sound = Vec::with_capacity(piece.len());
            for entry in piece {
                match entry {
                    Ok(stored) => {
                        last = stored.position;
                        sound.push(stored);
                    }
                    Err(error) => failed = Some(error),
                }
            }
            if !sound.is_empty() && send.send(examined(&examiner, sound)).await.is_err() {
                return;
            }
        }
        let (piece, goes_on) = match failed {
            None => return,
            Some(ReadError::Unavailable(what)) => (Piece::Failed(CouldNotLook::Log(what)), false),
            // What is missing is seen from what comes behind it.
            Some(ReadError::Corrupt(Corrupt::Gap { found, .. })) if found.get() > last.get() + 1 => {
                last = Position::new(found.get() - 1);
                continue;
            }
            Some(ReadError::Corrupt(corrupt)) => {
                let position = corrupt.position().max(last.next());
                let goes_on = corrupt.position() > last;
                last = position;
                (Piece::Unreadable(position, corrupt.to_string()), goes_on)
            }
        };
        if send.send(piece).await.is_err() || !goes_on {
            return;
        }
    }
}

fn examined(examiner: &Arc<Examiner>, entries: Vec<Stored>) -> Piece {
    let (examiner, runtime) = (Arc::clone(examiner), Handle::current());
    Piece::Entries(spawn_blocking(move || examiner.examine(&entries, &runtime)))
}

/// What is held against the log beside it, as it is read.
#[derive(Default)]
pub struct Watches {
    /// The key store.
    pub dooms: Option<Dooms>,
    /// The ledger's hashes beside the rows.
    pub tiles: Option<Tiles>,
}

impl Watches {
    pub(super) async fn look(&mut self, history: &mut History) -> Result<(), CouldNotLook> {
        if let Some(dooms) = &mut self.dooms {
            dooms.look(history).await?;
        }
        if let Some(tiles) = &mut self.tiles {
            tiles.look(history).await?;
        }
        Ok(())
    }
}

/// Holds the key store against what the log dooms.
pub struct Dooms {
    store: Arc<dyn KeyStore>,
    /// All that is doomed up to here must be gone.
    cursor: Position,
    /// How many keys are still there that entries behind the cursor doom.
    pub to_come: u64,
}

impl Dooms {
    /// Of `store`, as far as it has come by now.
    ///
    /// # Errors
    /// Where it can't be asked.
    pub async fn new(store: Arc<dyn KeyStore>) -> Result<Self, Unavailable> {
        let cursor = store.cursor().await?;
        Ok(Self { store, cursor, to_come: 0 })
    }

    /// How far destruction had come.
    pub const fn cursor(&self) -> Position {
        self.cursor
    }

    /// What was destroyed and is doomed by nothing, once the whole of a log was read that nobody has closed: keys are fetched with
    /// the entries that use them, so what dooms them stood there by then.
    pub fn end(&self, history: &mut History) {
        let mut undoomed: Vec<_> = std::mem::take(&mut history.undoomed).into_iter().collect();
        undoomed.retain(|(_, (service, _))| history.is_sound(*service));
        undoomed.sort_unstable_by_key(|(key, (_, position))| (*position, *key));
        for (key, (_, position)) in undoomed {
            let what = format!(
                "key {key}, which it is sealed under, was destroyed, and no entry dooms it: restore the key store"
            );
            history.findings.add(position, Kind::Key, what);
        }
    }

    /// Looks at what entries doom that `history` has taken in since it was asked last.
    pub(super) async fn look(&mut self, history: &mut History) -> Result<(), Unavailable> {
        let doomed = std::mem::take(&mut history.doomed);
        if doomed.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = doomed.iter().map(|(_, key)| *key).collect();
        let found = self.store.fetch(&ids).await?;
        for (position, key) in doomed {
            if !matches!(found.get(&key), Some(StoredKey::Here(_))) {
                continue;
            }
            if position > self.cursor {
                self.to_come += 1;
                continue;
            }
            let what = format!(
                "it dooms key {key}, which is in the key store all the same: the store was restored from an older copy, \
                 or somebody put it back"
            );
            history.findings.add(position, Kind::Key, what);
        }
        Ok(())
    }
}
