//! Where a log can be, and the command that copies it from one such place to another.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::Position;
use event_log::contract::entry;
use event_log::{
    Appended, CopyEnd, CopyId, JetStreamError, JetStreamStore, LogStore, NatsConfig, OpenError, Scope, SqliteStore,
};
use futures::TryStreamExt;
use servers::{Nats, NatsCluster};
use tempfile::TempDir;
use uuid::Uuid;
use wire::{LogId, Stored};

pub const LOG: LogId = LogId::new(Uuid::from_u128(7));

/// Where a log can be.
pub enum Place {
    File(PathBuf, TempDir),
    Stream { url: String, monitors: String, replicas: usize },
}

impl Place {
    pub fn file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::File(folder.path().join("log.db"), folder)
    }

    pub fn server() -> Self {
        Self::on(Nats::shared())
    }

    pub fn on(nats: &Nats) -> Self {
        Self::Stream { url: nats.account(), monitors: nats.monitor_url(), replicas: 1 }
    }

    pub fn cluster() -> Self {
        Self::on_all_of(NatsCluster::shared())
    }

    pub fn on_all_of(nats: &NatsCluster) -> Self {
        Self::Stream { url: nats.account(), monitors: nats.monitor_urls(), replicas: 3 }
    }

    pub fn url(&self) -> String {
        match self {
            Self::File(path, _) => format!("sqlite:{}", path.display()),
            Self::Stream { url, .. } => url.clone(),
        }
    }

    pub fn config(&self) -> NatsConfig {
        NatsConfig::new(self.url().split(',').map(str::to_owned).collect())
    }

    pub async fn create(&self, log: LogId) -> Arc<dyn LogStore> {
        match self {
            Self::File(path, _) => Arc::new(SqliteStore::create(path, log).await.unwrap()),
            Self::Stream { replicas, .. } => {
                Arc::new(made(async || JetStreamStore::create(&self.config(), log, *replicas).await).await)
            }
        }
    }

    /// Makes a log with so many entries, the fast way: as the target of a copy.
    pub async fn filled(&self, count: u64) -> Vec<Stored> {
        let copy = CopyId::new(Uuid::from_u128(1));
        let target = self.create_copy(copy).await;
        let entries: Vec<_> = (1..=count)
            .map(|n| Stored { position: Position::new(n), entry: entry(n % 23, format!("{n}\n{}", "x".repeat(300))) })
            .collect();
        target.take(&entries).await.unwrap();
        target.finish(copy, Position::new(count)).await.unwrap();
        entries
    }

    pub async fn create_copy(&self, copy: CopyId) -> Arc<dyn CopyEnd> {
        match self {
            Self::File(path, _) => Arc::new(SqliteStore::create_copy(path, LOG, copy).await.unwrap()),
            Self::Stream { replicas, .. } => {
                Arc::new(made(async || JetStreamStore::create_copy(&self.config(), LOG, copy, *replicas).await).await)
            }
        }
    }

    /// As services open it; none where there is none, or a copy into it is under way.
    pub async fn open(&self) -> Option<Arc<dyn LogStore>> {
        match self {
            Self::File(path, _) => match SqliteStore::open(path).await {
                Ok(store) => Some(Arc::new(store)),
                Err(OpenError::CopyUnderWay(_) | OpenError::Missing(_) | OpenError::Unfinished(_)) => None,
                Err(error) => panic!("{error}"),
            },
            Self::Stream { .. } => match JetStreamStore::open(&self.config()).await {
                Ok(store) => Some(Arc::new(store)),
                Err(JetStreamError::Unfinished | JetStreamError::Missing) => None,
                Err(error) => panic!("{error}"),
            },
        }
    }

    /// Whether a copy into it has taken some, and is not finished.
    pub async fn is_half_full(&self) -> bool {
        let standing = match self {
            Self::File(path, _) => match SqliteStore::open_for_copy(path).await {
                Ok(store) => store.standing().await.unwrap(),
                Err(_) => return false,
            },
            Self::Stream { .. } => match JetStreamStore::open_for_copy(&self.config()).await {
                Ok(store) => store.standing().await.unwrap(),
                Err(_) => return false,
            },
        };
        standing.unfinished && standing.head > Position::START
    }

    /// The node that leads its stream, by its number; none where there is no stream, or none leads now.
    pub async fn leader(&self) -> Option<usize> {
        let Self::Stream { replicas, .. } = self else { return None };
        let servers = JetStreamStore::open_for_copy(&self.config()).await.ok()?.report().await.ok()?.servers;
        // The leader comes first, where there is one.
        let first = servers.first().filter(|_| servers.len() == *replicas)?;
        first.strip_prefix('n')?.parse().ok()
    }

    /// The same place by way of each of its servers; a file is no place of servers.
    pub fn each(&self) -> Vec<Self> {
        let Self::Stream { url, monitors, replicas } = self else { return Vec::new() };
        let by_way_of =
            |url: &str| Self::Stream { url: url.to_owned(), monitors: monitors.clone(), replicas: *replicas };
        url.split(',').map(by_way_of).collect()
    }

    /// Whether it takes appends now.
    pub async fn takes(&self) -> bool {
        let Some(log) = self.open().await else { return false };
        match log.try_append(&entry(77, "one more"), Position::START).await {
            // A conflict is an answer of the guard.
            Appended::At(_) | Appended::Conflict => true,
            Appended::Closed => false,
            Appended::Unknown => panic!("nobody answers"),
        }
    }
}

/// A new stream. The first one of a cluster that has just begun may have to be asked for again.
async fn made(mut make: impl AsyncFnMut() -> Result<JetStreamStore, JetStreamError>) -> JetStreamStore {
    let begun = Instant::now();
    loop {
        match make().await {
            Err(JetStreamError::Unavailable { .. }) if begun.elapsed() < Duration::from_secs(30) => {}
            made => return made.unwrap(),
        }
    }
}

pub async fn all(log: &Arc<dyn LogStore>) -> Vec<Stored> {
    log.read(Scope::All, Position::START).try_collect().await.unwrap()
}

/// The command, with what the ends need.
pub fn copy(from: &Place, to: &Place) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postkey"));
    command.args(["copy", "--from", &from.url(), "--to", &to.url(), "--log-level", "warn"]).env_clear();
    for end in [from, to] {
        if let Place::Stream { monitors, replicas, .. } = end {
            command.args(["--nats-monitor", monitors]);
            if std::ptr::eq(end, to) {
                command.args(["--nats-replicas", &replicas.to_string()]);
            }
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub fn spawned(from: &Place, to: &Place) -> Child {
    copy(from, to).spawn().unwrap()
}

pub async fn ended(child: Child) -> Output {
    tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap()
}

#[track_caller]
pub fn worked(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one line that a person is told.
#[track_caller]
pub fn refused(output: &Output) -> String {
    assert!(matches!(output.status.code(), Some(1 | 2)), "{output:?}");
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    told.lines().find_map(|line| line.strip_prefix("postkey: ")).expect("one line").to_owned()
}

pub async fn run(from: &Place, to: &Place) -> Output {
    ended(spawned(from, to)).await
}
