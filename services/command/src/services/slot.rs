//! One service at hand: what is known of it, and who may change it next.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::ServiceId;
use postkey_http::{Code, Problem};
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;
use wire::{Corrupt, Opened};

use crate::folded::Folded;

/// How long a command waits for its turn on a service. While the log is down each turn takes as long as an append may.
const TURN_WITHIN: Duration = Duration::from_secs(10);

/// One service at hand.
pub struct Slot {
    pub(super) id: ServiceId,
    /// Whether it was read up to an end once, and nothing that came later was found not to follow.
    loaded: AtomicBool,
    folded: Mutex<Folded>,
    /// Commands on one service queue here: whoever decides and appends holds it.
    queue: Arc<tokio::sync::Mutex<()>>,
    /// How many reads of the log were begun, and which of them was the last that came to its end.
    begun: AtomicU64,
    done: AtomicU64,
}

/// The turn on a service.
pub type Turn = OwnedMutexGuard<()>;

impl Slot {
    /// Nothing is known of it yet.
    pub fn new(id: ServiceId) -> Self {
        Self {
            id,
            loaded: AtomicBool::new(false),
            folded: Mutex::default(),
            queue: Arc::default(),
            begun: AtomicU64::new(0),
            done: AtomicU64::new(0),
        }
    }

    /// The turn to catch up, or to decide and append.
    ///
    /// # Errors
    /// Where too many are before us, or all of a long history is still being read.
    pub async fn turn(&self) -> Result<Turn, Problem> {
        timeout(TURN_WITHIN, Arc::clone(&self.queue).lock_owned()).await.map_err(|_| {
            let detail = if self.is_loaded() {
                "too many changes of this service are waiting"
            } else {
                "the history of this service is still being read"
            };
            Problem::new(Code::Overloaded).with_detail(detail)
        })
    }

    /// Whether it is nobody's turn, and nobody waits for one.
    pub(super) fn is_left(&self) -> bool {
        self.queue.try_lock().is_ok()
    }

    /// What is known of it now. Never held across an await.
    pub fn folded(&self) -> MutexGuard<'_, Folded> {
        self.folded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what is known of it is a history: what is not, nobody is refused by.
    pub fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// What it takes of memory, in users; a service without any takes a little too.
    pub(super) fn weight(&self) -> usize {
        self.folded().weight()
    }

    /// Folds the next entry. Where it does not follow, nothing is known any more.
    pub(super) fn apply(&self, opened: &Opened) -> Result<(), Corrupt> {
        let applied = self.folded().apply(opened);
        if applied.is_err() {
            self.unload();
        }
        applied
    }

    /// All of it has to be read again.
    pub(super) fn unload(&self) {
        let mut folded = self.folded();
        self.loaded.store(false, Ordering::Release);
        *folded = Folded::default();
    }

    /// A read begins. The caller holds the turn.
    pub(super) fn begins(&self) -> Read {
        Read(self.begun.fetch_add(1, Ordering::AcqRel) + 1)
    }

    /// A read has come to the log's end.
    pub(super) fn ends(&self, read: Read) {
        self.done.store(read.0, Ordering::Release);
        self.loaded.store(true, Ordering::Release);
    }

    /// The last read that was begun.
    pub(super) fn last_begun(&self) -> Read {
        Read(self.begun.load(Ordering::Acquire))
    }

    /// Whether a read has come to its end that was begun after `this` was the last, and nothing was found wrong since.
    pub(super) fn was_read_since(&self, this: Read) -> bool {
        self.is_loaded() && self.done.load(Ordering::Acquire) > this.0
    }
}

/// A read of the log, by its number.
#[derive(Clone, Copy, Debug)]
pub struct Read(u64);
