//! The one task that writes records, as few times as it can, and removes those that are beyond the limits.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::log::Shared;
use crate::{Bounds, Record, Unavailable};

/// So many records are written at once, at the most.
const BATCH: usize = 512;
/// A record waits so long for others that are written with it, and a store that failed has so long until it is asked again.
const EVERY: Duration = Duration::from_secs(1);
/// How often what is beyond the limits is looked for, at the latest.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// So many records are removed at a time, of each limit.
const PRUNE_STEP: u32 = 4_096;
/// How long the end may take.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// The task that writes.
#[must_use = "whoever starts it ends it, so that the last records are written"]
pub struct Writing {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Writing {
    pub(crate) const fn of(task: JoinHandle<()>, stop: CancellationToken) -> Self {
        Self { task, stop }
    }

    /// Writes what waits and closes the store, for two seconds at the most. What is recorded from now on is lost.
    pub async fn end(self) {
        self.stop.cancel();
        if timeout(ENDS_WITHIN, self.task).await.is_err() {
            tracing::warn!("the last records of the activity log could not be written in time");
        }
    }
}

/// What the task works with.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    queued: mpsc::Receiver<Record>,
    batch: Vec<Record>,
    stop: CancellationToken,
    pruning: Pruning,
}

/// When what is beyond the limits is removed.
struct Pruning {
    /// Whether there was more than one step takes.
    under_way: bool,
    /// When it is due whatever comes.
    due: Instant,
    /// How many records have come since it was done.
    come: u64,
}

impl Writer {
    pub fn new(shared: Arc<Shared>, queued: mpsc::Receiver<Record>, stop: CancellationToken) -> Self {
        let pruning = Pruning { under_way: true, due: Instant::now(), come: 0 };
        Self { shared, queued, batch: Vec::with_capacity(BATCH), stop, pruning }
    }

    /// Until it is told to stop.
    pub async fn write(mut self) {
        while !self.stop.is_cancelled() {
            let idle = if self.pruning.under_way { Instant::now() } else { self.pruning.due };
            self.gather(idle).await;
            let done = match self.write_batch().await {
                Ok(()) => self.prune().await,
                failed => failed,
            };
            if done.is_err() {
                // It is asked again, also where nothing comes. What comes meanwhile fills the queue, and beyond it is lost.
                self.pruning.under_way = true;
                self.stop.run_until_cancelled(sleep(EVERY)).await;
            }
        }
        self.queued.close();
        while self.queued.recv_many(&mut self.batch, BATCH).await > 0 || !self.batch.is_empty() {
            // Why it could not be written was said.
            let _ = self.write_batch().await;
        }
        self.shared.store.close().await;
    }

    /// Takes as many records as come within a second of the first, and fit into a batch; none where none has come until
    /// `idle`.
    async fn gather(&mut self, idle: Instant) {
        tokio::select! {
            biased;
            _ = self.queued.recv_many(&mut self.batch, BATCH) => {}
            () = sleep_until(idle) => return,
            () = self.stop.cancelled() => return,
        }
        let until = Instant::now() + EVERY;
        while self.batch.len() < BATCH {
            let room = BATCH - self.batch.len();
            tokio::select! {
                _ = self.queued.recv_many(&mut self.batch, room) => {}
                () = sleep_until(until) => return,
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// Writes the batch, and says in its first record how many were lost before; or counts it as lost.
    async fn write_batch(&mut self) -> Result<(), Unavailable> {
        let Some(first) = self.batch.first_mut() else { return Ok(()) };
        let untold = self.shared.take_untold();
        first.lost = untold;
        let written = self.shared.store.append(&self.batch).await;
        let records = u64::try_from(self.batch.len()).unwrap_or(u64::MAX);
        self.batch.clear();
        match &written {
            Ok(()) => self.pruning.come += records,
            Err(_) => {
                self.shared.give_back_untold(untold);
                self.shared.lose(records);
            }
        }
        self.say(&written);
        written
    }

    /// Removes a step of what is beyond the limits, where it is time to look.
    async fn prune(&mut self) -> Result<(), Unavailable> {
        let limits = self.shared.limits;
        // A sixteenth more than may be is a reason to look, also within the minute.
        let many = self.pruning.come >= (limits.most / 16).max(1);
        if !self.pruning.under_way && !many && Instant::now() < self.pruning.due {
            return Ok(());
        }
        let now = (self.shared.now)();
        // An age that reaches back beyond what a calendar can say is no limit.
        let since = now.checked_sub_signed(limits.age()).unwrap_or_default();
        let removed = self.shared.store.prune(Bounds { since, most: limits.most }, PRUNE_STEP).await;
        self.pruning.under_way = !matches!(removed, Ok(0));
        self.pruning.due = Instant::now() + PRUNE_EVERY;
        self.pruning.come = 0;
        let removed = removed.map(|_| ());
        self.say(&removed);
        removed
    }

    /// Says how the store does, to whoever watches.
    fn say(&self, done: &Result<(), Unavailable>) {
        let trouble = done.as_ref().err().map(|error| format!("{error}; what would be recorded meanwhile is lost"));
        self.shared.trouble.send_if_modified(|told| {
            let news = *told != trouble;
            *told = trouble;
            news
        });
    }
}
