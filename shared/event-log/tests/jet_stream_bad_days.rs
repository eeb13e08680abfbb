//! Servers that stand still, are killed and come back; connections that break; credentials that no longer hold.

mod jets;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::Position;
use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use jets::proxy::Proxy;
use jets::{Administrator, LOG, NOTICED, Writers, config, followed, log_over, made, next, position, race, within};
use nkeys::{KeyPair, KeyPairType};
use postkey_event_log::contract::{all, append, entry, service};
use postkey_event_log::{Corrupt, JetStreamError, JetStreamStore, LogStore, ReadError, Scope};
use serde_json::json;
use servers::{Nats, NatsCluster, NatsOptions};
use tokio::task::block_in_place;
use tokio::time::{Instant, timeout};
use wire::Stored;

/// Waits until the log has grown by so many entries.
async fn grows(store: &JetStreamStore, by: u64) {
    let head = async || store.head(Scope::All).await.ok().map(|head| head.position.get());
    let before = within(60, head).await;
    within(60, async || head().await.filter(|now| *now >= before + by)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_killed_and_stopped_loses_nothing_it_acknowledged() {
    let mut nats = block_in_place(Nats::start);
    let store = made(&config(&nats.account()), 1).await;
    let (log, reader) = (log_over(&store), log_over(&store));
    let writers = Writers::start(&log, 40);
    grows(&store, 100).await;
    let follower = tokio::spawn(async move { followed(&reader, Position::START, 500).await.0 });

    nats.pause();
    let trouble = within(20, async || store.trouble().borrow().clone()).await;
    assert!(!trouble.is_empty());
    nats.resume();
    grows(&store, 100).await;
    assert_eq!(*store.trouble().borrow(), None);
    block_in_place(|| nats.kill());
    within(20, async || store.trouble().borrow().clone()).await;
    block_in_place(|| nats.start_again());
    grows(&store, 100).await;
    block_in_place(|| {
        nats.stop();
        nats.start_again();
    });
    grows(&store, 300).await;
    writers.end_and_check(&store).await;
    assert!(follower.await.expect("no panic") == all(&(store as _), Scope::All, Position::START).await[..500]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_leader_goes_on_where_the_last_one_was_killed_or_stands_still() {
    let mut cluster = block_in_place(NatsCluster::start);
    let urls = cluster.account();
    let store = made(&config(&urls), 3).await;
    let administrator = Administrator::connect(&urls).await;
    let (log, reader) = (log_over(&store), log_over(&store));
    let writers = Writers::start(&log, 40);
    grows(&store, 100).await;
    let follower = tokio::spawn(async move { followed(&reader, Position::START, 500).await.0 });

    let killed = within(30, async || administrator.leader().await).await;
    block_in_place(|| cluster.nodes()[killed].kill());
    grows(&store, 300).await;
    block_in_place(|| cluster.nodes()[killed].start_again());
    let paused = within(30, async || administrator.leader().await).await;
    cluster.nodes()[paused].pause();
    grows(&store, 300).await;
    cluster.nodes()[paused].resume();
    grows(&store, 300).await;
    writers.end_and_check(&store).await;
    assert!(follower.await.expect("no panic") == all(&(store as _), Scope::All, Position::START).await[..500]);
}

/// As they do for moments after a start, or while a machine is busy.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_made_once_the_servers_that_shall_hold_it_have_found_each_other() {
    let mut cluster = block_in_place(NatsCluster::start);
    let urls = cluster.account();
    let config = config(urls.rsplit_once(',').expect("three").0);
    // Those that come up first have not seen the third yet.
    block_in_place(|| {
        cluster.nodes().iter_mut().for_each(Nats::stop);
        cluster.nodes()[..2].iter_mut().for_each(Nats::start_again);
    });
    let administrator = Administrator::connect(&config.servers.join(",")).await;
    let settings = json!({"name": "POSTKEY", "num_replicas": 3});
    let refused = within(30, async || administrator.refused_to_make(&settings).await).await;
    assert_eq!(refused, 10005, "no suitable peers");
    let making = tokio::spawn(async move { JetStreamStore::create(&config, LOG, 3).await });
    block_in_place(|| cluster.nodes()[2].start_again());
    let store = making.await.expect("no panic").expect("a log");
    append(&(Arc::new(store) as _), &entry(1, "a"), Position::START).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_has_lost_the_others_is_not_believed() {
    let mut cluster = block_in_place(NatsCluster::start);
    let urls = cluster.account();
    let store = made(&config(&urls), 3).await;
    append(&(Arc::clone(&store) as _), &entry(1, "a"), Position::START).await;
    let leader = within(30, async || Administrator::connect(&urls).await.leader().await).await;
    let leaders = urls.split(',').nth(leader).expect("one of three");
    let store = JetStreamStore::open(&config(leaders)).await.expect("a log");
    store.head(Scope::All).await.expect("a leader in touch");
    for node in (0..3).filter(|node| *node != leader) {
        cluster.nodes()[node].pause();
    }
    // It goes on leading, as it thinks.
    let said = within(30, async || store.head(Scope::All).await.err()).await;
    assert!(matches!(&said, ReadError::Unavailable(what) if what.contains("has not heard from most")), "{said}");
    let read = store.read(Scope::Subject(entry(1, "").subject), Position::START).next().await;
    assert!(matches!(read, Some(Err(ReadError::Unavailable(_)))), "{read:?}");
    for node in (0..3).filter(|node| *node != leader) {
        cluster.nodes()[node].resume();
    }
    within(60, async || store.head(Scope::All).await.ok()).await;
}

/// Clients reach it all the same, and do not stay with it. Of so many one is at it, but for one time in a hundred.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_cut_off_from_the_others_is_left_for_another() {
    let cluster = block_in_place(NatsCluster::start_divisible);
    let urls = cluster.account();
    append(&(made(&config(&urls), 3).await as _), &entry(1, "a"), Position::START).await;
    let mut stores = Vec::new();
    for _ in 0..12 {
        stores.push(JetStreamStore::open(&config(&urls)).await.expect("a log"));
    }
    let leader = within(30, async || Administrator::connect(&urls).await.leader().await).await;
    cluster.cut_off(leader);
    // Nobody hears from it any more, and it answers until it knows so.
    let own = JetStreamStore::open(&config(urls.split(',').nth(leader).expect("one of three"))).await.expect("a log");
    within(30, async || own.head(Scope::All).await.err()).await;
    join_all(stores.iter().map(|store| within(90, async || store.head(Scope::All).await.ok()))).await;
    assert!(own.head(Scope::All).await.is_err(), "it was cut off all the time");
    cluster.join(leader);
    within(60, async || own.head(Scope::All).await.ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_a_server_that_stands_still_hears_so() {
    let nats = block_in_place(Nats::start);
    let store = made(&config(&nats.account()), 1).await;
    append(&(Arc::clone(&store) as _), &entry(1, "a"), Position::START).await;
    let wakes = store.wakes();
    nats.pause();
    // More than the client keeps in its queue.
    let asked = (0..5_000).map(|number| {
        let store = Arc::clone(&store);
        async move {
            match number % 3 {
                0 => store.head(Scope::All).await.err(),
                1 => store.read(Scope::service(service(1)), Position::START).next().await.and_then(Result::err),
                _ => store.follow(Position::START).next().await.and_then(Result::err),
            }
        }
    });
    let answers = timeout(Duration::from_secs(60), async {
        wakes.wake(position(1)).await;
        join_all(asked).await
    });
    for answer in answers.await.expect("an answer each") {
        assert!(matches!(answer, Some(ReadError::Unavailable(_))), "{answer:?}");
    }
    nats.resume();
    within(30, async || store.head(Scope::All).await.ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_acknowledgement_is_lost_is_answered_with_its_position() {
    let url = Nats::shared().account();
    let proxy = Proxy::before(&url).await;
    let store = made(&config(proxy.url()), 1).await;
    let log = log_over(&store);
    let mut last = Position::START;
    for number in 1..=10 {
        proxy.lose_acks(1 + number % 2);
        let appended = log.append(&entry(1, format!("{number}")), last).await.expect("appended");
        assert_eq!(appended, last.next());
        last = appended;
    }
    assert!(proxy.acks_lost() >= 10, "{}", proxy.acks_lost());
    proxy.lose_acks(0);
    let found = log.read(Scope::All, Position::START).try_collect::<Vec<_>>().await.expect("sound");
    assert_eq!(found.len(), 10, "one was written twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_again_and_again_makes_no_holes() {
    let account = NatsCluster::shared().account();
    let writer = made(&config(&account), 3).await;
    let store: Arc<dyn LogStore> = Arc::clone(&writer) as _;
    let written = log_over(&writer);
    let own = async {
        let mut last = Position::START;
        for number in 0..300 {
            let bytes = [format!("{number} ").as_bytes(), &[b'x'; 3_000]].concat();
            last = written.append(&entry(1, bytes), last).await.expect("appended");
        }
    };
    let others = (2..900).map(async |number| {
        written.append(&entry(number, "y"), Position::START).await.expect("appended");
    });
    futures::join!(own, join_all(others));
    let whole = all(&store, Scope::All, Position::START).await;
    let proxy = Proxy::before(account.split(',').next().expect("one of three")).await;
    let log = log_over(&Arc::new(JetStreamStore::open(&config(proxy.url())).await.expect("a log")));
    // Enough for what is asked before, and a part of what is answered.
    proxy.break_after(300_000);
    for scope in [Scope::All, Scope::service(service(1))] {
        let mut found = Vec::new();
        let ended = async || {
            let last = found.last().map_or(Position::START, |stored: &Stored| stored.position);
            let mut entries = log.read(scope.clone(), last);
            loop {
                match entries.next().await {
                    Some(Ok(stored)) => found.push(stored),
                    Some(Err(ReadError::Unavailable(_))) => return None,
                    Some(Err(error)) => panic!("{error}"),
                    None => return Some(()),
                }
            }
        };
        within(60, ended).await;
        assert!(found.iter().eq(whole.iter().filter(|stored| scope.covers(&stored.entry.subject))), "{scope:?}");
    }
    assert!(followed(&log, Position::START, whole.len()).await.0 == whole);
    assert!(proxy.broken() >= 5, "{}", proxy.broken());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_lost_on_the_way_is_asked_for_again() {
    let url = Nats::shared().account();
    let proxy = Proxy::before(&url).await;
    let store: Arc<dyn LogStore> = made(&config(proxy.url()), 1).await;
    let (mut last, mut own) = (Position::START, Vec::new());
    for number in 0..300 {
        let entry = entry(1, format!("{number}"));
        last = append(&store, &entry, last).await;
        own.push(Stored { position: last, entry });
    }
    for scope in [Scope::All, Scope::service(service(1))] {
        proxy.lose_entries(5);
        within(30, async || {
            assert!(all(&store, scope.clone(), Position::START).await == own, "{scope:?}");
            (proxy.entries_to_lose() == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_forty_that_race_over_two_ways_into_three_servers_one_wins_each_round() {
    let account = NatsCluster::shared().account();
    let mut urls = account.split(',');
    let ways = [
        Proxy::before(urls.next().expect("one of three")).await,
        Proxy::before(urls.next().expect("two of three")).await,
    ];
    let log = log_over(&made(&config(ways[0].url()), 3).await);
    let other = log_over(&Arc::new(JetStreamStore::open(&config(ways[1].url())).await.expect("a log")));
    race([&log, &other], 10).await;
    let refusals = ways.iter().map(Proxy::refusals_in_flight).sum::<usize>();
    assert!(refusals > 0, "no append was refused because another was on its way: nothing is said about those");
}

/// A server that knows one client, by its key.
fn knowing(key: &KeyPair) -> Nats {
    let users = format!("accounts {{ A {{ jetstream: enabled, users: [{{ nkey: {} }}] }} }}\n", key.public_key());
    block_in_place(|| Nats::with(NatsOptions { lazy_sync: false, config: Some(users) }))
}

fn key(number: u8) -> KeyPair {
    KeyPair::new_from_raw(KeyPairType::User, [number; 32]).expect("a key")
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_read_again_at_each_connection() {
    let (known, unknown) = (key(1), key(2));
    let mut nats = knowing(&known);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("postkey.nk");
    let write = |key: &KeyPair| std::fs::write(&file, key.seed().expect("a seed")).expect("written");
    let mut config = config(&nats.url());
    config.credentials = Some(file.clone());
    let refused = JetStreamStore::open(&config).await.err().expect("there is no file");
    assert!(matches!(&refused, JetStreamError::Credentials { path, .. } if *path == file), "{refused}");
    write(&unknown);
    let refused = JetStreamStore::open(&config).await.err().expect("nobody knows this key");
    assert!(matches!(refused, JetStreamError::Unavailable { .. }), "{refused}");
    assert!(!refused.to_string().contains(&unknown.seed().expect("a seed")));
    write(&known);
    let store = made(&config, 1).await;
    let log = log_over(&store);
    let last = log.append(&entry(1, "a"), Position::START).await.expect("known");

    write(&unknown);
    block_in_place(|| {
        nats.kill();
        nats.start_again();
    });
    let said = async || store.trouble().borrow().clone().filter(|said| said.contains("refuses these credentials"));
    within(30, said).await;
    assert!(matches!(store.head(Scope::All).await, Err(ReadError::Unavailable(what)) if what.contains("credentials")));
    std::fs::remove_file(&file).expect("there");
    within(30, said).await;

    write(&known);
    within(30, async || store.head(Scope::All).await.ok()).await;
    assert_eq!(*store.trouble().borrow(), None);
    log.append(&entry(1, "b"), last).await.expect("known again");
}

/// Where a server keeps its streams, where that is on this machine.
fn store_folder(nats: &Nats) -> Option<PathBuf> {
    use std::io::{Read as _, Write as _};
    let monitor = nats.monitor_url();
    let mut stream = std::net::TcpStream::connect(monitor.strip_prefix("http://").expect("a URL")).expect("a monitor");
    stream.write_all(b"GET /jsz HTTP/1.0\r\n\r\n").expect("asked");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("answered");
    let folder = page.split("\"store_dir\": \"").nth(1)?.split('"').next()?;
    Some(PathBuf::from(folder)).filter(|folder| folder.is_dir())
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(copied.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_folder_that_was_put_back_is_a_log_rolled_back() {
    let mut nats = block_in_place(Nats::start);
    // In a container it is out of reach: there, a stream that was put back is what `jet_stream` tests.
    let Some(folder) = store_folder(&nats) else { return };
    let kept = tempfile::tempdir().expect("a folder");
    let store = made(&config(&nats.account()), 1).await;
    let log = log_over(&store);
    let mut last = Position::START;
    for number in 0..20 {
        if number == 10 {
            block_in_place(|| nats.stop());
            copy(&folder, &kept.path().join("store"));
            block_in_place(|| nats.start_again());
            within(30, async || store.head(Scope::All).await.ok()).await;
        }
        last = log.append(&entry(1, format!("{number}")), last).await.expect("appended");
    }
    block_in_place(|| {
        nats.stop();
        std::fs::remove_dir_all(&folder).expect("removed");
        copy(&kept.path().join("store"), &folder);
        nats.start_again();
    });
    let found = within(30, async || log.head(Scope::All).await.err().filter(|e| matches!(e, ReadError::Corrupt(_))));
    assert_eq!(found.await, Corrupt::RolledBack { head: position(10), seen: position(20) }.into());
    assert!(log.append(&entry(2, "x"), Position::START).await.is_err());
    let follower = log_over(&store).follow(last).next().await;
    assert_eq!(follower, Some(Err(Corrupt::RolledBack { head: position(10), seen: position(20) }.into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn fewer_replicas_are_an_alarm_until_they_are_back() {
    let account = NatsCluster::shared().account();
    let administrator = Administrator::connect(&account).await;
    let store = made(&config(&account), 3).await;
    assert_eq!(store.report().await.expect("sound").servers.len(), 3);
    let alarm = async || {
        let _ = store.head(Scope::All).await;
        store.alarms().borrow().drift.clone()
    };
    administrator.set("num_replicas", 1.into()).await;
    let said = within(30, alarm).await;
    assert!(said.contains("num_replicas is 1 and was 3"), "{said}");
    administrator.set("num_replicas", 3.into()).await;
    within(60, async || alarm().await.is_none().then_some(())).await;
}

/// How such a leader is dealt with, is what the log's own tests show.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_of_several_servers_may_lag_behind_what_another_has_delivered_and_a_server_of_its_own_may_not() {
    let cluster = block_in_place(NatsCluster::shared).account();
    assert!(made(&config(&cluster), 3).await.lag() > Duration::ZERO);
    let alone = block_in_place(Nats::shared).account();
    assert_eq!(made(&config(&alone), 1).await.lag(), Duration::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_whose_server_stands_still_is_given_up_within_two_seconds() {
    let mut cluster = block_in_place(NatsCluster::start);
    let urls = cluster.account();
    let writer = made(&config(&urls), 3).await;
    let administrator = Administrator::connect(&urls).await;
    let leader = within(30, async || administrator.leader().await).await;
    let leaders = urls.split(',').nth(leader).expect("one of three");
    let store = Arc::new(JetStreamStore::open(&config(leaders)).await.expect("a log"));
    let (log, reader) = (log_over(&writer), log_over(&store));
    let mut last = log.append(&entry(1, "first"), Position::START).await.expect("appended");
    // On a server that neither leads the log nor is the one that is spoken to.
    let (mut entries, server) = within(30, async || {
        let mut entries = reader.follow(Position::START);
        assert_eq!(next(&reader, &mut entries, Position::START).await, last);
        let on = administrator.server_of_consumer().await.filter(|server| *server != leader);
        on.map(|server| (entries, server))
    })
    .await;
    cluster.nodes()[server].pause();
    let fault = Instant::now();
    let doubt = timeout(Duration::from_secs(30), entries.next()).await.expect("within 30 s");
    assert!(matches!(doubt, Some(Err(ReadError::Unavailable(_)))), "{doubt:?}");
    assert!(fault.elapsed() < NOTICED, "{:?}", fault.elapsed());
    let appended = log.append(&entry(1, "second"), last).await.expect("appended");
    entries = reader.follow(last);
    let arrived = timeout(Duration::from_secs(30), next(&reader, &mut entries, last)).await;
    assert_eq!(arrived.expect("from another server"), appended);
    last = log.append(&entry(1, "third"), appended).await.expect("appended");
    assert_eq!(next(&reader, &mut entries, appended).await, last);
    cluster.nodes()[server].resume();
}
