//! The copy is killed, over and over.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use domain::Position;
use event_log::Appended;
use event_log::contract::entry;

use crate::place::{Place, all, run, spawned, worked};

/// Kills it ten times, at any moments, then lets it come to its end.
async fn killed_ten_times(from: Place, to: Place, count: u64) {
    let entries = from.filled(count).await;
    let mut cut_off = 0;
    for round in 0..10 {
        let mut child = spawned(&from, &to);
        let random = RandomState::new().hash_one(round);
        // Every other one once it has begun to fill, which takes its time where several servers must come to rest.
        while round % 2 == 1 && !to.is_half_full().await && child.try_wait().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        let within = if round % 2 == 1 { 20_000 } else { 250_000 };
        tokio::time::sleep(Duration::from_micros(random % within)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        cut_off += u32::from(to.is_half_full().await);
        // Two that take appends at once never are.
        let (from, to) = (from.open().await.unwrap(), to.open().await);
        if let Some(to) = to {
            assert_eq!(from.try_append(&entry(99, "x"), Position::START).await, Appended::Closed);
            assert_eq!(all(&to).await.len(), entries.len(), "one that opens has everything");
        }
    }
    assert!(cut_off > 0, "no kill came in the middle");
    let said = worked(&run(&from, &to).await);
    let target = to.open().await.unwrap();
    assert!(all(&target).await == entries, "byte for byte");
    assert!(!from.takes().await && to.takes().await);
    let again = worked(&run(&from, &to).await);
    let root = |said: &str| said.split("tree is ").nth(1).unwrap().to_owned();
    assert_eq!(root(&again), root(&said), "a run after the end says the same");
    assert!(again.contains("finished already"), "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_on_the_way_from_a_file_to_a_server() {
    killed_ten_times(Place::file(), Place::server(), 3_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_on_the_way_from_a_file_to_three_servers() {
    killed_ten_times(Place::file(), Place::cluster(), 10_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_on_the_way_from_three_servers_to_a_file() {
    killed_ten_times(Place::cluster(), Place::file(), 10_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_on_the_way_from_a_file_to_another() {
    killed_ten_times(Place::file(), Place::file(), 20_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_on_the_way_from_a_server_to_three() {
    killed_ten_times(Place::server(), Place::cluster(), 2_000).await;
}
