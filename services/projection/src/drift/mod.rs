//! The drift watch: whoever leads folds the history of one service after the other again, at a bounded rate, and compares what
//! comes of it with the live rows. A row that was changed behind our back is found, whoever looks it up meanwhile.

mod found;
mod look;
mod round;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use event_log::EventLog;
use keys::Vault;
use postkey_http::HealthCheck;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::found::Found;
use crate::projector::Progress;
use crate::read_model::{Leadership, Queries, ReadModelWriter, Strays};

/// The pause between two rounds, and after something that can't be reached.
const PAUSE: Duration = Duration::from_secs(1);

/// What is looked at.
pub struct Drift {
    log: Arc<EventLog>,
    vault: Vault,
    rows: Arc<dyn ReadModelWriter>,
    leadership: Arc<dyn Leadership>,
    queries: Arc<dyn Queries>,
    strays: Arc<dyn Strays>,
    /// How many entries are folded, and rows are read, a second.
    rate: u64,
    looked: Arc<Looked>,
}

/// How much was looked at; for metrics.
#[derive(Debug, Default)]
pub struct Looked {
    services: AtomicU64,
    round: Mutex<Option<Instant>>,
}

impl Looked {
    /// How many services, since the process began.
    pub fn services(&self) -> u64 {
        self.services.load(Ordering::Relaxed)
    }

    /// How long ago the last whole round ended; none before the first.
    pub fn last_round(&self) -> Option<Duration> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner).map(|ended| ended.elapsed())
    }

    fn service(&self) {
        self.services.fetch_add(1, Ordering::Relaxed);
    }

    fn round(&self) {
        *self.round.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// Why a look ends before it has said anything.
enum Ended {
    /// Something can't be reached now, or can't be made sense of: others say so.
    Later,
    /// Another leads.
    Deposed,
}

impl Drift {
    /// Of the live rows and their log; `rate` is in entries a second, or rows, at least 1.
    pub fn new(
        (log, vault): (Arc<EventLog>, Vault),
        (rows, leadership): (Arc<dyn ReadModelWriter>, Arc<dyn Leadership>),
        queries: Arc<dyn Queries>,
        strays: Arc<dyn Strays>,
        rate: u64,
    ) -> Self {
        Self { log, vault, rows, leadership, queries, strays, rate, looked: Arc::default() }
    }

    /// How much was looked at.
    pub fn looked(&self) -> Arc<Looked> {
        Arc::clone(&self.looked)
    }

    /// Looks at one service after the other while this projection leads, round after round, until `stop`. What was found
    /// stays said in `health` until a later look finds it well; who stands by says nothing, for the other does.
    pub async fn watch(
        self,
        mut progress: watch::Receiver<Progress>,
        mut leads: watch::Receiver<bool>,
        health: HealthCheck,
        stop: CancellationToken,
    ) {
        health.green();
        let watching = async {
            loop {
                let well = |progress: &Progress| progress.identified && progress.halted.is_none();
                if leads.wait_for(|leads| *leads).await.is_err() || progress.wait_for(well).await.is_err() {
                    return;
                }
                let mut found = Found::default();
                while let Err(Ended::Later) | Ok(()) = self.round(&mut found, &progress, &leads, &health).await {
                    sleep(PAUSE).await;
                }
                health.green();
            }
        };
        stop.run_until_cancelled(watching).await;
    }

    /// Waits for as long as so many entries or rows may take.
    async fn pace(&self, read: usize) {
        sleep(Duration::from_secs_f64(read as f64 / self.rate as f64)).await;
    }
}
