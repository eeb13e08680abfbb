//! The service put together: what it is made of, its routes, and how it runs.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::{get, post};
use credential::Hasher;
use domain::Position;
use event_log::EventLog;
use keys::Vault;
use postkey_http::{Clients, Entropy, Health, HealthCheck, Status, health_routes, serve};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use wire::LogId;

use crate::auth::{Freshness, Heads, verify};
use crate::projector::{Checks, Follower, Progress};
use crate::queries::{position, services, users};
use crate::read_model::{Leadership, Lookups, Queries, ReadModelWriter, ServiceQuery, Watched};

/// How often rows that could not be read are looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What the service is made of. Whoever starts it opens these.
pub struct Parts {
    /// The log that is followed.
    pub log: Arc<EventLog>,
    /// The keys that open it.
    pub vault: Vault,
    /// Where rows are written.
    pub writer: Arc<dyn ReadModelWriter>,
    /// Which rows are looked up, and who writes them.
    pub leadership: Arc<dyn Leadership>,
    /// Where logins are looked up.
    pub lookups: Arc<dyn Lookups>,
    /// Where panels look.
    pub queries: Arc<dyn Queries>,
    /// Where it is told, as it goes, how far lookups see the log; none where nobody wants to hear it.
    pub applied: Option<watch::Sender<Position>>,
    /// Who may ask what.
    pub clients: Arc<Clients>,
    /// The threads that verify passwords.
    pub hasher: Arc<Hasher>,
    /// The checks that `/healthz` and `/readyz` show.
    pub health: Health,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// For how long logins are answered while the log can't be asked.
    pub freshness_bound: Duration,
}

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The listener failed.
    #[error("the projection service's listener failed: {0}")]
    Io(#[from] std::io::Error),
}

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App {
    pub log_id: LogId,
    pub freshness: Arc<Freshness>,
    pub heads: Heads,
    pub queries: Arc<dyn Queries>,
    pub hasher: Arc<Hasher>,
    pub clients: Arc<Clients>,
    pub progress: watch::Receiver<Progress>,
    pub stop: CancellationToken,
}

impl FromRef<App> for Arc<Clients> {
    fn from_ref(app: &App) -> Self {
        Self::clone(&app.clients)
    }
}

/// Follows the log and serves until `stop`.
///
/// # Errors
/// Where it can't start. What happens later shows in its health.
pub async fn run(parts: Parts, listener: TcpListener, stop: CancellationToken) -> Result<(), Stopped> {
    let rows_health = parts.health.check("read-model");
    let lookups = Arc::new(Watched::new(parts.lookups, rows_health.clone()));
    let queries = Arc::new(Watched::new(parts.queries, rows_health.clone()));
    let looking: Arc<dyn Queries> = Arc::clone(&queries) as Arc<dyn Queries>;
    tokio::spawn(stop.clone().run_until_cancelled_owned(look_again(looking, rows_health.clone())));
    let projector = Follower::new(Arc::clone(&parts.log), parts.vault, parts.writer, parts.leadership);
    let progress = projector.progress();
    tokio::spawn(stop.clone().run_until_cancelled_owned(look_anew(progress.clone(), rows_health)));
    if let Some(applied) = parts.applied {
        tokio::spawn(tell(progress.clone(), applied));
    }
    let heads = Heads::new(Arc::clone(&parts.log));
    let log_id = parts.log.id();
    let freshness = Freshness::new(parts.log, heads.clone(), lookups, progress.clone(), parts.freshness_bound);
    let app = App {
        log_id,
        freshness: Arc::new(freshness),
        heads,
        queries,
        hasher: parts.hasher,
        clients: parts.clients,
        progress,
        stop: stop.clone(),
    };
    let checks = Checks { projector: parts.health.check("projector"), keys: parts.health.check("keys") };
    let following = tokio::spawn(projector.follow(checks, stop.clone()));
    let router = routes().with_state(app).merge(health_routes(parts.health));
    let served = serve(router, parts.entropy, listener, stop.clone()).await;
    stop.cancel();
    if following.await.is_err() {
        tracing::error!("the projector panicked");
    }
    Ok(served?)
}

/// Looks at the rows while they can't be read, for a service that says so is asked by nobody else.
async fn look_again(queries: Arc<dyn Queries>, health: HealthCheck) {
    let one = ServiceQuery { customer: None, after: None, limit: 1 };
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        if matches!(health.status(), Status::Red(_)) {
            // What it finds shows in the health.
            let _ = queries.services(&one).await;
        }
    }
}

/// What was damaged in rows that are looked up no more needs nobody any longer: those that were made in their place are
/// looked at.
async fn look_anew(mut progress: watch::Receiver<Progress>, health: HealthCheck) {
    let mut looked_up = None;
    while progress.changed().await.is_ok() {
        let live = progress.borrow_and_update().live;
        let before = std::mem::replace(&mut looked_up, live);
        if before.is_some() && before != live && matches!(health.status(), Status::NeedsPerson(_)) {
            health.red("the rows were made anew, and are looked at");
        }
    }
}

/// Tells each position that lookups see, until the projector is gone.
async fn tell(mut progress: watch::Receiver<Progress>, applied: watch::Sender<Position>) {
    while progress.changed().await.is_ok() {
        let position = progress.borrow_and_update().position;
        applied.send_if_modified(|told| std::mem::replace(told, position) != position);
    }
}

fn routes() -> Router<App> {
    Router::new()
        .route("/v1/auth/verify", post(verify::verify))
        .route("/v1/position", get(position::position))
        .route("/v1/services", get(services::list))
        .route("/v1/services/{service}", get(services::one))
        .route("/v1/services/{service}/users", get(users::list))
        .route("/v1/services/{service}/users/{user}", get(users::one))
}
