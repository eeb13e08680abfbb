//! Three nodes are a cluster that outlives one of them.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::time::{Duration, Instant};

use async_nats::jetstream::{self, stream};
use servers::NatsCluster;

#[tokio::test]
async fn a_cluster_elects_another_leader_and_keeps_what_it_acknowledged() {
    let mut cluster = NatsCluster::start();
    let urls = cluster.account();
    // async-nats takes no login from a URL.
    let (user, password) = urls.strip_prefix("nats://").unwrap().split_once('@').unwrap().0.split_once(':').unwrap();
    let options = async_nats::ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
        .ignore_discovered_servers()
        .retry_on_initial_connect()
        .request_timeout(Some(Duration::from_secs(1)));
    let client = options.connect(urls.split(',').collect::<Vec<_>>()).await.unwrap();
    let jetstream = jetstream::new(client);
    let config = stream::Config {
        name: "S".to_owned(),
        subjects: vec!["s.>".to_owned()],
        num_replicas: 3,
        ..Default::default()
    };
    within(async || jetstream.get_or_create_stream(config.clone()).await.ok()).await;
    let published = async || jetstream.publish("s.1", "text".into()).await.ok()?.await.ok();
    let before = within(published).await.sequence;

    let leader = cluster.leader().expect("one leads");
    cluster.nodes()[leader].kill();
    let after = within(published).await.sequence;
    assert!(after > before);
    let next = within(async || cluster.leader().filter(|next| *next != leader)).await;
    assert_ne!(next, leader);

    cluster.nodes()[leader].start_again();
    cluster.wait();
    let state = within(async || jetstream.get_stream("S").await.ok()).await.cached_info().state.clone();
    assert_eq!(state.last_sequence, after);
    assert_eq!([cluster.urls(), cluster.monitor_urls()].map(|list| list.split(',').count()), [3, 3]);
}

/// Asks again until there is an answer, for 30 s.
async fn within<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "no answer in 30 s");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
