//! The log, in whichever store it lies.

use std::sync::Arc;
use std::time::Duration;

use event_log::{
    Alarms, JetStreamError, JetStreamStore, LogStore, OpenError, ReadError, SqliteStore, StreamReport, Wakes,
};
use postkey_http::{Health, HealthCheck};
use tokio_util::sync::CancellationToken;
use wire::LogId;

use super::monitor::{Monitors, Verdict};
use super::url::LogUrl;
use super::{Lack, Waiting};
use crate::args::{LogArgs, NatsArgs};
use crate::failure::Failure;

/// How often the stream and its servers are looked at, beside what commands and logins see of them.
const LOOK: Duration = Duration::from_secs(10);

/// An open log's store.
#[derive(Clone)]
pub enum LogHandle {
    /// A file.
    Sqlite(Arc<SqliteStore>),
    /// A stream.
    JetStream(Arc<JetStreamStore>),
}

impl LogHandle {
    /// Opens the log to append to it; none where there is none yet.
    pub async fn open_to_write(args: &LogArgs) -> Result<Option<Self>, Lack> {
        match &args.log {
            LogUrl::Sqlite(file) => sqlite(SqliteStore::open(file.path()).await),
            LogUrl::Nats(servers) => jet_stream(JetStreamStore::open(&args.nats.config(servers)).await),
        }
    }

    /// Opens the log for reading only; none where there is none yet.
    pub async fn open_to_read(args: &LogArgs) -> Result<Option<Self>, Lack> {
        match &args.log {
            LogUrl::Sqlite(file) => sqlite(SqliteStore::open_read_only(file.path()).await),
            LogUrl::Nats(servers) => jet_stream(JetStreamStore::open(&args.nats.config(servers)).await),
        }
    }

    /// Makes a new log. Where another process was faster, its log is opened.
    pub async fn create(args: &LogArgs, log: LogId) -> Result<Self, Lack> {
        match &args.log {
            LogUrl::Sqlite(file) => Ok(Self::Sqlite(Arc::new(SqliteStore::create(file.path(), log).await?))),
            LogUrl::Nats(servers) => {
                let config = args.nats.config(servers);
                let replicas = match args.nats.nats_replicas {
                    Some(replicas) => replicas,
                    None => JetStreamStore::sensible_replicas(&config).await.map_err(lack)?,
                };
                let made = match JetStreamStore::create(&config, log, replicas).await {
                    Err(JetStreamError::AlreadyExists) => JetStreamStore::open(&config).await,
                    made => made,
                };
                made.map(|store| Self::JetStream(Arc::new(store))).map_err(lack)
            }
        }
    }

    /// Which log it is.
    pub fn id(&self) -> LogId {
        match self {
            Self::Sqlite(store) => store.log(),
            Self::JetStream(store) => store.log(),
        }
    }

    /// The store itself.
    pub fn store(&self) -> Arc<dyn LogStore> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as Arc<dyn LogStore>,
            Self::JetStream(store) => Arc::clone(store) as Arc<dyn LogStore>,
        }
    }

    /// Messages by which services wake each other, where the store can carry them.
    pub fn wakes(&self) -> Option<Wakes> {
        match self {
            Self::Sqlite(_) => None,
            Self::JetStream(store) => Some(store.wakes()),
        }
    }

    /// Whether the log was closed to changes, for a copy that goes on in its place.
    pub async fn is_closed(&self) -> bool {
        self.copy_end().standing().await.is_ok_and(|standing| standing.closed)
    }

    /// Stops a writer in good order.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::JetStream(_) => {}
        }
    }

    /// Refuses to append to a log whose servers forget what they have acknowledged, unless told so in so many words.
    pub async fn check_servers(&self, nats: &NatsArgs) -> Result<(), Lack> {
        let Self::JetStream(store) = self else { return Ok(()) };
        let report = store.report().await.map_err(|error| Waiting(error.to_string()))?;
        check_replicas(&report, nats)?;
        if nats.allow_lazy_sync {
            tracing::warn!("--allow-lazy-sync: what NATS acknowledges can be lost when its machines lose power");
            return Ok(());
        }
        match Monitors::new(&nats.nats_monitor)?.check(&report.servers).await {
            Verdict::Sound | Verdict::Partly(_) => Ok(()),
            Verdict::Nobody(why) => Err(Waiting(why).into()),
            Verdict::Unsound(why) | Verdict::Lossy(why) => Err(Failure::failed(why).into()),
        }
    }

    /// Shows in health, until `stop`, what is the matter with the stream, its servers and the connection. Whoever `appends`
    /// is not ready while a server forgets what it has acknowledged: one that did not answer at the start may be such a one.
    pub fn watch(
        &self,
        health: &Health,
        nats: &NatsArgs,
        appends: bool,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let Self::JetStream(store) = self else { return Ok(()) };
        let monitors = match nats.nats_monitor.as_slice() {
            [] => None,
            _ if nats.allow_lazy_sync => None,
            urls => Some(Monitors::new(urls)?),
        };
        let watching = Watching { store: Arc::clone(store), monitors, appends, servers: Verdict::Sound };
        let (connection, stream) = (health.check("nats"), health.check("stream"));
        let stop = stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(watching.run(connection, stream)).await });
        Ok(())
    }
}

/// Refuses where another number of servers holds the stream than was asked for.
pub fn check_replicas(report: &StreamReport, nats: &NatsArgs) -> Result<(), Failure> {
    match nats.nats_replicas.and_then(|wanted| u64::try_from(wanted).ok()) {
        Some(wanted) if report.replicas != wanted => Err(Failure::failed(format!(
            "the stream is held by {} server(s), and --nats-replicas says {wanted}: as administrator, \
             `nats stream edit POSTKEY --replicas {wanted}`",
            report.replicas
        ))),
        _ => Ok(()),
    }
}

/// What the task that watches the stream works with.
struct Watching {
    store: Arc<JetStreamStore>,
    monitors: Option<Monitors>,
    appends: bool,
    /// What the monitors said last.
    servers: Verdict,
}

impl Watching {
    async fn run(mut self, connection: HealthCheck, stream: HealthCheck) {
        let (mut trouble, mut alarms) = (self.store.trouble(), self.store.alarms());
        let mut look = tokio::time::interval(LOOK);
        loop {
            match trouble.borrow_and_update().clone() {
                None => connection.green(),
                Some(what) => connection.red(what),
            }
            let Alarms { drift, servers, consumer } = alarms.borrow_and_update().clone();
            let seen = self.servers.reason().map(str::to_owned);
            let said: Vec<_> = [drift, servers, consumer, seen].into_iter().flatten().collect();
            if said.is_empty() {
                stream.green();
            } else if self.appends && matches!(self.servers, Verdict::Lossy(_)) {
                stream.red(said.join("; "));
            } else {
                stream.yellow(said.join("; "));
            }
            tokio::select! {
                changed = trouble.changed() => if changed.is_err() { return },
                changed = alarms.changed() => if changed.is_err() { return },
                _ = look.tick() => self.look().await,
            }
        }
    }

    async fn look(&mut self) {
        // What it finds out shows in the alarms.
        let report: Result<_, ReadError> = self.store.report().await;
        let (Some(monitors), Ok(report)) = (&self.monitors, report) else { return };
        self.servers = monitors.check(&report.servers).await;
    }
}

pub(super) fn sqlite(opened: Result<SqliteStore, OpenError>) -> Result<Option<LogHandle>, Lack> {
    match opened {
        Ok(store) => Ok(Some(LogHandle::Sqlite(Arc::new(store)))),
        Err(OpenError::Missing(_) | OpenError::Unfinished(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn jet_stream(opened: Result<JetStreamStore, JetStreamError>) -> Result<Option<LogHandle>, Lack> {
    match opened {
        Ok(store) => Ok(Some(LogHandle::JetStream(Arc::new(store)))),
        Err(JetStreamError::Missing) => Ok(None),
        Err(error) => Err(lack(error)),
    }
}

/// What waiting can mend, and what it can't.
pub fn lack(error: JetStreamError) -> Lack {
    match error {
        JetStreamError::Unavailable { .. } => Waiting(error.to_string()).into(),
        error => Failure::failed(error).into(),
    }
}
