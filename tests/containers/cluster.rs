//! A cluster of three NATS servers in containers: what was acknowledged stays, whatever happens to the leader.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::Position;
use event_log::contract::{all, entry, service};
use event_log::{AppendError, EventLog, JetStreamStore, NatsConfig, Scope};
use futures::StreamExt as _;
use stage::until;
use testcontainers::bollard::models::{NetworkConnectRequest, NetworkDisconnectRequest};
use uuid::Uuid;
use wire::LogId;

use crate::docker;
use crate::nats::Nats;

const NAMES: [&str; 3] = ["n0", "n1", "n2"];
const LOG: LogId = LogId::new(Uuid::from_u128(1));

struct Cluster {
    network: String,
    nodes: Vec<Nats>,
}

impl Cluster {
    async fn start() -> Self {
        let network = tokio::task::spawn_blocking(servers::container_name).await.unwrap();
        let mut nodes = Vec::new();
        let hosts = NAMES.map(|name| format!("{network}-{name}"));
        let hosts = hosts.each_ref().map(String::as_str);
        for name in NAMES {
            nodes.push(Nats::start(Some((&network, name, &hosts))).await);
        }
        Self { network, nodes }
    }

    /// A log that all three hold.
    async fn log(&self) -> Arc<JetStreamStore> {
        let config = NatsConfig::new(self.nodes.iter().map(|node| node.url.clone()).collect());
        let made = until("a stream", async || JetStreamStore::create(&config, LOG, 3).await.ok()).await;
        Arc::new(made)
    }

    /// The node that leads the log's stream.
    async fn leader(&self, store: &JetStreamStore) -> &Nats {
        let at = until("a leader", async || {
            let servers = store.report().await.ok()?.servers;
            // The leader comes first, where there is one.
            if servers.len() == NAMES.len() { NAMES.iter().position(|name| *name == servers[0]) } else { None }
        });
        &self.nodes[at.await]
    }
}

/// One service's history, written entry by entry by one writer.
struct Writer {
    log: EventLog,
    written: Vec<Vec<u8>>,
    last: Position,
    longest: Duration,
}

impl Writer {
    /// Appends so many entries; each is asked for again until it is known to stand, in 60 s.
    async fn write(&mut self, count: usize) {
        for _ in 0..count {
            let entry = entry(1, format!("entry {}", self.written.len()));
            let begun = Instant::now();
            let mut unknown = false;
            self.last = loop {
                match self.log.append(&entry, self.last).await {
                    Ok(position) => break position,
                    Err(AppendError::Unavailable) if begun.elapsed() < Duration::from_secs(60) => unknown = true,
                    // What was not answered may stand by now.
                    Err(AppendError::Conflict) if unknown => break self.position_of(&entry.bytes).await,
                    Err(error) => panic!("entry {} after {:?}: {error}", self.written.len(), self.last),
                }
            };
            self.longest = self.longest.max(begun.elapsed());
            self.written.push(entry.bytes);
        }
    }

    /// Where the entry after the last one stands, which is this one.
    async fn position_of(&self, bytes: &[u8]) -> Position {
        let scope = Scope::service(service(1));
        let next = until("the next entry", async || self.log.read(scope.clone(), self.last).next().await?.ok()).await;
        assert_eq!(next.entry.bytes, bytes, "another entry stands at {:?}", next.position);
        next.position
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_a_leader_that_is_paused_cut_off_or_killed() {
    let Some(daemon) = docker::daemon().await else { return };
    let cluster = Cluster::start().await;
    let store = cluster.log().await;
    let mut writer = Writer {
        log: EventLog::new(store.clone(), LOG),
        written: Vec::new(),
        last: Position::new(0),
        longest: Duration::ZERO,
    };
    writer.write(20).await;

    let paused = &cluster.leader(&store).await.container;
    paused.pause().await.unwrap();
    writer.write(20).await;
    paused.unpause().await.unwrap();
    writer.write(20).await;

    let cut_off = cluster.leader(&store).await.container.id().to_owned();
    let cut = NetworkDisconnectRequest { container: cut_off.clone(), force: Some(true) };
    daemon.disconnect_network(&cluster.network, cut).await.unwrap();
    writer.write(20).await;
    let joined = NetworkConnectRequest { container: cut_off, ..Default::default() };
    daemon.connect_network(&cluster.network, joined).await.unwrap();
    writer.write(20).await;

    let killed = &cluster.leader(&store).await.container;
    docker::kill(&daemon, killed).await;
    writer.write(20).await;
    killed.start().await.unwrap();
    writer.write(20).await;

    let store: event_log::contract::Store = store;
    let read = all(&store, Scope::service(service(1)), Position::new(0)).await;
    let read: Vec<_> = read.into_iter().map(|stored| stored.entry.bytes).collect();
    assert_eq!(read, writer.written, "the longest append took {:?}", writer.longest);
}
