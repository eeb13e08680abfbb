//! Stores that do on demand what stores do.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::{KeyId, Position};
use event_log::{Appended, Head, LogStore, ReadError, Scope};
use futures::stream::BoxStream;
use futures::{StreamExt, future, stream};
use keys::{KeyStore, StoredKey, Unavailable, WrappedKey};
use tokio::sync::watch;
use wire::{Entry, Stored};

use super::LIMIT;

/// Keys in memory, which can be switched off.
#[derive(Default)]
pub struct MemoryKeys {
    /// None where a key was destroyed.
    keys: Mutex<HashMap<KeyId, Option<WrappedKey>>>,
    cursor: Mutex<Position>,
    down: AtomicBool,
    lost: AtomicBool,
}

impl MemoryKeys {
    /// Whether its keys are lost, or restored again.
    pub fn lose(&self, lost: bool) {
        self.lost.store(lost, Ordering::SeqCst);
    }

    pub fn switch(&self, on: bool) {
        self.down.store(!on, Ordering::SeqCst);
    }

    pub fn count(&self) -> usize {
        self.keys.lock().unwrap().len()
    }

    pub fn ids(&self) -> Vec<KeyId> {
        self.keys.lock().unwrap().keys().copied().collect()
    }

    fn up(&self) -> Result<(), Unavailable> {
        if self.down.load(Ordering::SeqCst) { Err(Unavailable("switched off".to_owned())) } else { Ok(()) }
    }
}

#[async_trait]
impl KeyStore for MemoryKeys {
    async fn create(&self, keys: &[(KeyId, WrappedKey)]) -> Result<(), Unavailable> {
        self.up()?;
        let mut stored = self.keys.lock().unwrap();
        for (id, key) in keys {
            stored.entry(*id).or_insert_with(|| Some(key.clone()));
        }
        Ok(())
    }

    async fn fetch(&self, ids: &[KeyId]) -> Result<HashMap<KeyId, StoredKey>, Unavailable> {
        self.up()?;
        let stored = self.keys.lock().unwrap();
        let lost = self.lost.load(Ordering::SeqCst);
        let there = |id: &KeyId| stored.get(id).filter(|_| !lost);
        let one = |id: &KeyId| match there(id) {
            Some(Some(key)) => (*id, StoredKey::Here(key.clone())),
            Some(None) => (*id, StoredKey::Destroyed),
            None => (*id, StoredKey::NeverSeen),
        };
        Ok(ids.iter().map(one).collect())
    }

    async fn destroy(&self, ids: &[KeyId], to: Position) -> Result<(), Unavailable> {
        self.up()?;
        self.keys.lock().unwrap().extend(ids.iter().map(|id| (*id, None)));
        let mut cursor = self.cursor.lock().unwrap();
        *cursor = to.max(*cursor);
        Ok(())
    }

    async fn cursor(&self) -> Result<Position, Unavailable> {
        self.up().map(|()| *self.cursor.lock().unwrap())
    }
}

type Interlude = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A way to the log on which things happen.
pub struct Hooked {
    inner: Arc<dyn LogStore>,
    down: AtomicBool,
    forgets: AtomicBool,
    interlude: Mutex<Option<Interlude>>,
    appends: watch::Sender<u64>,
    read_after: Mutex<Vec<Position>>,
    holds_reads: watch::Sender<bool>,
}

impl Hooked {
    pub fn new(inner: Arc<dyn LogStore>) -> Self {
        Self {
            inner,
            down: AtomicBool::new(false),
            forgets: AtomicBool::new(false),
            interlude: Mutex::default(),
            appends: watch::Sender::default(),
            read_after: Mutex::default(),
            holds_reads: watch::Sender::default(),
        }
    }

    /// Whether reads wait before they bring anything.
    pub fn hold_reads(&self, on: bool) {
        self.holds_reads.send_replace(on);
    }

    /// Whether the log can be asked at all.
    pub fn switch(&self, on: bool) {
        self.down.store(!on, Ordering::SeqCst);
    }

    /// The next append is written, but nobody hears of it: the way is down from then on.
    pub fn forget_the_next(&self) {
        self.forgets.store(true, Ordering::SeqCst);
    }

    /// Happens between the decision and the next append.
    pub fn before_the_next_append(&self, interlude: impl Future<Output = ()> + Send + 'static) {
        *self.interlude.lock().unwrap() = Some(Box::pin(interlude));
    }

    /// How many appends were tried.
    pub fn appends(&self) -> u64 {
        *self.appends.borrow()
    }

    /// Waits until so many appends were tried.
    pub async fn tried(&self, appends: u64) {
        let mut tried = self.appends.subscribe();
        tokio::time::timeout(LIMIT, tried.wait_for(|tried| *tried >= appends)).await.unwrap().unwrap();
    }

    /// How often the log was read since [`Self::read_after`] was last asked.
    pub fn reads(&self) -> usize {
        self.read_after.lock().unwrap().len()
    }

    /// From where the log was read since this was last asked.
    pub fn read_after(&self) -> Vec<u64> {
        std::mem::take(&mut *self.read_after.lock().unwrap()).into_iter().map(Position::get).collect()
    }

    fn up(&self) -> Result<(), ReadError> {
        if self.down.load(Ordering::SeqCst) { Err(ReadError::Unavailable("down".to_owned())) } else { Ok(()) }
    }
}

#[async_trait]
impl LogStore for Hooked {
    async fn try_append(&self, entry: &Entry, expected: Position) -> Appended {
        self.appends.send_modify(|appends| *appends += 1);
        let interlude = self.interlude.lock().unwrap().take();
        if let Some(interlude) = interlude {
            interlude.await;
        }
        if self.up().is_err() {
            return Appended::Unknown;
        }
        let appended = self.inner.try_append(entry, expected).await;
        if self.forgets.swap(false, Ordering::SeqCst) {
            self.switch(false);
            return Appended::Unknown;
        }
        appended
    }

    fn read(&self, scope: Scope, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        self.read_after.lock().unwrap().push(after);
        match self.up() {
            // A read takes a moment, in which others go on.
            Ok(()) => {
                let mut held = self.holds_reads.subscribe();
                let moment = async move {
                    tokio::task::yield_now().await;
                    drop(held.wait_for(|held| !held).await);
                };
                stream::once(moment).flat_map(move |()| self.inner.read(scope.clone(), after)).boxed()
            }
            Err(error) => stream::once(future::ready(Err(error))).boxed(),
        }
    }

    fn follow(&self, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        self.inner.follow(after)
    }

    async fn head(&self, scope: Scope) -> Result<Head, ReadError> {
        self.up()?;
        self.inner.head(scope).await
    }
}
