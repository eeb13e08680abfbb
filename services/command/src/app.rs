//! The service put together: what it is made of, its routes, and how it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::{delete, get, patch, post, put};
use chrono::{DateTime, TimeDelta, Utc};
use credential::{Hasher, Policy};
use domain::Position;
use event_log::{EventLog, ReadError, Scope};
use keys::Vault;
use postkey_http::{Clients, Clock, Entropy, Health, HealthCheck, PositionClient, health_routes, serve};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::effect::Projection;
use crate::keys_at_hand::KeysAtHand;
use crate::log_guard::LogGuard;
use crate::routes;
use crate::services::Services;
use crate::writes::Writes;

/// How often the log is asked whether it can be, for the health checks.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// How far the log may be ahead of this machine's clock before the operator is told.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// What the service is made of. Whoever starts it opens these.
pub struct Parts {
    /// The log that is appended to.
    pub log: Arc<EventLog>,
    /// Whether it was found closed to appends, so that the operator hears of it before a caller does.
    pub closed: bool,
    /// The keys that seal and open entries.
    pub vault: Vault,
    /// What passwords are judged by.
    pub policy: Policy,
    /// The threads that hash passwords.
    pub hasher: Arc<Hasher>,
    /// Who may ask what.
    pub clients: Arc<Clients>,
    /// Who knows what is in force.
    pub projection: PositionClient,
    /// What projections say that they have applied, where there is a way to hear it: hints, which may be lost.
    pub woken: Option<watch::Receiver<Position>>,
    /// The checks that `/healthz` and `/readyz` show.
    pub health: Health,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The listener failed.
    #[error("the command service's listener failed: {0}")]
    Io(#[from] std::io::Error),
}

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App {
    pub log: Arc<EventLog>,
    pub vault: Vault,
    pub services: Arc<Services>,
    pub guard: LogGuard,
    pub keys: KeysAtHand,
    pub projection: Projection,
    pub policy: Arc<Policy>,
    pub hasher: Arc<Hasher>,
    pub clients: Arc<Clients>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub writes: Writes,
    clock_check: HealthCheck,
    /// The newest instant in the log, as far as this process has come across it; microseconds since 1970.
    newest: Arc<AtomicI64>,
}

impl App {
    /// Takes note of the clock and of an instant that the log holds, and says whether the two agree: whichever service
    /// the newest entry is of.
    pub fn note_times(&self, now: DateTime<Utc>, in_the_log: DateTime<Utc>) {
        let micros = in_the_log.timestamp_micros();
        let newest = self.newest.fetch_max(micros, Ordering::Relaxed).max(micros);
        if newest - now.timestamp_micros() <= CLOCK_TOLERANCE.num_microseconds().unwrap_or(0) {
            self.clock_check.green();
        } else {
            self.clock_check
                .yellow("the last entry is more than 5 minutes ahead of this machine's clock: set the clock");
        }
    }
}

/// Serves until `stop`.
///
/// # Errors
/// Where the listener fails. What happens later shows in its health.
pub async fn run(parts: Parts, listener: TcpListener, stop: CancellationToken) -> Result<(), Stopped> {
    let entropy = Arc::clone(&parts.entropy);
    let router = start(parts, &stop);
    let served = serve(router, entropy, listener, stop.clone()).await;
    stop.cancel();
    Ok(served?)
}

/// Puts the service together, its tasks running until `stop`.
pub(crate) fn start(parts: Parts, stop: &CancellationToken) -> Router {
    let (log, keys) = (parts.health.check("log"), parts.health.check("keys"));
    let guard = LogGuard::new(log.clone(), parts.health.check("closed"));
    if parts.closed {
        guard.closed();
    }
    let writes = Writes::new(parts.health.check("writes"), log, keys.clone());
    let clock_check = parts.health.check("clock");
    clock_check.green();
    let projection = Projection::follow(
        parts.projection,
        parts.woken,
        Arc::clone(&parts.log),
        guard.clone(),
        parts.health.check("projection"),
        Arc::clone(&parts.clock),
        stop.clone(),
    );
    let keys = KeysAtHand::new(parts.vault.clone(), keys);
    let services = Arc::new(Services::new(Arc::clone(&parts.log), parts.vault.clone(), guard.clone(), keys.clone()));
    let app = App {
        log: Arc::clone(&parts.log),
        vault: parts.vault,
        services,
        guard: guard.clone(),
        keys: keys.clone(),
        projection,
        policy: Arc::new(parts.policy),
        hasher: parts.hasher,
        clients: parts.clients,
        clock: parts.clock,
        entropy: parts.entropy,
        writes: writes.clone(),
        clock_check,
        newest: Arc::new(AtomicI64::new(i64::MIN)),
    };
    tokio::spawn(probe(Probed { log: parts.log, guard, writes, keys }, stop.clone()));
    routes().with_state(app).merge(health_routes(parts.health))
}

/// What is asked now and then, while nobody else asks.
struct Probed {
    log: Arc<EventLog>,
    guard: LogGuard,
    writes: Writes,
    keys: KeysAtHand,
}

/// Keeps the health of log and keys up to date.
async fn probe(probed: Probed, stop: CancellationToken) {
    loop {
        match probed.log.head(Scope::All).await {
            Err(ReadError::Corrupt(corrupt)) => probed.guard.trip(corrupt),
            head => probed.guard.asked(head),
        }
        probed.keys.look().await;
        probed.writes.look();
        if stop.run_until_cancelled(tokio::time::sleep(PROBE_EVERY)).await.is_none() {
            return;
        }
    }
}

fn routes() -> Router<App> {
    Router::new()
        .route("/v1/services", post(routes::provision_service::provision_service))
        .route("/v1/services/{service}/plan", put(routes::change_plan::change_plan))
        .route("/v1/services/{service}/users", post(routes::add_user::add_user))
        .route(
            "/v1/services/{service}/users/{user}",
            patch(routes::edit_user::edit_user).merge(delete(routes::remove_user::remove_user)),
        )
        .route("/v1/services/{service}/users/{user}/password", put(routes::change_password::change_password))
        .route("/v1/services/{service}/users/{user}/suspend", post(routes::suspend_user::suspend_user))
        .route("/v1/services/{service}/users/{user}/reactivate", post(routes::reactivate_user::reactivate_user))
        .route("/v1/password-policy", get(routes::password_policy::password_policy))
        .route("/v1/passwords/suggest", post(routes::suggest_password::suggest_password))
        .route("/v1/passwords/check", post(routes::check_password::check_password))
}
