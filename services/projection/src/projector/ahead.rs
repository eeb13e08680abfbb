//! Entries opened ahead: while one batch is written, the next are read, authenticated and decrypted on other threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::{Position, ServiceId};
use event_log::ReadError;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use keys::Vault;
use ledger::leaf_hash;
use wire::{Link, LogId, OpenError, Opened, Stored, open_events};

use super::{Broken, Halt};
use crate::labour::Labour;

/// The most entries that are opened as one.
pub const BATCH: usize = 1_024;
/// How many batches are opened at a time, ahead of the one that is written.
const AHEAD: usize = 3;

/// Entries in their order, and what comes after them that is no entry.
#[derive(Debug, Default)]
pub struct Ahead {
    /// What can be applied.
    pub opened: Vec<Opened>,
    /// Entries that were not chosen, where those count.
    pub passed: Vec<Link>,
    /// The position of the last entry, chosen or not.
    pub reached: Position,
    /// Why nothing follows it.
    pub then: Option<Halt>,
}

/// Which services' entries are opened.
#[derive(Clone)]
pub struct Chosen {
    /// From this place on.
    pub from: u64,
    /// Through this one, which may come nearer meanwhile.
    pub through: Arc<AtomicU64>,
    /// Whether the log's own entries are among them, and the others are hashed.
    pub counts: bool,
}

impl Chosen {
    /// Whether a service's entries are among them, or the log's own.
    pub fn takes(&self, service: Option<ServiceId>) -> bool {
        let through = self.through.load(Ordering::Relaxed);
        service.map_or(self.counts, |service| (self.from..=through).contains(&place(service)))
    }
}

/// Where a service comes among the others. Their ids are hashes, so they are spread evenly.
pub fn place(service: ServiceId) -> u64 {
    service.as_bytes().iter().take(8).fold(0, |place, byte| place << 8 | u64::from(*byte))
}

/// Opens a log's entries: whatever is ready goes together, and the order stays. Nothing follows a [`Halt`].
pub fn open_ahead(
    entries: BoxStream<'_, Result<Stored, ReadError>>,
    log: LogId,
    vault: Vault,
) -> impl Stream<Item = Ahead> + Send + '_ {
    let opening = entries.ready_chunks(BATCH).map(move |chunk| tokio::spawn(open(chunk, log, vault.clone(), None)));
    opening.buffered(AHEAD).map(or_panicked).ready_chunks(AHEAD).map(together)
}

/// The same of some services' entries only, by whoever does the work.
pub fn open_chosen<'a>(
    entries: BoxStream<'a, Result<Stored, ReadError>>,
    log: LogId,
    vault: Vault,
    chosen: Chosen,
    labour: &'a Labour,
) -> impl Stream<Item = Ahead> + Send + 'a {
    let opening = entries
        .ready_chunks(BATCH)
        .map(move |chunk| labour.spawn(open(chunk, log, vault.clone(), Some(chosen.clone()))));
    opening.buffered(AHEAD).map(or_panicked)
}

fn or_panicked(opened: Result<Ahead, tokio::task::JoinError>) -> Ahead {
    opened.unwrap_or_else(|_| {
        let what = "a task that opened entries has panicked; this is a bug of postkey's, please report it";
        Ahead { then: Some(Halt::Broken(Broken::Corrupt(what.to_owned()))), ..Ahead::default() }
    })
}

/// What was opened while the last batch was written is written as one.
fn together(batches: Vec<Ahead>) -> Ahead {
    batches.into_iter().fold(Ahead::default(), Ahead::followed_by)
}

impl Ahead {
    fn followed_by(mut self, next: Self) -> Self {
        if self.then.is_none() {
            self.opened.extend(next.opened);
            self.passed.extend(next.passed);
            self.reached = next.reached.max(self.reached);
            self.then = next.then;
        }
        self
    }
}

/// Opens entries; where one of them is broken, those before it all the same.
async fn open(chunk: Vec<Result<Stored, ReadError>>, log: LogId, vault: Vault, chosen: Option<Chosen>) -> Ahead {
    let mut ahead = Ahead::default();
    let mut stored = Vec::with_capacity(chunk.len());
    for entry in chunk {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                ahead.then = Some(error.into());
                break;
            }
        };
        ahead.reached = entry.position;
        match &chosen {
            Some(chosen) if !chosen.takes(entry.entry.subject.of_service()) => {
                if chosen.counts {
                    ahead.passed.push(Link { position: entry.position, leaf: leaf_hash(&entry.entry.bytes) });
                }
            }
            _ => stored.push(entry),
        }
    }
    loop {
        match open_events(&stored, log, &vault).await {
            Ok(opened) => return Ahead { opened, ..ahead },
            Err(error) => {
                let sound = match &error {
                    OpenError::Corrupt(corrupt) => corrupt.position,
                    OpenError::Lost { position, .. } => *position,
                    OpenError::Keys(_) => return Ahead { then: Some(error.into()), ..Ahead::default() },
                };
                stored.retain(|stored| stored.position < sound);
                ahead.passed.retain(|link| link.position < sound);
                ahead.then = Some(error.into());
            }
        }
    }
}
