//! The service put together: what it is made of, its routes, and how it runs.

use std::sync::Arc;
use std::time::Duration;

use activity::ActivityLog;
use axum::Router;
use axum::extract::FromRef;
use axum::middleware::from_fn_with_state;
use credential::Hasher;
use domain::Position;
use event_log::EventLog;
use keys::{CheckpointStore, Vault};
use postkey_http::{
    About, Clients, Clock, Code, Entropy, Health, HealthCheck, Metrics, Problem, Routes, Status, operators_routes,
    serve, waiting_routes,
};
use throttle::{Limits, Throttle};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::audit_api::reads::{Reads, noted};
use crate::audit_api::seats::Seats;
use crate::audit_api::{self, events, stream, user_then};
use crate::auth::{Freshness, Heads, Logins, verify};
use crate::drift::Drift;
use crate::effects::Destruction;
use crate::ledger_api::{checkpoint, crossings, entries, tiles};
use crate::measures::Measures;
use crate::projector::{Checks, Follower, Lag, Progress};
use crate::queries::{Searches, position, services, users};
use crate::read_model::{Leadership, LedgerRows, Lookups, Queries, ReadModelWriter, ServiceQuery, Strays, Watched};
use crate::rebuild::{self, LiveRebuild, RebuildPorts};
use crate::signer::{Served, Signer, Signing};
use crate::turns::Turns;

/// How often rows that could not be read are looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// So many calls at a time look through the log for events: the others leave the cores to logins.
const LOOKING: usize = 2;
/// So many calls at a time read entries of the log for verifiers.
const BUNDLING: usize = 2;

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
    /// The ledger's rows.
    pub ledger: Arc<dyn LedgerRows>,
    /// Where logins are looked up.
    pub lookups: Arc<dyn Lookups>,
    /// Where panels look.
    pub queries: Arc<dyn Queries>,
    /// What checkpoints of the log's tree are signed with.
    pub signing: Signing,
    /// Where it is told, as it goes, how far lookups see the log; none where nobody wants to hear it.
    pub applied: Option<watch::Sender<Position>>,
    /// Who may ask what.
    pub clients: Arc<Clients>,
    /// The threads that verify passwords.
    pub hasher: Arc<Hasher>,
    /// The checks that `/healthz` and `/readyz` show.
    pub health: Health,
    /// What a rebuild beside all this writes to.
    pub rebuild: RebuildPorts,
    /// Where users of no service are looked for.
    pub strays: Arc<dyn Strays>,
    /// How many entries a second are folded again, to look whether the rows are what comes of them; none at 0.
    pub drift_rate: u64,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Who may try a password, and when.
    pub limits: Limits,
    /// For how long logins are answered while the log can't be asked.
    pub freshness_bound: Duration,
    /// What `/metrics` shows; none where it is switched off.
    pub metrics: Option<Metrics>,
    /// Where logins and reads of the history are recorded, and read.
    pub activity: ActivityLog,
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
    pub log: Arc<EventLog>,
    pub vault: Vault,
    pub freshness: Arc<Freshness>,
    pub lag: Arc<Lag>,
    pub logins: Arc<Logins>,
    pub heads: Heads,
    pub queries: Arc<dyn Queries>,
    pub searches: Searches,
    pub looking: Turns,
    /// Where streams of events have their places.
    pub streams: Seats,
    /// By which entries about a user are found.
    pub ledger: Arc<dyn LedgerRows>,
    pub activity: ActivityLog,
    /// The checkpoint that is served.
    pub served: watch::Receiver<Option<Served>>,
    /// Where checkpoints are kept.
    pub checkpoints: Arc<dyn CheckpointStore>,
    pub bundling: Turns,
    /// Whether what was read for those who ask what happened was what was written.
    pub history: HealthCheck,
    pub rebuild: Arc<LiveRebuild>,
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
    let unwatched = Arc::clone(&parts.queries);
    let queries: Arc<dyn Queries> = Arc::new(Watched::new(parts.queries, rows_health.clone()));
    tokio::spawn(stop.clone().run_until_cancelled_owned(look_again(Arc::clone(&queries), rows_health.clone())));
    let rows = (Arc::clone(&parts.writer), Arc::clone(&parts.leadership));
    let for_drift = (Arc::clone(&parts.log), parts.vault.clone());
    let destruction = Destruction::new(Arc::clone(&parts.log), parts.vault.clone(), Arc::clone(&parts.writer));
    let projector = Follower::new(
        Arc::clone(&parts.log),
        parts.vault.clone(),
        parts.writer,
        parts.leadership,
        Arc::clone(&parts.ledger),
    );
    let (progress, destroyed) = (projector.progress(), destruction.destroyed());
    let destroying = destruction.follow(&projector, parts.health.check("destruction"), stop.clone());
    let destroying = tokio::spawn(destroying);
    tokio::spawn(stop.clone().run_until_cancelled_owned(look_anew(progress.clone(), rows_health)));
    if let Some(applied) = parts.applied {
        tokio::spawn(tell(progress.clone(), applied));
    }
    let looked = (parts.drift_rate > 0).then(|| {
        let drift = Drift::new(for_drift, rows, unwatched, parts.strays, parts.drift_rate);
        let looked = drift.looked();
        let health = parts.health.check("drift");
        tokio::spawn(drift.watch(progress.clone(), projector.leads(), health, stop.clone()));
        looked
    });
    let heads = Heads::new(Arc::clone(&parts.log));
    let log = Arc::clone(&parts.log);
    let freshness = Freshness::new(parts.log, heads.clone(), lookups, progress.clone(), parts.freshness_bound);
    let freshness = Arc::new(freshness);
    let lag = Lag::watched(Arc::clone(&log), progress.clone());
    let throttle = Throttle::new(parts.limits, drawn(&*parts.entropy));
    let (key, hasher) = (drawn(&*parts.entropy), Arc::clone(&parts.hasher));
    let logins = Logins::new(Arc::clone(&freshness), Arc::clone(&queries), throttle, &key, hasher);
    if let Some(metrics) = &parts.metrics {
        let (log, lag, hasher) = (Arc::clone(&log), Arc::clone(&lag), parts.hasher);
        Measures { projector: &projector, log, lag, destroyed, looked, logins: &logins, hasher }.show(metrics);
    }
    let checkpoints = Arc::clone(&parts.signing.checkpoints);
    let signer = Signer::new(Arc::clone(&parts.ledger), parts.signing, Arc::clone(&log), parts.vault.clone());
    let served = signer.served();
    let signing = signer.sign(progress.clone(), parts.health.check("ledger"), stop.clone());
    let signing = tokio::spawn(signing);
    let history = parts.health.check("history");
    history.green();
    let rebuilding = (Arc::clone(&log), parts.vault.clone());
    let rebuild = LiveRebuild::new(rebuilding, parts.rebuild, parts.clock, parts.health.check("rebuild"), stop.clone());
    let app = App {
        log,
        rebuild: Arc::clone(&rebuild),
        vault: parts.vault,
        freshness,
        lag,
        logins: Arc::new(logins),
        heads,
        searches: Searches::new(Arc::clone(&queries)),
        queries,
        looking: Turns::new(LOOKING),
        streams: Seats::default(),
        ledger: parts.ledger,
        activity: parts.activity,
        served,
        checkpoints,
        bundling: Turns::new(BUNDLING),
        history,
        clients: parts.clients,
        progress,
        stop: stop.clone(),
    };
    let check = |name| parts.health.check(name);
    let checks = Checks { projector: check("projector"), keys: check("keys"), ledger: check("ledger-rows") };
    let reads = Reads { log: app.activity.clone(), clients: Arc::clone(&app.clients) };
    let following = tokio::spawn(projector.follow(checks, stop.clone()));
    let metrics = parts.metrics.as_ref();
    let router = routes().with_state(app).merge(operators_routes(parts.health, metrics)).documented(ABOUT);
    let router = router.layer(from_fn_with_state(reads, noted));
    let ended = serve(router, parts.entropy, parts.metrics, listener, stop.clone()).await;
    stop.cancel();
    rebuild.ended().await;
    if following.await.is_err() {
        tracing::error!("the projector panicked");
    }
    if destroying.await.is_err() {
        tracing::error!("the destruction of keys panicked");
    }
    if signing.await.is_err() {
        tracing::error!("the signer of checkpoints panicked");
    }
    Ok(ended?)
}

/// What the service answers before it has what it is made of; `problem` to whoever wants its work.
pub fn waiting(health: Health, metrics: Option<&Metrics>, problem: &Problem) -> Router {
    waiting_routes(routes(), ABOUT, (health, metrics), problem)
}

/// A key for as long as the process lives.
fn drawn(entropy: &dyn Entropy) -> [u8; 32] {
    let mut key = [0; 32];
    entropy.fill(&mut key);
    key
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

/// What stands at the head of the service's document.
const ABOUT: About = About {
    title: "postkey: projection service",
    description: "Look-ups: the check that webmail makes at sign-in, what panels show, and how far the log is applied.",
    tags: &[
        ("sign-in", "For webmail."),
        ("services and users", "For panels."),
        ("history", "What happened, who did it, and when."),
        ("ledger", "For verifiers: the log's Merkle tree, as C2SP tlog-tiles has it."),
        ("position", "How far the read model is."),
        ("operation", "For operators."),
        ("health", "For load balancers and operators."),
    ],
};

fn routes() -> Routes<App> {
    // A service that waits for its stores says so, whatever it is asked.
    Routes::answering(&[Code::CatchingUp])
        .get("/v1/audit/activity", audit_api::activity::activity, audit_api::activity::operation())
        .get("/ledger/checkpoint", checkpoint::checkpoint, checkpoint::operation())
        .get("/ledger/crossings", crossings::crossings, crossings::operation())
        .get("/ledger/tile/entries/{*index}", entries::entries, entries::operation())
        .get("/ledger/tile/{level}/{*index}", tiles::tile, tiles::operation())
        .get("/v1/audit/events", events::events, events::operation())
        .get("/v1/audit/events/stream", stream::stream, stream::operation())
        .get("/v1/audit/users/{user}", user_then::user_then, user_then::operation())
        .post("/v1/auth/verify", verify::verify, verify::operation())
        .get("/v1/rebuild", rebuild::ask, rebuild::ask_operation())
        .post("/v1/rebuild", rebuild::start, rebuild::start_operation())
        .get("/v1/position", position::position, position::operation())
        .get("/v1/services", services::list, services::list_operation())
        .get("/v1/services/{service}", services::one, services::one_operation())
        .get("/v1/services/{service}/users", users::list, users::list_operation())
        .get("/v1/services/{service}/users/{user}", users::one, users::one_operation())
}
