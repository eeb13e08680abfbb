//! What takes longer: many rounds of races, every server killed or stopped in turn. `make soak` runs it; no other test
//! run does.

mod jets;

use std::sync::Arc;

use domain::Position;
use jets::{Administrator, Writers, config, followed, log_over, made, race, within};
use postkey_event_log::contract::all;
use postkey_event_log::{JetStreamStore, LogStore, Scope};
use servers::NatsCluster;
use tokio::task::block_in_place;

#[tokio::test(flavor = "multi_thread")]
async fn of_forty_that_race_on_three_servers_one_wins_each_of_fifty_rounds() {
    let account = NatsCluster::shared().account();
    let log = log_over(&made(&config(&account), 3).await);
    let other = log_over(&Arc::new(JetStreamStore::open(&config(&account)).await.expect("a log")));
    race([&log, &other], 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_three_servers_in_turn_nothing_acknowledged_is_lost() {
    let mut cluster = block_in_place(NatsCluster::start);
    let urls = cluster.account();
    let store = made(&config(&urls), 3).await;
    let administrator = Administrator::connect(&urls).await;
    let (log, reader) = (log_over(&store), log_over(&store));
    let writers = Writers::start(&log, 40);
    let follower = tokio::spawn(async move { followed(&reader, Position::START, 2_000).await.0 });
    let grows = async || {
        let head = async || store.head(Scope::All).await.ok().map(|head| head.position.get());
        let before = within(60, head).await;
        within(60, async || head().await.filter(|now| *now >= before + 200)).await
    };
    for turn in 0..12 {
        let leader = within(60, async || administrator.leader().await).await;
        // The leader twice as often as each of the others.
        let node = if turn % 2 == 0 { leader } else { (turn / 2) % 3 };
        match turn % 3 {
            0 => block_in_place(|| cluster.nodes()[node].kill()),
            1 => block_in_place(|| cluster.nodes()[node].stop()),
            _ => cluster.nodes()[node].pause(),
        }
        grows().await;
        match turn % 3 {
            2 => cluster.nodes()[node].resume(),
            _ => block_in_place(|| cluster.nodes()[node].start_again()),
        }
        block_in_place(|| cluster.wait());
        grows().await;
    }
    // All of them at once: the power is gone.
    block_in_place(|| {
        cluster.nodes().iter_mut().for_each(servers::Nats::kill);
        cluster.nodes().iter_mut().for_each(servers::Nats::start_again);
    });
    grows().await;
    assert!(writers.end_and_check(&store).await >= 2_000);
    assert!(
        follower.await.expect("no panic")
            == all(&(store as Arc<dyn LogStore>), Scope::All, Position::START).await[..2_000]
    );
}
