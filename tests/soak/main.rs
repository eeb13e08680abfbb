//! What takes many minutes; `make soak` runs it, and no other test does. Everything is killed in turn, round after round, under
//! load: three NATS servers, PostgreSQL, two command services, two projections. And a hundred thousand unknown addresses are
//! tried, each from a place of its own, so that each costs an argon2id.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

#[path = "../faults_on_servers/weather.rs"]
mod weather;

#[path = "../faults/strangers.rs"]
mod strangers;

use std::time::Instant;

use servers::{NatsCluster, Postgres};
use stage::{Folder, MIB, Random, Scene, Separate};

use strangers::{Strangers, try_the_door};
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

#[tokio::test]
async fn a_hundred_thousand_unknown_addresses_fill_no_memory_and_keep_nobody_out() {
    // Few enough entries for its memory to tell: all of them would take some 26 MB.
    let grows_by = Some(12.0 * MIB as f64);
    let strangers = Strangers { addresses: 100_000, from_few: 0, entries: 1_024, grows_by };
    let scene = Scene::set_with(&[("POSTKEY_THROTTLE_ENTRIES", &strangers.entries.to_string())]).await;
    try_the_door(&scene, strangers).await;
}
