//! The service put together: what it is made of, its routes, and how it runs.

use std::sync::Arc;
use std::time::Duration;

use activity::ActivityLog;
use admission::Admission;
use axum::Router;
use credential::{Hasher, Policy};
use domain::Position;
use event_log::{EventLog, ReadError, Scope};
use keys::Vault;
use postkey_http::{
    About, Clients, Clock, Code, Entropy, Health, Metrics, PositionClient, Problem, Routes, operators_routes, serve,
    waiting_routes,
};
use throttle::{Limits, Throttle};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::asker::Asker;
use crate::clocks::Clocks;
use crate::context::Asked;
use crate::destruction::Destruction;
use crate::effect::Projection;
use crate::keys_at_hand::KeysAtHand;
use crate::log_guard::LogGuard;
use crate::measures::Measures;
use crate::services::Services;
use crate::writes::Writes;

/// How often the log is asked whether it can be, for the health checks.
const PROBE_EVERY: Duration = Duration::from_secs(2);

/// How many users are kept in memory where nobody says otherwise: some 200 MiB.
pub const MOST_USERS: usize = 200_000;

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
    /// How many users are kept in memory, over all services that were asked for lately; see [`MOST_USERS`].
    pub most_users: usize,
    /// Who may try a current password, and when.
    pub limits: Limits,
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
    /// What `/metrics` shows; none where it is switched off.
    pub metrics: Option<Metrics>,
    /// Where refusals are kept.
    pub activity: ActivityLog,
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
    pub destruction: Destruction,
    pub policy: Arc<Policy>,
    pub hasher: Arc<Hasher>,
    /// Who may try a current password, and when.
    pub admission: Arc<Admission>,
    pub clients: Arc<Clients>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub writes: Writes,
    pub measures: Measures,
    pub clocks: Clocks,
    pub activity: ActivityLog,
}

impl App {
    /// Counts a command that was refused, and has it kept: the one place where refusals end.
    pub fn refused<T: Asked>(&self, asker: &Asker, problem: &Problem) {
        self.measures.refused(T::KIND, problem.code);
        asker.refused(&self.activity, T::KIND, problem);
    }
}

/// Serves until `stop`.
///
/// # Errors
/// Where the listener fails. What happens later shows in its health.
pub async fn run(parts: Parts, listener: TcpListener, stop: CancellationToken) -> Result<(), Stopped> {
    let entropy = Arc::clone(&parts.entropy);
    let metrics = parts.metrics.clone();
    // Whoever waits at the end still hears that its change is in force.
    let tasks = CancellationToken::new();
    let _ended = tasks.clone().drop_guard();
    let router = start(parts, &tasks);
    let served = serve(router, entropy, metrics, listener, stop.clone()).await;
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
    let clocks = Clocks::new(Arc::clone(&parts.clock), parts.health.check("clock"));
    let projection = Projection::follow(
        parts.projection,
        parts.woken,
        Arc::clone(&parts.log),
        guard.clone(),
        parts.health.check("projection"),
        clocks.clone(),
        stop.clone(),
    );
    let keys = KeysAtHand::new(parts.vault.clone(), keys);
    let (log, vault) = (Arc::clone(&parts.log), parts.vault.clone());
    let services = Arc::new(Services::new(log, vault, guard.clone(), keys.clone(), parts.most_users));
    let destruction = Destruction::new(Arc::clone(&parts.log), parts.vault.clone());
    let mut throttle_key = [0; 32];
    parts.entropy.fill(&mut throttle_key);
    let throttle = Throttle::new(parts.limits, throttle_key);
    let measures = Measures::new();
    if let Some(metrics) = &parts.metrics {
        measures.show(metrics, &parts.hasher, &throttle, &parts.log);
    }
    let app = App {
        log: Arc::clone(&parts.log),
        vault: parts.vault,
        services,
        guard: guard.clone(),
        keys: keys.clone(),
        projection,
        destruction,
        policy: Arc::new(parts.policy),
        hasher: parts.hasher,
        admission: Arc::new(Admission::new(throttle)),
        clients: parts.clients,
        clock: parts.clock,
        entropy: parts.entropy,
        writes: writes.clone(),
        measures,
        clocks,
        activity: parts.activity,
    };
    tokio::spawn(probe(Probed { log: parts.log, guard, writes, keys }, stop.clone()));
    routes().with_state(app).merge(operators_routes(parts.health, parts.metrics.as_ref())).documented(ABOUT)
}

/// What the service answers before it has what it is made of; `problem` to whoever wants its work.
pub fn waiting(health: Health, metrics: Option<&Metrics>, problem: &Problem) -> Router {
    waiting_routes(routes(), ABOUT, (health, metrics), problem)
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

/// What stands at the head of the service's document.
const ABOUT: About = About {
    title: "postkey: command service",
    description: "Changes: validated, appended to the event log, and answered once they are in force. Each is carried out \
                  once, however often it is sent with its `Idempotency-Key`.",
    tags: &[
        ("services", "Email services: a domain, its plan, its users."),
        ("users", "Mailbox users."),
        ("self-service", "For webmail: users change their own passwords."),
        ("passwords", "What new passwords have to be."),
        ("health", "For load balancers and operators."),
    ],
};

fn routes() -> Routes<App> {
    use crate::routes::{
        add_user, change_own_password, change_own_password_roundcube as roundcube, change_password, change_plan,
        check_password, edit_user, erase_user, password_policy, provision_service, reactivate_user, remove_user,
        suggest_password, suspend_user,
    };
    const USER: &str = "/v1/services/{service}/users/{user}";
    // A service that waits for its log says so, whatever it is asked.
    Routes::answering(&[Code::LogUnavailable])
        .post("/v1/services", provision_service::provision_service, provision_service::operation())
        .put("/v1/services/{service}/plan", change_plan::change_plan, change_plan::operation())
        .post("/v1/services/{service}/users", add_user::add_user, add_user::operation())
        .patch(USER, edit_user::edit_user, edit_user::operation())
        .delete(USER, remove_user::remove_user, remove_user::operation())
        .put(&format!("{USER}/password"), change_password::change_password, change_password::operation())
        .post(&format!("{USER}/suspend"), suspend_user::suspend_user, suspend_user::operation())
        .post(&format!("{USER}/reactivate"), reactivate_user::reactivate_user, reactivate_user::operation())
        .post(&format!("{USER}/erase"), erase_user::erase_user, erase_user::operation())
        .post("/v1/self/password", change_own_password::change_own_password, change_own_password::operation())
        .post("/v1/self/password/roundcube", roundcube::change_own_password, roundcube::operation())
        .get("/v1/password-policy", password_policy::password_policy, password_policy::operation())
        .post("/v1/passwords/suggest", suggest_password::suggest_password, suggest_password::operation())
        .post("/v1/passwords/check", check_password::check_password, check_password::operation())
}
