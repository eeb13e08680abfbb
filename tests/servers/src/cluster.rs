//! Three nats-servers as one cluster.

use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;

use crate::nats::{self, Nats, NatsOptions};
use crate::nats_config::{Routes, Seat};
use crate::ports;
use crate::until::until;
use crate::way::Way;

const NODES: usize = 3;

/// Three nodes, for streams with three replicas. It ends with this value.
#[derive(Debug)]
pub struct NatsCluster {
    nodes: Vec<Nats>,
    /// From one node to another, where they can be cut.
    ways: Vec<([usize; 2], Way)>,
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
        let ports: Vec<u16> = (0..NODES).map(|_| ports::free_port()).collect();
        let routes = ports.iter().map(|own| Routes { own: *own, others: ports.clone(), told: None }).collect();
        Self::joined_by(routes, Vec::new(), &options)
    }

    /// Starts one whose nodes can be [cut off](NatsCluster::cut_off) from each other.
    ///
    /// # Panics
    /// As [`Nats::start`].
    pub fn start_divisible() -> Self {
        let ports: Vec<u16> = (0..NODES).map(|_| ports::free_port()).collect();
        let pairs = (0..NODES).flat_map(|from| (0..NODES).map(move |to| [from, to])).filter(|[from, to]| from != to);
        let ways: Vec<_> = pairs.map(|[from, to]| ([from, to], Way::to(ports[to]))).collect();
        let from = |node| ways.iter().filter(move |([from, _], _)| *from == node).map(|(_, way)| way.port()).collect();
        // Nobody listens where a node is said to be: no other way leads to it.
        let of = |(node, own): (usize, &u16)| Routes { own: *own, others: from(node), told: Some(ports::free_port()) };
        let routes = ports.iter().enumerate().map(of).collect();
        Self::joined_by(routes, ways, &NatsOptions::default())
    }

    fn joined_by(routes: Vec<Routes>, ways: Vec<([usize; 2], Way)>, options: &NatsOptions) -> Self {
        let seats = routes.into_iter().enumerate().map(|(n, routes)| Seat {
            name: format!("n{n}"),
            port: ports::free_port(),
            monitor: ports::free_port(),
            routes: Some(routes),
        });
        let mut nodes: Vec<Nats> = seats.map(|seat| Nats::seated(seat, options)).collect();
        nodes.iter_mut().for_each(Nats::launch);
        nodes.iter_mut().for_each(Nats::wait);
        let cluster = Self { nodes, ways, given: AtomicUsize::new(0) };
        cluster.wait();
        cluster
    }

    /// Cuts a node off from the others, none of which hears of that. Clients reach it as before.
    ///
    /// # Panics
    /// Where it was not started as [divisible](NatsCluster::start_divisible).
    pub fn cut_off(&self, node: usize) {
        self.ways_of(node).for_each(Way::cut);
    }

    /// Joins it to them again.
    ///
    /// # Panics
    /// As [`NatsCluster::cut_off`].
    pub fn join(&self, node: usize) {
        self.ways_of(node).for_each(Way::mend);
    }

    fn ways_of(&self, node: usize) -> impl Iterator<Item = &Way> {
        assert!(!self.ways.is_empty(), "its nodes reach each other without a way between");
        self.ways.iter().filter(move |(ends, _)| ends.contains(&node)).map(|(_, way)| way)
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
