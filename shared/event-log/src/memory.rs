//! A log in memory, for tests: no disk, no threads of its own, and thus at home under paused time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_stream::try_stream;
use async_trait::async_trait;
use domain::Position;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::watch;
use wire::{Entry, LogId, Stored};

use crate::{Appended, Head, LogStore, ReadError, Scope};

/// A log that is gone when it is dropped. It passes the contract in everything but durability.
pub struct MemoryStore {
    log: LogId,
    entries: Mutex<Vec<Stored>>,
    heard: watch::Sender<Position>,
}

impl MemoryStore {
    /// An empty log with this id.
    pub fn new(log: LogId) -> Self {
        Self { log, entries: Mutex::default(), heard: watch::channel(Position::START).0 }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Stored>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, scope: &Scope, after: Position) -> Option<Stored> {
        let entries = self.entries();
        let from = usize::try_from(after.get()).unwrap_or(usize::MAX).min(entries.len());
        entries[from..].iter().find(|stored| scope.covers(&stored.entry.subject)).cloned()
    }
}

fn last(entries: &[Stored], scope: &Scope) -> Position {
    let stored = entries.iter().rfind(|stored| scope.covers(&stored.entry.subject));
    stored.map_or(Position::START, |stored| stored.position)
}

#[async_trait]
impl LogStore for MemoryStore {
    async fn try_append(&self, entry: &Entry, expected: Position) -> Appended {
        let mut entries = self.entries();
        if last(&entries, &Scope::Subject(entry.subject.clone())) != expected {
            return Appended::Conflict;
        }
        let position = last(&entries, &Scope::All).next();
        entries.push(Stored { position, entry: entry.clone() });
        self.heard.send_replace(position);
        Appended::At(position)
    }

    fn read(&self, scope: Scope, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        try_stream! {
            let mut from = after;
            while let Some(stored) = self.next(&scope, from) {
                from = stored.position;
                yield stored;
            }
        }
        .boxed()
    }

    fn follow(&self, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        try_stream! {
            let mut news = self.heard.subscribe();
            let mut from = after;
            loop {
                while let Some(stored) = self.next(&Scope::All, from) {
                    from = stored.position;
                    yield stored;
                }
                // The sender lives as long as `self`.
                let _ = news.wait_for(|heard| *heard > from).await;
            }
        }
        .boxed()
    }

    async fn head(&self, scope: Scope) -> Result<Head, ReadError> {
        Ok(Head { log: self.log, position: last(&self.entries(), &scope) })
    }
}
