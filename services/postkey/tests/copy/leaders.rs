//! The server that leads the stream at one end of a copy is killed in the middle of it.

use servers::NatsCluster;

use crate::place::{LOG, Place, all, ended, refused, run, spawned, worked};

/// How many entries it is about: enough for the copy to be still under way.
const ENTRIES: u64 = 20_000;

/// Kills the leader once the target has begun to fill. The copy waits for the next one, or says that the same command goes on
/// with it; and that does.
async fn outlives_a_leader(cluster: &mut NatsCluster, from: &Place, to: &Place) {
    let entries = from.filled(ENTRIES).await;
    let stream = if let Place::Stream { .. } = from { from } else { to };
    let mut copy = spawned(from, to);
    let mut leader = None;
    while leader.is_none() || !to.is_half_full().await {
        if copy.try_wait().unwrap().is_some() {
            panic!("it has ended before its leader could be killed: {:?}", ended(copy).await);
        }
        if leader.is_none() {
            leader = stream.leader().await;
        }
    }
    let leader = leader.unwrap();
    cluster.nodes()[leader].kill();
    assert!(copy.try_wait().unwrap().is_none(), "the leader was killed in the middle");
    let mut copied = ended(copy).await;
    if !copied.status.success() {
        let told = refused(&copied);
        assert!(told.contains("the same command goes on with it"), "{told}");
        assert!(to.open().await.is_none(), "it stays closed until it is whole");
        copied = run(from, to).await;
    }
    let root = |said: &str| said.split("tree is ").nth(1).unwrap().to_owned();
    let copied = root(&worked(&copied));
    cluster.nodes()[leader].start_again();
    cluster.wait();
    let again = worked(&run(from, to).await);
    assert!(again.contains("finished already"), "{again}");
    assert_eq!(root(&again), copied, "one root");
    assert!(all(&to.open().await.unwrap()).await == entries, "byte for byte");
    // Each server answers from what it holds itself, the one that was away too.
    for end in to.each() {
        assert!(all(&end.open().await.unwrap()).await == entries, "byte for byte, under the same subjects");
    }
    assert!(!from.takes().await && to.takes().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_at_either_end_is_killed_in_the_middle() {
    let mut cluster = tokio::task::block_in_place(NatsCluster::start);
    // The cluster has made its first stream when the copy asks for one.
    Place::on_all_of(&cluster).create(LOG).await;
    let (file, stream, back) = (Place::file(), Place::on_all_of(&cluster), Place::file());
    outlives_a_leader(&mut cluster, &file, &stream).await;
    let stream = Place::on_all_of(&cluster);
    outlives_a_leader(&mut cluster, &stream, &back).await;
}
