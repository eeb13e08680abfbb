//! Waiting until the read model has applied a change: one task follows the projection's position, handlers wait on it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::Position;
use event_log::{EventLog, Scope};
use postkey_http::{Clock, HealthCheck, PositionClient};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wire::LogId;

use crate::ledger_guard::LedgerGuard;

/// How long the projection is asked to hold its answer back until there is something new.
const LONG_POLL: Duration = Duration::from_secs(20);
/// The pause after a failed question; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long a service that has just started waits to hear from the projection whether its log is the one that it knows.
const FIRST_CONTACT: Duration = Duration::from_secs(5);

/// What is known of the projection.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    position: Position,
    /// Whether it has answered once, or has been waited for long enough.
    met: bool,
}

/// The projection, as far as the command service needs it.
#[derive(Clone)]
pub struct Projection {
    known: watch::Receiver<Known>,
    clock: Arc<dyn Clock>,
}

/// What the task that follows works with.
struct Follower {
    client: PositionClient,
    log: Arc<EventLog>,
    guard: LedgerGuard,
    health: HealthCheck,
    known: watch::Sender<Known>,
}

impl Projection {
    /// Starts following the projection that `client` asks, until `stop`.
    pub fn follow(
        client: PositionClient,
        log: Arc<EventLog>,
        guard: LedgerGuard,
        health: HealthCheck,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) -> Self {
        let (sender, known) = watch::channel(Known::default());
        let follower = Follower { client, log, guard, health, known: sender };
        tokio::spawn(async move { stop.run_until_cancelled(follower.run()).await });
        Self { known, clock }
    }

    /// Waits, shortly after the start only, until the projection was heard. It knows how far the log once had come, so a
    /// log that was rolled back is found before anything is appended to it.
    pub async fn met(&self) {
        let mut known = self.known.clone();
        let _ = known.wait_for(|known| known.met).await;
    }

    /// Waits until lookups see `position`; the instant at which that was known, or none within `wait`.
    pub async fn applied(&self, position: Position, wait: Duration) -> Option<DateTime<Utc>> {
        let mut known = self.known.clone();
        let reached = known.wait_for(|known| known.position >= position);
        match timeout(wait, reached).await {
            Ok(Ok(_)) => Some(self.clock.now()),
            Ok(Err(_)) | Err(_) => None,
        }
    }
}

impl Follower {
    async fn run(self) {
        let begun = tokio::time::Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let next = self.known.borrow().position.next();
            let wait = if self.known.borrow().met { LONG_POLL } else { Duration::ZERO };
            match self.client.position(next.get(), wait).await {
                Ok(answer) => {
                    pause = FIRST_PAUSE;
                    self.heard(LogId::new(answer.log), Position::new(answer.position)).await;
                }
                Err(error) => {
                    self.health.yellow(format!("{error}; changes are stored, and answered 202 until it does"));
                    if begun.elapsed() > FIRST_CONTACT {
                        self.known.send_if_modified(|known| !std::mem::replace(&mut known.met, true));
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn heard(&self, log: LogId, position: Position) {
        if log != self.log.id() {
            self.guard.trip(format!(
                "the projection follows log {log}, but this is log {}: bring the two together that belong together",
                self.log.id()
            ));
        } else if position > self.log.seen()
            && let Ok(head) = self.log.head(Scope::All).await
            && position > head.position
        {
            self.guard.trip(format!(
                "the log ends at position {}, but the projection has applied position {position}: the log was rolled \
                 back; restore it",
                head.position
            ));
        } else {
            self.health.green();
        }
        self.known.send_modify(|known| *known = Known { position: known.position.max(position), met: true });
    }
}
