//! The copy is killed, over and over.

use std::hash::{BuildHasher, RandomState};
use std::process::{Child, Command};
use std::time::Duration;

use domain::Position;
use event_log::Appended;
use event_log::contract::entry;

use crate::place::{Place, all, run, spawned, worked};

/// For how long a copy runs between two looks at how far it has come: less than copying takes.
const SLICE: Duration = Duration::from_millis(2);

/// Sends a signal to a child that was not waited for yet.
fn signal(child: &Child, signal: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status().unwrap();
    assert!(sent.success(), "{signal} could not be sent");
}

/// Lets it run until a part of the log is copied, or it has ended. A look at servers takes as long as a copy may: it stands
/// still meanwhile. One at a file does not, and would wait for a lock that whoever stands still holds.
async fn has_begun(child: &mut Child, to: &Place) {
    let stands_still = matches!(to, Place::Stream { .. });
    while child.try_wait().unwrap().is_none() {
        tokio::time::sleep(SLICE).await;
        if stands_still {
            signal(child, "STOP");
        }
        let begun = to.is_half_full().await;
        if stands_still && !begun {
            signal(child, "CONT");
        }
        if begun {
            return;
        }
    }
}

/// Kills it ten times, at any moments, then lets it come to its end.
async fn killed_ten_times(from: Place, to: Place, count: u64) {
    let entries = from.filled(count).await;
    let mut cut_off = 0;
    for round in 0..10 {
        let mut child = spawned(&from, &to);
        let random = RandomState::new().hash_one(round);
        // Every other one once it has begun to fill, which takes its time where several servers must come to rest: the first
        // right there, the others a little later.
        if round % 2 == 1 {
            tokio::time::sleep(Duration::from_micros(random % 250_000)).await;
        } else {
            has_begun(&mut child, &to).await;
            if round > 0 && child.try_wait().unwrap().is_none() {
                signal(&child, "CONT");
                tokio::time::sleep(Duration::from_micros(random % 20_000)).await;
            }
        }
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
