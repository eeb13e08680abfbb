//! A NATS server in a container.

use std::time::Duration;

use async_nats::jetstream::{self, Context, stream};
use async_nats::{ConnectOptions, HeaderMap};
use stage::until;
use testcontainers::ImageExt as _;
use testcontainers::core::WaitFor;
use testcontainers::runners::AsyncRunner as _;

use crate::docker::{self, Container};

/// A server in its container, with JetStream and every message on disk before it is acknowledged.
pub struct Nats {
    /// Its container.
    pub container: Container,
    /// `nats://127.0.0.1:PORT`.
    pub url: String,
}

impl Nats {
    /// Starts one, alone or, under a name, as a node of a cluster in a network.
    pub async fn start(node: Option<(&str, &str, &[&str])>) -> Self {
        let mut config =
            "port: 4222\nmonitor_port: 8222\njetstream { store_dir: /data, sync_interval: always }\n".to_owned();
        if let Some((_, name, all)) = node {
            let routes = all.iter().map(|name| format!("nats://{name}:6222")).collect::<Vec<_>>().join(", ");
            config += &format!(
                "server_name: {name}\ncluster {{ name: test, port: 6222, no_advertise: true, routes: [{routes}] }}\n"
            );
        }
        let ready = [WaitFor::message_on_stderr("Server is ready")];
        let image = docker::server(servers::NATS_IMAGE, 4222, &ready);
        let request = image.with_copy_to("/test.conf", config.into_bytes()).with_cmd(["--config", "/test.conf"]);
        let (mut request, port) = docker::ours(request, servers::NATS_IMAGE, 4222).await;
        if let Some((network, name, _)) = node {
            request = request.with_network(network).with_container_name(format!("{network}-{name}"));
        }
        let container = request.start().await.expect("a container of NATS");
        Self { container, url: format!("nats://127.0.0.1:{port}") }
    }
}

async fn jetstream(url: &str) -> Option<Context> {
    let options = ConnectOptions::new().request_timeout(Some(Duration::from_secs(1)));
    let client = options.connect(url).await.ok()?;
    Some(jetstream::new(client))
}

/// Publishes where the subject's last position is the expected one.
async fn publish(jetstream: &Context, expected: &str) -> Result<u64, async_nats::Error> {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Expected-Last-Subject-Sequence", expected);
    Ok(jetstream.publish_with_headers("s.1", headers, "text".into()).await?.await?.sequence)
}

#[tokio::test]
async fn guarded_publishes_outlive_a_pause_and_a_kill() {
    let Some(daemon) = docker::daemon().await else { return };
    let nats = Nats::start(None).await;
    let client = jetstream(&nats.url).await.unwrap();
    let config = stream::Config { name: "S".to_owned(), subjects: vec!["s.>".to_owned()], ..Default::default() };
    client.create_stream(config).await.unwrap();
    assert_eq!(publish(&client, "0").await.unwrap(), 1);
    let refused = publish(&client, "0").await.unwrap_err();
    assert!(refused.to_string().contains("wrong last sequence"), "{refused}");

    nats.container.pause().await.unwrap();
    let paused = client.query_account().await;
    nats.container.unpause().await.unwrap();
    assert!(paused.is_err(), "{paused:?}");
    assert_eq!(publish(&client, "1").await.unwrap(), 2);

    docker::kill(&daemon, &nats.container).await;
    assert!(jetstream(&nats.url).await.is_none());
    nats.container.start().await.unwrap();
    let client = until("it is back", async || jetstream(&nats.url).await).await;
    let stream = until("its stream is back", async || client.get_stream("S").await.ok()).await;
    assert_eq!(stream.cached_info().state.messages, 2);
    publish(&client, "1").await.unwrap_err();
    assert_eq!(publish(&client, "2").await.unwrap(), 3);
}
