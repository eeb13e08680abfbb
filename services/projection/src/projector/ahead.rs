//! Entries opened ahead: while one batch is written, the next are read, authenticated and decrypted on other threads.

use event_log::ReadError;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use keys::Vault;
use wire::{LogId, OpenError, Opened, Stored, open_all};

use super::{Broken, Halt};

/// The most entries that are opened as one.
pub const BATCH: usize = 1_024;
/// How many batches are opened at a time, ahead of the one that is written.
const AHEAD: usize = 3;

/// Entries in their order, and what comes after them that is no entry.
#[derive(Debug, Default)]
pub struct Ahead {
    /// What can be applied.
    pub opened: Vec<Opened>,
    /// Why nothing follows it.
    pub then: Option<Halt>,
}

/// Opens a log's entries: whatever is ready goes together, and the order stays. Nothing follows a [`Halt`].
pub fn open_ahead(
    entries: BoxStream<'_, Result<Stored, ReadError>>,
    log: LogId,
    vault: Vault,
) -> impl Stream<Item = Ahead> + Send + '_ {
    let opening = entries.ready_chunks(BATCH).map(move |chunk| tokio::spawn(open(chunk, log, vault.clone())));
    let opened = opening.buffered(AHEAD).map(|opened| {
        opened.unwrap_or_else(|_| {
            let what = "a task that opened entries has panicked; this is a bug of postkey's, please report it";
            Ahead { opened: Vec::new(), then: Some(Halt::Broken(Broken::Corrupt(what.to_owned()))) }
        })
    });
    // What was opened while the last batch was written is written as one.
    opened.ready_chunks(AHEAD).map(|batches| batches.into_iter().fold(Ahead::default(), Ahead::followed_by))
}

impl Ahead {
    fn followed_by(mut self, next: Self) -> Self {
        if self.then.is_none() {
            self.opened.extend(next.opened);
            self.then = next.then;
        }
        self
    }
}

/// Opens entries; where one of them is broken, those before it all the same.
async fn open(chunk: Vec<Result<Stored, ReadError>>, log: LogId, vault: Vault) -> Ahead {
    let (mut stored, mut then) = (Vec::with_capacity(chunk.len()), None);
    for entry in chunk {
        match entry {
            Ok(entry) => stored.push(entry),
            Err(error) => {
                then = Some(error.into());
                break;
            }
        }
    }
    loop {
        match open_all(&stored, log, &vault).await {
            Ok(opened) => return Ahead { opened, then },
            Err(error) => {
                let sound = match &error {
                    OpenError::Corrupt(corrupt) => corrupt.position,
                    OpenError::Lost { position, .. } => *position,
                    OpenError::Keys(_) => return Ahead { opened: Vec::new(), then: Some(error.into()) },
                };
                stored.retain(|stored| stored.position < sound);
                then = Some(error.into());
            }
        }
    }
}
