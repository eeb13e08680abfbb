//! Three nodes are a cluster that outlives one of them.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::time::{Duration, Instant};

use async_nats::jetstream::{self, stream};
use servers::NatsCluster;

#[tokio::test]
async fn a_cluster_elects_another_leader_and_keeps_what_it_acknowledged() {
    let mut cluster = NatsCluster::start();
    let jetstream = connected(&cluster.account()).await;
    within(async || jetstream.get_or_create_stream(stream()).await.ok()).await;
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

#[tokio::test]
async fn a_node_that_is_cut_off_acknowledges_nothing_until_it_is_joined_again() {
    let cluster = NatsCluster::start_divisible();
    let urls = cluster.account();
    let leader = cluster.leader().expect("one leads");
    let (own, others): (Vec<_>, Vec<_>) = urls.split(',').enumerate().partition(|(node, _)| *node == leader);
    let [inside, outside] =
        [own, others].map(|nodes| nodes.into_iter().map(|(_, url)| url).collect::<Vec<_>>().join(","));
    let (inside, outside) = (connected(&inside).await, connected(&outside).await);
    within(async || outside.get_or_create_stream(stream()).await.ok()).await;
    let published = async |there: &jetstream::Context| there.publish("s.1", "text".into()).await.ok()?.await.ok();
    within(async || published(&inside).await).await;

    cluster.cut_off(leader);
    within(async || published(&outside).await).await;
    assert!(published(&inside).await.is_none(), "it has no majority");
    cluster.join(leader);
    within(async || published(&inside).await).await;
}

fn stream() -> stream::Config {
    stream::Config { name: "S".to_owned(), subjects: vec!["s.>".to_owned()], num_replicas: 3, ..Default::default() }
}

/// A client of these servers, which waits a second for each answer.
async fn connected(urls: &str) -> jetstream::Context {
    // async-nats takes no login from a URL.
    let (user, password) = urls.strip_prefix("nats://").unwrap().split_once('@').unwrap().0.split_once(':').unwrap();
    let options = async_nats::ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
        .ignore_discovered_servers()
        .retry_on_initial_connect()
        .request_timeout(Some(Duration::from_secs(1)));
    jetstream::new(options.connect(urls.split(',').collect::<Vec<_>>()).await.unwrap())
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
