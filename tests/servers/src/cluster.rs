//! Three nats-servers as one cluster.

use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;

use crate::nats::{self, Nats, NatsOptions};
use crate::nats_config::Seat;
use crate::ports;
use crate::until::until;

const NODES: usize = 3;

/// Three nodes, for streams with three replicas. It ends with this value.
#[derive(Debug)]
pub struct NatsCluster {
    nodes: Vec<Nats>,
    given: AtomicUsize,
}

impl NatsCluster {
    /// Starts one. On return every node is in health, and one leads.
    ///
    /// # Panics
    /// As [`Nats::start`].
    pub fn start() -> Self {
        Self::with(NatsOptions::default())
    }

    /// Starts one whose nodes all differ from the usual in the same way.
    ///
    /// # Panics
    /// As [`Nats::start`].
    pub fn with(options: NatsOptions) -> Self {
        let routes: Vec<u16> = (0..NODES).map(|_| ports::free_port()).collect();
        let seats = routes.iter().enumerate().map(|(n, own)| Seat {
            name: format!("n{n}"),
            port: ports::free_port(),
            monitor: ports::free_port(),
            routes: Some((*own, routes.clone())),
        });
        let mut nodes: Vec<Nats> = seats.map(|seat| Nats::seated(seat, &options)).collect();
        nodes.iter_mut().for_each(Nats::launch);
        nodes.iter_mut().for_each(Nats::wait);
        let cluster = Self { nodes, given: AtomicUsize::new(0) };
        cluster.wait();
        cluster
    }

    /// The one that all tests of this process share, who kill no node of it: take an [account](NatsCluster::account) of
    /// your own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<NatsCluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// `nats://127.0.0.1:PORT` of every node, with commas between.
    pub fn urls(&self) -> String {
        self.each(Nats::url)
    }

    /// URLs of every node, with commas between, with user and password of an account that nobody else is given.
    ///
    /// # Panics
    /// As [`Nats::account`].
    pub fn account(&self) -> String {
        assert!(!self.nodes[0].is_configured(), "the accounts are those of the configuration that was given");
        let account = nats::next_account(&self.given);
        self.each(|node| node.url_of(&account))
    }

    /// `http://127.0.0.1:PORT` of every node's monitor, with commas between.
    pub fn monitor_urls(&self) -> String {
        self.each(Nats::monitor_url)
    }

    /// The nodes, to be killed and so on.
    pub fn nodes(&mut self) -> &mut [Nats] {
        &mut self.nodes
    }

    /// The node that leads the cluster (not a stream), by its place in [`NatsCluster::nodes`], as those say that answer;
    /// `None` while they don't agree.
    pub fn leader(&self) -> Option<usize> {
        let named: Vec<Option<usize>> =
            self.nodes.iter().filter_map(|node| node.monitored("/jsz")).map(|page| leader(&page)).collect();
        let first = *named.first()?;
        named.iter().all(|other| *other == first).then_some(first).flatten()
    }

    /// Waits until every node is in health and all agree on who leads.
    ///
    /// # Panics
    /// When that takes more than 60 s, with the nodes' logs.
    pub fn wait(&self) {
        let ready = until(|| (self.nodes.iter().all(Nats::healthy) && self.leader().is_some()).then_some(()));
        assert!(ready.is_some(), "no cluster:\n{}", self.nodes.iter().map(Nats::log).collect::<String>());
    }

    fn each(&self, say: impl Fn(&Nats) -> String) -> String {
        self.nodes.iter().map(say).collect::<Vec<_>>().join(",")
    }
}

/// The leader that a `/jsz` page names: `"meta_cluster": { "name": "test", "leader": "n1", …`.
fn leader(page: &str) -> Option<usize> {
    let meta = page.split("\"meta_cluster\"").nth(1)?;
    let name = meta.split("\"leader\"").nth(1)?.split('"').nth(1)?;
    name.strip_prefix('n')?.parse().ok()
}
