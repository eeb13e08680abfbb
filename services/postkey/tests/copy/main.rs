//! `postkey copy` at its worst: killed, run twice at once, beside a writer, at a target that is not what it should be, while
//! servers fail.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod kills;
mod leaders;
mod place;

use std::sync::Arc;

use domain::Position;
use event_log::contract::entry;
use event_log::{Appended, CopyEnd, CopyId, Scope, SqliteStore};
use servers::{Nats, NatsOptions};
use uuid::Uuid;
use wire::{LogId, Stored};

use self::place::{LOG, Place, all, copy, ended, refused, run, spawned, worked};

/// Two copies of one log at the same time: one comes to its end, and the other's target never opens.
async fn of_two_one_goes_on(from: Place, one: Place, other: Place) {
    from.filled(500).await;
    let (first, second) = (spawned(&from, &one), spawned(&from, &other));
    let (first, second) = tokio::join!(ended(first), ended(second));
    let (lost, place) = if first.status.success() { (&second, &other) } else { (&first, &one) };
    assert!(first.status.success() || second.status.success(), "{first:?} {second:?}");
    let told = refused(lost);
    assert!(told.contains("closed for"), "{told}");
    assert!(refused(&run(&from, place).await).contains("closed for"), "nor later");
    let mut open = 0;
    for place in [&from, &one, &other] {
        open += i32::from(place.takes().await);
    }
    assert_eq!(open, 1, "one of the three takes appends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_copies_of_a_file_one_goes_on() {
    for _ in 0..3 {
        of_two_one_goes_on(Place::file(), Place::file(), Place::server()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_copies_of_a_stream_one_goes_on() {
    for _ in 0..3 {
        of_two_one_goes_on(Place::cluster(), Place::file(), Place::file()).await;
        of_two_one_goes_on(Place::server(), Place::file(), Place::file()).await;
    }
}

/// Writers that go on until they are refused: what was acknowledged to them is all there.
async fn beside_writers(from: Place, to: Place) {
    let log = from.create(LOG).await;
    let writers: Vec<_> = (0..8)
        .map(|service| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let (mut last, mut acknowledged) = (Position::START, Vec::new());
                loop {
                    let entry = entry(service, format!("{last}"));
                    match log.try_append(&entry, last).await {
                        Appended::At(position) => {
                            last = position;
                            acknowledged.push(Stored { position, entry });
                        }
                        Appended::Closed => return acknowledged,
                        other => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    while log.head(Scope::All).await.unwrap().position < Position::new(50) {
        tokio::task::yield_now().await;
    }
    worked(&run(&from, &to).await);
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    acknowledged.sort_by_key(|stored| stored.position);
    let target = to.open().await.unwrap();
    assert!(all(&target).await == acknowledged, "all that was acknowledged, and nothing else");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_meanwhile_is_copied() {
    beside_writers(Place::file(), Place::cluster()).await;
    beside_writers(Place::cluster(), Place::file()).await;
    beside_writers(Place::server(), Place::file()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_byte_in_the_target_is_found_and_keeps_it_closed() {
    for to in [Place::file(), Place::server()] {
        let from = Place::file();
        let mut entries = from.filled(1_500).await;
        let copy = CopyId::new(Uuid::from_u128(2));
        let target = to.create_copy(copy).await;
        let Place::File(path, _) = &from else { panic!("it is a file") };
        SqliteStore::open_for_copy(path).await.unwrap().close_for(copy).await.unwrap();
        entries[776].entry.bytes[3] ^= 1;
        target.take(&entries[..1_200]).await.unwrap();
        let told = refused(&run(&from, &to).await);
        assert!(told.contains("position 777"), "{told}");
        assert!(to.open().await.is_none(), "it stays closed");
        assert!(refused(&run(&from, &to).await).contains("position 777"), "as often as it is asked");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_target_is_made_anew_only_where_it_is_said_to_be_lost() {
    let (from, to, elsewhere) = (Place::file(), Place::file(), Place::file());
    let entries = from.filled(50).await;
    let copy = CopyId::new(Uuid::from_u128(2));
    to.create_copy(copy).await;
    let Place::File(path, _) = &from else { panic!("it is a file") };
    SqliteStore::open_for_copy(path).await.unwrap().close_for(copy).await.unwrap();
    let told = refused(&run(&from, &elsewhere).await);
    assert!(told.contains(&copy.to_string()), "{told}");
    let mut again = self::copy(&from, &elsewhere);
    let output = ended(again.args(["--lost", &copy.to_string()]).spawn().unwrap()).await;
    worked(&output);
    assert!(all(&elsewhere.open().await.unwrap()).await == entries);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_be_refused_is_refused_before_the_log_is_closed() {
    let from = Place::file();
    from.filled(20).await;
    let mut told = Vec::new();

    told.push(refused(&run(&Place::file(), &Place::file()).await));
    told.push(refused(&run(&from, &from).await));
    // Another log, and this one as a log of its own.
    for log in [LogId::new(Uuid::from_u128(8)), LOG] {
        for to in [Place::file(), Place::server()] {
            to.create(log).await;
            told.push(refused(&run(&from, &to).await));
        }
    }
    // A copy under way that holds something of a log that this one was closed for, when it was not.
    let to = Place::file();
    to.create_copy(CopyId::new(Uuid::from_u128(3))).await.take(&[first()]).await.unwrap();
    told.push(refused(&run(&from, &to).await));
    // A folder that is not there.
    let Place::File(path, folder) = Place::file() else { panic!("it is a file") };
    let nowhere = Place::File(path.join("nowhere/log.db"), folder);
    told.push(refused(&run(&from, &nowhere).await));
    // Servers that forget what they acknowledge, that are too few, and that nobody watches.
    let lazy = Nats::with(NatsOptions { lazy_sync: true, config: None });
    told.push(refused(&run(&from, &Place::on(&lazy)).await));
    let nats = Nats::shared();
    let many = Place::Stream { url: nats.account(), monitors: nats.monitor_url(), replicas: 3 };
    told.push(refused(&run(&from, &many).await));
    let blind = Place::Stream { url: nats.account(), monitors: String::new(), replicas: 1 };
    told.push(refused(&run(&from, &blind).await));
    // Nobody there.
    let gone = Place::Stream { url: "nats://127.0.0.1:1".to_owned(), monitors: nats.monitor_url(), replicas: 1 };
    told.push(refused(&run(&from, &gone).await));

    assert!(from.takes().await, "it is as it was: {told:#?}");
    for line in told {
        assert!(line.len() > 20 && line.len() < 400, "{line}");
    }
}

fn first() -> Stored {
    Stored { position: Position::new(1), entry: entry(1, "x") }
}

/// A service's credentials, which may append and read, close nothing and fill nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_no_administrator_copies_neither_from_nor_to_a_server() {
    let config = r#"accounts { E { jetstream: enabled, users: [
        { user: admin, password: a },
        { user: service, password: s, permissions: { publish: { allow: [ "postkey.>", "$JS.API.STREAM.INFO.POSTKEY",
          "$JS.API.DIRECT.GET.POSTKEY", "$JS.API.STREAM.MSG.GET.POSTKEY" ] }, subscribe: { allow: [ "_INBOX.>" ] } } } ] } }"#;
    let nats = Nats::with(NatsOptions { lazy_sync: false, config: Some(config.to_owned()) });
    let as_user = |login: &str| Place::Stream {
        url: nats.url().replace("nats://", &format!("nats://{login}@")),
        monitors: nats.monitor_url(),
        replicas: 1,
    };
    let (admin, service, file) = (as_user("admin:a"), as_user("service:s"), Place::file());
    file.filled(20).await;
    refused(&run(&file, &service).await);
    assert!(file.takes().await, "the file is not closed");
    assert!(admin.open().await.is_none(), "no stream is made");

    // It is there, begun by the administrator; a service may not fill it.
    let begun = admin.create_copy(CopyId::new(Uuid::from_u128(3))).await;
    refused(&run(&file, &service).await);
    assert_eq!(file.open().await.unwrap().head(Scope::All).await.unwrap().position, Position::new(21));
    assert!(!begun.standing().await.unwrap().closed);
    worked(&run(&file, &admin).await);

    let back = Place::file();
    let told = refused(&run(&service, &back).await);
    assert!(told.to_lowercase().contains("permissions"), "{told}");
    assert!(back.open().await.is_none());
    worked(&run(&admin, &back).await);
    assert!(!admin.takes().await && back.takes().await);
}
