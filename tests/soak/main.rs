//! Everything is killed in turn, round after round, under load: three NATS servers, PostgreSQL, two command services, two
//! projections. `make soak` runs it; no other test does.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

#[path = "../faults_on_servers/weather.rs"]
mod weather;

use std::time::Instant;

use servers::{NatsCluster, Postgres};
use stage::{Folder, Random, Separate};

use weather::Weather;

/// How often each of them goes.
const ROUNDS: u64 = 5;

#[tokio::test]
async fn everything_is_killed_in_turn() {
    let (folder, mut cluster, mut postgres) = (Folder::new(), NatsCluster::start(), Postgres::start());
    let separate = Separate::at(&folder, &cluster.account(), &cluster.monitor_urls(), &postgres).await;
    let mut weather = Weather::fair(separate.several(2, 2).await).await;
    let mut random = Random::seeded();
    for _ in 0..ROUNDS {
        for _ in 0..3 {
            let node = usize::try_from(random.of(0..3)).unwrap();
            let fault = Instant::now();
            cluster.nodes()[node].kill();
            weather.work_resumes(fault).await;
            cluster.nodes()[node].start_again();
            cluster.wait();
        }
        postgres.kill();
        postgres.start_again();
        weather.work_goes_on().await;
        for number in [0, 1] {
            weather.services.projections[number].process.kill();
            weather.work_goes_on().await;
            weather.services.projection_again(number).await;
            weather.services.commands[1].process.kill();
            weather.work_goes_on().await;
            weather.services.command_again(1).await;
        }
        weather.services.are_well().await;
    }
    weather.clears().await;
}
