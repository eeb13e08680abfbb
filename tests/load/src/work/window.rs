//! The timed part, and who waits for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::{say_begin, say_over};
use crate::failure::Failure;
use crate::tally::{Latencies, Tally};

/// How long a load runs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Timing {
    /// Seconds before the timed part.
    pub warm_up: f64,
    /// Seconds that are timed.
    pub seconds: f64,
}

/// What the workers of one process share. Only what ends in the timed part counts.
#[derive(Default)]
pub struct Window {
    timed: AtomicBool,
    over: AtomicBool,
    ready: AtomicUsize,
    everybody: Notify,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    latencies: Vec<u64>,
    failures: BTreeMap<String, u64>,
}

impl Window {
    /// One that has not begun.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A worker has prepared what it needs.
    pub fn ready(&self) {
        self.ready.fetch_add(1, Ordering::Relaxed);
        self.everybody.notify_one();
    }

    /// Whether workers are to stop.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Whether what ends now counts.
    pub fn is_timed(&self) -> bool {
        self.timed.load(Ordering::Relaxed)
    }

    /// An operation has ended well.
    pub fn done(&self, begun: Instant) {
        if self.is_timed() {
            let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).latencies.push(micros);
        }
    }

    /// An operation has failed.
    pub fn failed(&self, how: &str) {
        if self.is_timed() {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            *seen.failures.entry(how.to_owned()).or_insert(0) += 1;
        }
    }

    /// Waits until all `workers` are ready, warms up, times, and tells the workers to stop.
    ///
    /// # Errors
    /// Where nobody listens any more.
    pub async fn run(&self, workers: usize, timing: Timing) -> Result<Tally, Failure> {
        while self.ready.load(Ordering::Relaxed) < workers {
            self.everybody.notified().await;
        }
        tokio::time::sleep(Duration::from_secs_f64(timing.warm_up)).await;
        say_begin()?;
        let begun = Instant::now();
        self.timed.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs_f64(timing.seconds)).await;
        self.timed.store(false, Ordering::Relaxed);
        let seconds = begun.elapsed().as_secs_f64();
        say_over()?;
        self.over.store(true, Ordering::Relaxed);
        Ok(self.tally(seconds))
    }

    fn tally(&self, seconds: f64) -> Tally {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (latencies, failures) = (std::mem::take(&mut seen.latencies), std::mem::take(&mut seen.failures));
        Tally { operations: latencies.len() as u64, seconds, failures, latencies_us: Latencies::of(latencies) }
    }
}
