//! The servers that services stand on in production: NATS and PostgreSQL, on this machine, with disks in earnest.

use std::time::{Duration, Instant};

use async_nats::jetstream;
use hyper::Method;
use serde_json::Value;
use servers::{Nats, NatsCluster, NatsOptions, Postgres, PostgresOptions};

use crate::failure::{Failure, Named};
use crate::usage::{Watched, listener};
use crate::work::Connection;

/// PostgreSQL as it is by default: a commit is on disk before it is answered.
pub struct Database {
    server: Postgres,
    watched: Watched,
}

impl Database {
    /// Starts one.
    ///
    /// # Errors
    /// Where its process can't be found.
    pub fn start() -> Result<Self, Failure> {
        let server = Postgres::with(PostgresOptions { durable: true, ..PostgresOptions::default() });
        let watched = Watched::new("postgres", listener(port(&server.url("postgres"))?)?);
        Ok(Self { server, watched })
    }

    /// A database of its own, as the superuser.
    pub fn database(&self) -> String {
        self.server.database()
    }

    /// Its processes.
    pub fn watched(&self) -> Watched {
        self.watched.clone()
    }
}

/// One nats-server or three, without accounts: whoever connects may do everything.
pub enum Broker {
    /// One.
    One(Box<Nats>),
    /// Three, for three replicas.
    Three(NatsCluster),
}

impl Broker {
    /// Starts one; `lazy`: `sync_interval` is left at its default of 2 minutes, otherwise it is `always`.
    pub fn one(lazy: bool) -> Self {
        Self::One(Box::new(Nats::with(NatsOptions { lazy_sync: lazy, config: Some(String::new()) })))
    }

    /// Starts three, `sync_interval: always`.
    pub fn three() -> Self {
        Self::Three(NatsCluster::with(NatsOptions { lazy_sync: false, config: Some(String::new()) }))
    }

    /// Where they are, with commas between.
    pub fn urls(&self) -> String {
        match self {
            Self::One(nats) => nats.url(),
            Self::Three(cluster) => cluster.urls(),
        }
    }

    /// Where their monitors are, with commas between.
    pub fn monitors(&self) -> String {
        match self {
            Self::One(nats) => nats.monitor_url(),
            Self::Three(cluster) => cluster.monitor_urls(),
        }
    }

    /// How many of them hold a stream.
    pub const fn replicas(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Three(_) => 3,
        }
    }

    /// Their processes.
    ///
    /// # Errors
    /// Where one can't be found.
    pub fn watched(&self) -> Result<Vec<Watched>, Failure> {
        let urls = self.urls();
        urls.split(',').map(|url| Ok(Watched::new("nats", listener(port(url)?)?))).collect()
    }

    /// Kills the server that leads a stream, and says when.
    ///
    /// # Errors
    /// Where nobody leads it, or there is one server only.
    pub async fn kill_leader(&mut self, stream: &str) -> Result<Instant, Failure> {
        let Self::Three(cluster) = self else { return Err(Failure::new("the leader", "there is one server only")) };
        let name = leader(&cluster.urls(), stream).await?;
        for node in cluster.nodes() {
            if server_name(&node.monitor_url()).await? == name {
                let at = Instant::now();
                node.kill();
                return Ok(at);
            }
        }
        Err(Failure::new("the leader", format!("there is no server {name}")))
    }
}

/// The name of the server that leads a stream.
async fn leader(urls: &str, stream: &str) -> Result<String, Failure> {
    let servers: Vec<async_nats::ServerAddr> =
        urls.split(',').map(str::parse).collect::<Result<_, _>>().named("NATS")?;
    let client = async_nats::connect(servers).await.named("NATS")?;
    let context = jetstream::new(client);
    let begun = Instant::now();
    loop {
        let stream = context.get_stream(stream).await.named("the log's stream")?;
        let leader = stream.cached_info().cluster.as_ref().and_then(|cluster| cluster.leader.clone());
        if let Some(leader) = leader {
            return Ok(leader);
        }
        if begun.elapsed() > Duration::from_secs(30) {
            return Err(Failure::new("the leader", "nobody leads the stream"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The name that a server gives itself.
async fn server_name(monitor: &str) -> Result<String, Failure> {
    let answer = Connection::new(monitor, &[])?.send(Method::GET, "/varz", None).await?;
    let varz: Value = serde_json::from_slice(&answer.body).named("a server's monitor")?;
    varz["server_name"].as_str().map(str::to_owned).ok_or_else(|| Failure::new("a server's monitor", "it has no name"))
}

/// The port in `scheme://…@host:port/…`.
///
/// # Errors
/// Where there is none.
pub fn port(url: &str) -> Result<u16, Failure> {
    let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    authority.rsplit(':').next().unwrap_or_default().parse().named("a server's port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_read_from_a_url() {
        assert_eq!(port("postgres://postgres@127.0.0.1:5433/x"), Ok(5433));
        assert_eq!(port("nats://127.0.0.1:4222"), Ok(4222));
        assert!(port("nats://localhost").is_err());
    }
}
