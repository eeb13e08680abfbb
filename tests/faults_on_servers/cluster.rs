//! Three NATS servers, and what becomes of them.

use servers::{NatsCluster, Postgres};
use stage::{Folder, Separate, run, until};

use crate::weather::Weather;

async fn on(cluster: &NatsCluster, folder: &Folder) -> Separate {
    let account = cluster.account();
    Separate::at(folder, &account, &cluster.monitor_urls(), Postgres::shared()).await
}

/// Which node leads the stream, by what `postkey nats show` says: the leader's name comes first.
async fn leader(separate: &Separate) -> usize {
    until("the stream has a leader", async || {
        let shown = run(separate.nats_show()).await;
        let names = shown.stdout.lines().find_map(|line| line.strip_prefix("replicas"))?.split_once('(')?.1.to_owned();
        names.strip_prefix('n')?.get(..1)?.parse().ok()
    })
    .await
}

#[tokio::test]
async fn the_leader_of_the_stream_is_killed_and_comes_back() {
    let (folder, mut cluster) = (Folder::new(), NatsCluster::start());
    let separate = on(&cluster, &folder).await;
    let weather = Weather::fair(separate.several(2, 2).await).await;
    for _ in 0..2 {
        let leads = leader(&separate).await;
        cluster.nodes()[leads].kill();
        weather.work_goes_on().await;
        cluster.nodes()[leads].start_again();
        cluster.wait();
    }
    weather.clears().await;
}

#[tokio::test]
async fn the_leader_of_the_stream_stands_still_for_a_while() {
    let (folder, mut cluster) = (Folder::new(), NatsCluster::start());
    let separate = on(&cluster, &folder).await;
    let weather = Weather::fair(separate.several(2, 2).await).await;
    let leads = leader(&separate).await;
    cluster.nodes()[leads].pause();
    // The others elect another meanwhile: work goes on without it.
    weather.work_goes_on().await;
    cluster.nodes()[leads].resume();
    weather.clears().await;
}

#[tokio::test]
async fn without_a_majority_nothing_is_acknowledged_and_health_says_so() {
    let (folder, mut cluster) = (Folder::new(), NatsCluster::start());
    let separate = on(&cluster, &folder).await;
    let weather = Weather::fair(separate.several(1, 2).await).await;
    cluster.nodes()[0].kill();
    cluster.nodes()[1].kill();
    for seat in weather.services.commands.iter().chain(&weather.services.projections) {
        until("it is not ready", async || seat.is_red().await.then_some(())).await;
        let health = seat.health().await;
        let reasons: Vec<_> =
            health.body["checks"].as_array().unwrap().iter().map(|check| check["reason"].to_string()).collect();
        assert!(reasons.iter().any(|reason| reason.contains("NATS") || reason.contains("log")), "{health:?}");
    }
    cluster.nodes()[0].start_again();
    cluster.nodes()[1].start_again();
    weather.clears().await;
}
