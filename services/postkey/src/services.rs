//! The services put together from what was opened, the same for `up` and for services of their own.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use activity::ActivityLog;
use credential::{Hasher, HasherConfig, Policy};
use domain::Position;
use postkey_http::{Clients, Health, Metrics, PositionClient, listen};
use postkey_projection::signer::{LedgerFiles, Signing};
use throttle::Limits;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::args::{DecidingArgs, ProjectingArgs};
use crate::edges::{SystemClock, SystemEntropy};
use crate::failure::Failure;
use crate::ledger_files::LedgerFolder;
use crate::stores::{ReadModelHandle, Stores, show};

/// What both services share, beside the stores.
pub struct Edge {
    /// Who may ask what.
    pub clients: Arc<Clients>,
    /// The threads that hash.
    pub hasher: Arc<Hasher>,
    /// Who may try a password, and when.
    pub limits: Limits,
    /// The checks that health shows.
    pub health: Health,
    /// What `/metrics` shows, if it does.
    pub metrics: Option<Metrics>,
    /// Where activities are kept.
    pub activity: ActivityLog,
}

impl Stores {
    /// What the projection service is made of, over these stores. What it applies is told to whoever listens at the log's
    /// store.
    pub fn projection(
        &self,
        model: &ReadModelHandle,
        edge: Edge,
        ledger: Option<LedgerFolder>,
        projecting: ProjectingArgs,
        stop: &CancellationToken,
    ) -> postkey_projection::Parts {
        let ports = model.ports();
        show(&edge.activity, &edge.health, edge.metrics.as_ref(), stop);
        postkey_projection::Parts {
            log: Arc::clone(&self.log),
            vault: self.vault.clone(),
            writer: ports.writer,
            leadership: ports.leadership,
            ledger: ports.ledger,
            lookups: ports.lookups,
            queries: ports.queries,
            signing: Signing {
                checkpoints: Arc::clone(&self.checkpoints),
                files: ledger.map(|files| Arc::new(files) as Arc<dyn LedgerFiles>),
            },
            applied: self.tells(stop),
            rebuild: model.rebuild_ports(),
            strays: ports.strays,
            drift_rate: projecting.drift_entries_per_second,
            clock: Arc::new(SystemClock),
            clients: edge.clients,
            hasher: edge.hasher,
            limits: edge.limits,
            health: edge.health,
            entropy: Arc::new(SystemEntropy),
            freshness_bound: projecting.freshness_bound,
            metrics: edge.metrics,
            activity: edge.activity,
        }
    }

    /// What the command service is made of, over these stores.
    pub async fn command(
        &self,
        deciding: DecidingArgs,
        edge: Edge,
        projection: PositionClient,
        stop: &CancellationToken,
    ) -> postkey_command::Parts {
        show(&edge.activity, &edge.health, edge.metrics.as_ref(), stop);
        postkey_command::Parts {
            log: Arc::clone(&self.log),
            closed: self.handle.is_closed().await,
            vault: self.vault.clone(),
            policy: Policy::of(deciding.policy),
            most_users: deciding.users_in_memory,
            limits: edge.limits,
            hasher: edge.hasher,
            clients: edge.clients,
            projection,
            woken: self.hears(stop),
            health: edge.health,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            metrics: edge.metrics,
            activity: edge.activity,
        }
    }

    /// Where a projection says what it has applied: it goes out as wake-ups, until `stop`.
    fn tells(&self, stop: &CancellationToken) -> Option<watch::Sender<Position>> {
        let wakes = self.handle.wakes()?;
        let (applied, mut news) = watch::channel(Position::START);
        let stop = stop.clone();
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            while news.changed().await.is_ok() {
                let position = *news.borrow_and_update();
                wakes.wake(position).await;
            }
        }));
        Some(applied)
    }

    /// What projections say that they have applied, as wake-ups bring it, until `stop`.
    fn hears(&self, stop: &CancellationToken) -> Option<watch::Receiver<Position>> {
        let wakes = self.handle.wakes()?;
        let (hints, woken) = watch::channel(Position::START);
        let stop = stop.clone();
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            let Some(mut heard) = wakes.listen().await else { return };
            while let Some(position) = heard.next().await {
                hints.send_if_modified(|hint| std::mem::replace(hint, position.max(*hint)) < position);
            }
        }));
        Some(woken)
    }
}

/// Listens where an option says; a failure names the option.
pub async fn listen_at(option: &str, address: SocketAddr, insecure: bool) -> Result<TcpListener, Failure> {
    listen(address, insecure).await.map_err(|error| Failure::failed(format!("{option}: {error}")))
}

/// Starts the threads that hash, one a core.
pub fn start_hasher() -> Result<Arc<Hasher>, Failure> {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    Ok(Arc::new(Hasher::start(HasherConfig::for_threads(threads))?))
}

/// Opens the clients file and keeps it fresh.
pub fn open_clients(
    path: &std::path::Path,
    health: &Health,
    stop: &CancellationToken,
) -> Result<Arc<Clients>, Failure> {
    let clients = Arc::new(Clients::open(path, health.check("clients"))?);
    clients.keep_fresh(stop.clone());
    Ok(clients)
}

/// A token that is cancelled by SIGTERM or SIGINT.
pub fn stop_on_signal() -> Result<CancellationToken, Failure> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: requests in flight are answered first");
        signalled.cancel();
    });
    Ok(stop)
}
