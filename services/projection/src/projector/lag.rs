//! For how long the rows have been behind the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Position;
use event_log::EventLog;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::Progress;

/// How often it is looked whether the log was seen to grow, where the rows do not move.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// For how long the live rows have been behind what was seen of the log: by the projector's progress and nothing else, also
/// where it stands by for another.
pub struct Lag {
    log: Arc<EventLog>,
    progress: watch::Receiver<Progress>,
    /// A position beyond the rows, and when it was found to be; none while they are not behind.
    awaited: Mutex<Option<(Position, Instant)>>,
}

impl Lag {
    /// Of a projector of `log`, as it tells its progress. A task looks whenever the rows or the log have moved, so that
    /// whoever asks later is told from when on; it ends with this, or with the projector.
    pub fn watched(log: Arc<EventLog>, mut progress: watch::Receiver<Progress>) -> Arc<Self> {
        let lag = Arc::new(Self { log, progress: progress.clone(), awaited: Mutex::new(None) });
        let watched = Arc::downgrade(&lag);
        tokio::spawn(async move {
            while !matches!(timeout(LOOK_EVERY, progress.changed()).await, Ok(Err(_))) {
                let Some(lag) = watched.upgrade() else { break };
                lag.now();
            }
        });
        lag
    }

    /// For how long the rows have lacked an entry that was seen in the log, to a second; zero where they lack none. Rows
    /// that are always an entry behind, under load, lag for as long as one entry takes.
    pub fn now(&self) -> Duration {
        let at = self.progress.borrow().position;
        let seen = self.log.seen();
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        if at >= seen {
            *awaited = None;
            return Duration::ZERO;
        }
        let still = awaited.filter(|(position, _)| at < *position);
        let (_, since) = *awaited.insert(still.unwrap_or_else(|| (seen, Instant::now())));
        since.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use event_log::{LogStore, MemoryStore, Scope};

    use super::*;
    use crate::staged::{LOG, scribble};

    const HOUR: Duration = Duration::from_secs(60 * 60);

    struct Staged {
        store: Arc<MemoryStore>,
        log: Arc<EventLog>,
        progress: watch::Sender<Progress>,
        lag: Arc<Lag>,
    }

    /// An empty log, and rows that hold all of it.
    fn staged() -> Staged {
        let store = Arc::new(MemoryStore::new(LOG));
        let log = Arc::new(EventLog::new(Arc::clone(&store) as Arc<dyn LogStore>, LOG));
        let (progress, heard) = watch::channel(Progress::default());
        let lag = Lag::watched(Arc::clone(&log), heard);
        Staged { store, log, progress, lag }
    }

    impl Staged {
        /// One more entry, which is seen at once.
        async fn grows(&self) {
            let last = self.store.head(Scope::All).await.unwrap().position;
            self.store.try_append(&scribble(1), last).await;
            assert_eq!(self.log.head(Scope::All).await.unwrap().position, last.next());
        }

        fn applied(&self, position: u64) {
            self.progress.send_modify(|progress| progress.position = Position::new(position));
        }
    }

    /// Time is paused, and goes on at once, from one look of the task to the next.
    async fn after(time: Duration) {
        tokio::time::sleep(time).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_after_a_quiet_hour_is_no_lag_of_an_hour() {
        let staged = staged();
        staged.grows().await;
        staged.applied(1);
        after(HOUR).await;
        assert_eq!(staged.lag.now(), Duration::ZERO);
        staged.grows().await;
        assert_eq!(staged.lag.now(), Duration::ZERO);
        after(Duration::from_secs(5)).await;
        assert_eq!(staged.lag.now(), Duration::from_secs(5));
        staged.applied(2);
        assert_eq!(staged.lag.now(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_that_is_not_applied_counts_from_when_it_was_seen_though_nobody_asks() {
        let staged = staged();
        after(HOUR).await;
        staged.grows().await;
        after(HOUR).await;
        let lag = staged.lag.now();
        assert!(lag <= HOUR && lag + LOOK_EVERY >= HOUR, "{lag:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn rows_that_are_always_one_entry_behind_lag_for_as_long_as_one_takes() {
        let staged = staged();
        staged.grows().await;
        for applied in 1..=100 {
            staged.grows().await;
            after(Duration::from_millis(500)).await;
            staged.applied(applied);
            assert!(staged.lag.now() <= Duration::from_secs(1), "{applied}: {:?}", staged.lag.now());
        }
        after(Duration::from_secs(30)).await;
        assert!(staged.lag.now() >= Duration::from_secs(30), "and what is stuck shows");
    }
}
