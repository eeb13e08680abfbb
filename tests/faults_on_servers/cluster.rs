//! Three NATS servers, and what becomes of them.

use std::time::{Duration, Instant};

use servers::{NatsCluster, Postgres};
use stage::{Folder, Separate, run, until};

use crate::weather::Weather;

/// How long a server stands still.
const STILL: Duration = Duration::from_secs(10);

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
        let fault = Instant::now();
        cluster.nodes()[leads].kill();
        weather.work_resumes(fault).await;
        weather.services.all_say("stream", &format!("down or behind: n{leads}")).await;
        cluster.nodes()[leads].start_again();
        cluster.wait();
        weather.services.are_well().await;
    }
    weather.clears().await;
}

#[tokio::test]
async fn the_leader_of_the_stream_stands_still_for_ten_seconds() {
    let (folder, mut cluster) = (Folder::new(), NatsCluster::start());
    let separate = on(&cluster, &folder).await;
    let weather = Weather::fair(separate.several(2, 2).await).await;
    let leads = leader(&separate).await;
    let fault = Instant::now();
    cluster.nodes()[leads].pause();
    // The others elect another meanwhile: work goes on without it.
    weather.work_resumes(fault).await;
    weather.services.all_say("stream", &format!("down or behind: n{leads}")).await;
    // How long the fault lasts, and nothing that is waited for.
    tokio::time::sleep_until((fault + STILL).into()).await;
    cluster.nodes()[leads].resume();
    weather.work_resumes(Instant::now()).await;
    weather.clears().await;
}

/// One command service and one projection reach no other server than the one that is cut off, two reach the others.
#[tokio::test]
async fn the_leader_of_the_stream_is_cut_off_from_the_others_while_clients_reach_it() {
    let (folder, cluster) = (Folder::new(), NatsCluster::start_divisible());
    let account = cluster.account();
    let separate = Separate::at(&folder, &account, &cluster.monitor_urls(), Postgres::shared()).await;
    run(separate.nats_setup()).await.worked();
    let leads = leader(&separate).await;
    let (own, others): (Vec<_>, Vec<_>) = account.split(',').enumerate().partition(|(node, _)| *node == leads);
    let reaching = |nodes: Vec<(usize, &str)>| {
        let urls: Vec<_> = nodes.into_iter().map(|(_, url)| url).collect();
        separate.with_log(&urls.join(","), &cluster.monitor_urls())
    };
    let (inside, outside) = (reaching(own), reaching(others));
    let both = [&inside, &outside];
    let weather = Weather::fair(Separate::beside_each_other(&both, &both).await).await;
    assert_eq!(leader(&separate).await, leads);
    let fault = Instant::now();
    cluster.cut_off(leads);
    weather.work_resumes(fault).await;
    let [commands, projections] = [&weather.services.commands, &weather.services.projections];
    commands[0].api().says("log", "has not heard from most of the others").await;
    projections[0].api().says("projector", "has not heard from most of the others").await;
    commands[1].api().says("stream", &format!("down or behind: n{leads}")).await;
    projections[1].api().says("stream", &format!("down or behind: n{leads}")).await;
    weather.work_goes_on().await;
    cluster.join(leads);
    weather.work_resumes(Instant::now()).await;
    weather.clears().await;
}

#[tokio::test]
async fn without_a_majority_nothing_is_acknowledged_and_health_says_so() {
    let (folder, mut cluster) = (Folder::new(), NatsCluster::start());
    let separate = on(&cluster, &folder).await;
    let weather = Weather::fair(separate.several(1, 2).await).await;
    cluster.nodes()[0].kill();
    cluster.nodes()[1].kill();
    // Where the third one had led, it goes on answering, and is not believed; else nobody answers.
    for seat in &weather.services.commands {
        seat.api().says("log", "the log can't be read").await;
    }
    for seat in &weather.services.projections {
        seat.api().says("projector", "the log").await;
    }
    cluster.nodes()[0].start_again();
    cluster.nodes()[1].start_again();
    weather.clears().await;
}
