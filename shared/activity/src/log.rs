//! Where activities are recorded, by whoever knows of them, and where they are read.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::writing::{Writer, Writing};
use crate::{Activity, ActivityStore, Record};

/// So many records wait to be written at the most: some two megabytes.
const QUEUE: usize = 8_192;

/// For how long records are kept, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// So many days, at least one.
    pub days: u32,
    /// So many of each kind, at least one.
    pub most: u64,
}

impl Limits {
    /// The age at which a record is removed.
    pub(crate) fn age(self) -> TimeDelta {
        TimeDelta::days(i64::from(self.days))
    }
}

/// The activity log of a process, or none. Clones are the same.
#[derive(Clone, Default)]
pub struct ActivityLog(Option<Arc<Shared>>);

/// What those who record and the one who writes share.
pub(crate) struct Shared {
    pub store: Arc<dyn ActivityStore>,
    pub limits: Limits,
    pub now: Box<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    queue: mpsc::Sender<Record>,
    /// Lost since the start.
    lost: AtomicU64,
    /// Of these, those that no record tells of yet.
    untold: AtomicU64,
    /// Why records are lost at the moment; none where they are not.
    pub trouble: watch::Sender<Option<String>>,
}

impl Shared {
    /// Counts records that are lost.
    pub fn lose(&self, records: u64) {
        self.lost.fetch_add(records, Ordering::Relaxed);
        self.untold.fetch_add(records, Ordering::Relaxed);
    }

    /// How many were lost that nobody was told of, to be told now.
    pub fn take_untold(&self) -> u64 {
        self.untold.swap(0, Ordering::Relaxed)
    }

    /// What could not be told after all.
    pub fn give_back_untold(&self, records: u64) {
        self.untold.fetch_add(records, Ordering::Relaxed);
    }
}

impl ActivityLog {
    /// None: nothing is kept, and nothing can be read.
    pub fn none() -> Self {
        Self(None)
    }

    /// Keeps records in a store, within limits, stamped by `now`. One task writes them, and ends with [`Writing::end`].
    pub fn start(
        store: Arc<dyn ActivityStore>,
        limits: Limits,
        now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static,
    ) -> (Self, Writing) {
        let (queue, queued) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared {
            store,
            limits,
            now: Box::new(now),
            queue,
            lost: AtomicU64::new(0),
            untold: AtomicU64::new(0),
            trouble: watch::channel(None).0,
        });
        let stop = CancellationToken::new();
        let writing = tokio::spawn(Writer::new(Arc::clone(&shared), queued, stop.clone()).write());
        (Self(Some(shared)), Writing::of(writing, stop))
    }

    /// Records what was done. It never waits and never fails: what can't be kept is lost, and counted. Without a store it does
    /// nothing, and does not ask what was done.
    pub fn record(&self, activity: impl FnOnce() -> Activity) {
        let Some(shared) = &self.0 else { return };
        // What comes while the queue is full, or once it was closed.
        let Ok(place) = shared.queue.try_reserve() else { return shared.lose(1) };
        place.send(Record { at: (shared.now)(), lost: 0, activity: activity() });
    }

    /// Where records are read; none where none are kept.
    pub fn store(&self) -> Option<&Arc<dyn ActivityStore>> {
        self.0.as_ref().map(|shared| &shared.store)
    }

    /// How many records were lost since the process has started.
    pub fn lost(&self) -> u64 {
        self.0.as_ref().map_or(0, |shared| shared.lost.load(Ordering::Relaxed))
    }

    /// Why records are lost at the moment, in words for an operator, as it changes; nothing where none are kept.
    pub fn trouble(&self) -> Option<watch::Receiver<Option<String>>> {
        self.0.as_ref().map(|shared| shared.trouble.subscribe())
    }
}

impl fmt::Debug for ActivityLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ActivityLog").field(&self.0.is_some()).finish()
    }
}
