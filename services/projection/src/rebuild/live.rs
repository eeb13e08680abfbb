//! A rebuild beside the service's own work: one at a time, at the lowest priority, until the service stops.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_log::EventLog;
use keys::Vault;
use postkey_http::{Clock, Code, HealthCheck, Problem, RebuildPhase, RebuildState};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Differences, RebuildError, RebuildPorts, RebuildReport, Step, rebuild_by};
use crate::labour::Labour;
use crate::read_model::Claim;

/// How long the rows of one that is broken off by the service's stop may take to be dropped.
const DROP_WITHIN: Duration = Duration::from_secs(5);

/// The rebuilds of a running service.
pub struct LiveRebuild {
    log: Arc<EventLog>,
    vault: Vault,
    ports: RebuildPorts,
    clock: Arc<dyn Clock>,
    health: HealthCheck,
    state: Mutex<RebuildState>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl LiveRebuild {
    /// None is under way. Each ends with `stop`.
    pub fn new(
        (log, vault): (Arc<EventLog>, Vault),
        ports: RebuildPorts,
        clock: Arc<dyn Clock>,
        health: HealthCheck,
        stop: CancellationToken,
    ) -> Arc<Self> {
        health.green();
        let (state, tasks) = (Mutex::new(RebuildState::NONE), TaskTracker::new());
        Arc::new(Self { log, vault, ports, clock, health, state, tasks, stop })
    }

    /// How the newest one stands.
    pub fn state(&self) -> RebuildState {
        self.lock().clone()
    }

    /// Starts one, and says how it stands.
    ///
    /// # Errors
    /// `wrong_state` where one is under way, of whatever projection on this read model.
    pub async fn start(self: &Arc<Self>, differences: Differences) -> Result<RebuildState, Problem> {
        let under_way =
            || Problem::new(Code::WrongState).with_detail("a rebuild is under way: `GET /v1/rebuild` says how far");
        if self.lock().is_under_way() {
            return Err(under_way());
        }
        let claim = self.ports.filling.claim_rebuild().await?.ok_or_else(under_way)?;
        let begun = RebuildState {
            state: RebuildPhase::Filling,
            head: self.log.seen().get(),
            started_at: Some(self.clock.now()),
            ..RebuildState::NONE
        };
        self.lock().clone_from(&begun);
        tracing::info!("a rebuild of the read model begins");
        let own = Arc::clone(self);
        self.tasks.spawn(async move { own.run(claim, differences).await });
        Ok(begun)
    }

    /// Waits until what is under way has ended, once the service stops.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn run(&self, claim: Claim, differences: Differences) {
        let outcome = self.stop.run_until_cancelled(self.rebuilt(differences)).await;
        if outcome.is_none() {
            // What was made holds names. Where this does not come to its end, the next start or rebuild drops them.
            let _ = timeout(DROP_WITHIN, self.ports.filling.drop_unfinished()).await;
        }
        // Whoever sees that it has ended may start another.
        drop(claim);
        self.end(outcome.unwrap_or_else(|| Err(RebuildError::Later("the service stops".to_owned()))));
    }

    async fn rebuilt(&self, differences: Differences) -> Result<RebuildReport, RebuildError> {
        let labour = Labour::aside()
            .map_err(|error| RebuildError::Later(format!("a thread for the rebuild can't be started: {error}")))?;
        let step = |step: Step| {
            let mut state = self.lock();
            match step {
                Step::Filling(at, head) => (state.position, state.head) = (at.get(), head.get()),
                Step::Comparing => state.state = RebuildPhase::Comparing,
            }
        };
        rebuild_by(&labour, Arc::clone(&self.log), self.vault.clone(), &self.ports, differences, step).await
    }

    fn end(&self, outcome: Result<RebuildReport, RebuildError>) {
        let mut state = self.lock();
        state.finished_at = Some(self.clock.now());
        match outcome {
            Ok(report) => {
                let differences = report.differences.unwrap_or_default();
                tracing::info!(position = %report.position, ?differences, "the read model was rebuilt");
                self.health.green();
                (state.state, state.position) = (RebuildPhase::Swapped, report.position.get());
                state.differences = differences;
            }
            Err(error) => {
                tracing::error!(%error, "the rebuild came to nothing");
                state.failure = Some(error.to_string());
                state.state = RebuildPhase::Failed;
                if let RebuildError::Differ(rows) = error {
                    // It serves: those rows are not more wrong than they were before somebody looked.
                    self.health.impaired(format!("rows are not what the log makes of them: {}", rows.join(", ")));
                    (state.state, state.differences) = (RebuildPhase::Refused, rows);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, RebuildState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
