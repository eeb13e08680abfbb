//! The contract of either end of a copy, passed by each store that can be one; and what only one kind has to pass.

mod jets;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::Position;
use futures::TryStreamExt;
use futures::future::join_all;
use jets::{Administrator, within};
use postkey_event_log::contract::{append, entry};
use postkey_event_log::{
    Appended, CopyEnd, CopyError, CopyId, JetStreamError, JetStreamStore, LogStore, NatsConfig, OpenError, Scope,
    SqliteStore,
};
use servers::{Nats, NatsCluster};
use tempfile::TempDir;
use uuid::Uuid;
use wire::{LogId, Stored};

const LOG: LogId = LogId::new(Uuid::from_u128(1));
const COPY: CopyId = CopyId::new(Uuid::from_u128(0xc0));
const OTHER: CopyId = CopyId::new(Uuid::from_u128(0xc1));

/// Where one log can be.
#[async_trait]
trait Place: Send + Sync {
    /// Makes an ordinary log.
    async fn create(&self) -> Arc<dyn LogStore>;
    /// Makes a copy's target.
    async fn create_copy(&self, copy: CopyId) -> Arc<dyn CopyEnd>;
    /// Opens it as a service does; none where a copy into it is under way.
    async fn open(&self) -> Option<Arc<dyn LogStore>>;
    /// Opens it as a copy does.
    async fn open_for_copy(&self) -> Arc<dyn CopyEnd>;
}

struct File(PathBuf, #[expect(dead_code, reason = "the folder goes with it")] TempDir);

impl File {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self(folder.path().join("log.db"), folder)
    }
}

#[async_trait]
impl Place for File {
    async fn create(&self) -> Arc<dyn LogStore> {
        Arc::new(SqliteStore::create(&self.0, LOG).await.expect("a log"))
    }

    async fn create_copy(&self, copy: CopyId) -> Arc<dyn CopyEnd> {
        Arc::new(SqliteStore::create_copy(&self.0, LOG, copy).await.expect("a target"))
    }

    async fn open(&self) -> Option<Arc<dyn LogStore>> {
        let read_only = SqliteStore::open_read_only(&self.0).await;
        match SqliteStore::open(&self.0).await {
            Ok(store) => {
                read_only.expect("a log that can be written to can be read");
                Some(Arc::new(store))
            }
            Err(OpenError::CopyUnderWay(_)) => {
                assert!(matches!(read_only, Err(OpenError::CopyUnderWay(_))));
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    async fn open_for_copy(&self) -> Arc<dyn CopyEnd> {
        Arc::new(SqliteStore::open_for_copy(&self.0).await.expect("an end"))
    }
}

struct Stream(NatsConfig, usize);

impl Stream {
    fn alone() -> Self {
        Self(NatsConfig::new(vec![Nats::shared().account()]), 1)
    }

    fn on_three_servers() -> Self {
        Self(NatsConfig::new(NatsCluster::shared().account().split(',').map(str::to_owned).collect()), 3)
    }
}

#[async_trait]
impl Place for Stream {
    async fn create(&self) -> Arc<dyn LogStore> {
        Arc::new(JetStreamStore::create(&self.0, LOG, self.1).await.expect("a log"))
    }

    async fn create_copy(&self, copy: CopyId) -> Arc<dyn CopyEnd> {
        Arc::new(JetStreamStore::create_copy(&self.0, LOG, copy, self.1).await.expect("a target"))
    }

    async fn open(&self) -> Option<Arc<dyn LogStore>> {
        match JetStreamStore::open(&self.0).await {
            Ok(store) => Some(Arc::new(store)),
            Err(JetStreamError::Unfinished) => None,
            Err(error) => panic!("{error}"),
        }
    }

    async fn open_for_copy(&self) -> Arc<dyn CopyEnd> {
        Arc::new(JetStreamStore::open_for_copy(&self.0).await.expect("an end"))
    }
}

/// Entries of some services, of all sorts of bytes.
fn entries(count: u64) -> Vec<Stored> {
    let every_byte: Vec<u8> = (0..=255).collect();
    (1..=count)
        .map(|n| {
            let bytes = if n % 7 == 0 { every_byte.clone() } else { format!("entry {n}\r\n\0").into_bytes() };
            Stored { position: Position::new(n), entry: entry(n % 11, bytes) }
        })
        .collect()
}

fn index(position: Position) -> usize {
    usize::try_from(position.get()).expect("small")
}

async fn all(store: &Arc<dyn CopyEnd>) -> Vec<Stored> {
    store.read(Scope::All, Position::START).try_collect().await.expect("the log can be read")
}

async fn a_target_is_nobodys_but_its_copys_until_that_is_finished(place: impl Place) {
    let target = place.create_copy(COPY).await;
    let source = entries(700);
    target.take(&source[..300]).await.expect("taken");
    assert_eq!(target.take(&source[299..300]).await, Err(CopyError::NotNext), "what stands is not taken again");
    assert_eq!(target.take(&source[301..320]).await, Err(CopyError::NotNext), "nothing is left out");
    target.take(&source[300..]).await.expect("taken");

    let standing = target.standing().await.expect("standing");
    assert_eq!((standing.log, standing.head, standing.made_by), (LOG, Position::new(700), Some(COPY)));
    assert!(standing.unfinished && !standing.closed && standing.closed_for.is_none());
    assert!(place.open().await.is_none(), "nobody else opens it");
    assert_eq!(target.try_append(&entry(99, "x"), Position::START).await, Appended::Closed);
    assert_eq!(target.close_for(OTHER).await, Err(CopyError::Unfinished));

    let again = place.open_for_copy().await;
    assert_eq!(again.finish(COPY, Position::new(699)).await, Err(CopyError::NotNext));
    assert_eq!(again.finish(OTHER, Position::new(700)).await, Err(CopyError::NotUnderWay));
    assert!(place.open().await.is_none(), "it is still not open");
    again.finish(COPY, Position::new(700)).await.expect("finished");

    let log = place.open().await.expect("an ordinary log");
    assert!(all(&again).await == source, "every entry is as it was");
    let last = source.iter().rfind(|stored| stored.entry.subject == entry(3, "").subject).expect("one").position;
    assert_eq!(append(&log, &entry(3, "on"), last).await, Position::new(701));
    for end in [&target, &again] {
        assert_eq!(end.take(&entries(702)[701..]).await, Err(CopyError::NotUnderWay));
    }
    assert_eq!(again.finish(COPY, Position::new(700)).await, Ok(()), "it was done before");
    assert_eq!(again.standing().await.expect("standing").made_by, Some(COPY));
}

async fn of_many_copies_one_may_close_the_log(place: impl Place) {
    let log = place.create().await;
    for n in 0..5 {
        append(&log, &entry(n, "x"), Position::START).await;
    }
    let mut ends = Vec::new();
    for _ in 0..8 {
        ends.push(place.open_for_copy().await);
    }
    let copies: Vec<CopyId> = (0..8).map(|n| CopyId::new(Uuid::from_u128(n))).collect();
    let answers = join_all(ends.iter().zip(&copies).map(|(end, copy)| end.close_for(*copy))).await;
    let winner = answers.iter().position(|answer| *answer == Ok(Position::new(5))).expect("one may");
    for (n, answer) in answers.iter().enumerate() {
        if n != winner {
            assert_eq!(*answer, Err(CopyError::ClosedForAnother(copies[winner])), "copy {n}");
        }
    }
    for (end, copy) in ends.iter().zip(&copies) {
        assert_eq!(end.close_for(*copy).await.is_ok(), *copy == copies[winner], "it stays so");
    }
    let standing = ends[0].standing().await.expect("standing");
    assert_eq!((standing.closed, standing.closed_for, standing.made_by), (true, Some(copies[winner]), None));
    for log in [log, place.open().await.expect("a closed log is open to readers")] {
        assert_eq!(log.try_append(&entry(1, "no"), Position::new(2)).await, Appended::Closed);
        assert_eq!(log.head(Scope::All).await.expect("a head").position, Position::new(5));
    }
}

async fn what_was_acknowledged_stands_before_the_end(place: impl Place) {
    let log = place.create().await;
    let writers: Vec<_> = (0..20)
        .map(|service| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let mut last = Position::START;
                let mut acknowledged = Vec::new();
                for n in 0..100_000 {
                    let entry = entry(service, format!("{n}"));
                    match log.try_append(&entry, last).await {
                        Appended::At(position) => {
                            last = position;
                            acknowledged.push(Stored { position, entry });
                        }
                        Appended::Closed => return acknowledged,
                        // A leader that has just come may not know yet what was acknowledged by the one before.
                        Appended::Conflict => tokio::task::yield_now().await,
                        other => panic!("{other:?}"),
                    }
                }
                panic!("it was never closed");
            })
        })
        .collect();
    let end = place.open_for_copy().await;
    while end.standing().await.expect("standing").head < Position::new(100) {
        tokio::task::yield_now().await;
    }
    let head = end.close_for(COPY).await.expect("closed");
    let mut acknowledged: Vec<Stored> =
        join_all(writers).await.into_iter().flat_map(|w| w.expect("no panic")).collect();
    acknowledged.sort_by_key(|stored| stored.position);
    assert!(all(&end).await == acknowledged, "all that was acknowledged, and no more");
    assert_eq!(acknowledged.last().expect("some").position, head);
}

async fn who_fills_the_same_target_at_the_same_time_does_no_harm(place: impl Place) {
    let (one, other) = (place.create_copy(COPY).await, place.open_for_copy().await);
    let source = entries(600);
    let fill = async |end: &Arc<dyn CopyEnd>, at_once: usize| {
        loop {
            let head = end.standing().await.expect("standing").head;
            let from = index(head);
            let some = &source[from..source.len().min(from + at_once)];
            if some.is_empty() {
                return end.finish(COPY, head).await;
            }
            match end.take(some).await {
                Ok(()) | Err(CopyError::NotNext) => {}
                // The other was faster, to the very end.
                Err(CopyError::NotUnderWay) => return Ok(()),
                Err(error) => panic!("{error}"),
            }
        }
    };
    assert_eq!(futures::join!(fill(&one, 7), fill(&other, 40)), (Ok(()), Ok(())));
    assert!(all(&one).await == source, "each entry once, in order");
}

macro_rules! copy_end_tests {
    ($make:expr) => {
        copy_end_tests! { $make =>
            a_target_is_nobodys_but_its_copys_until_that_is_finished, of_many_copies_one_may_close_the_log,
            what_was_acknowledged_stands_before_the_end, who_fills_the_same_target_at_the_same_time_does_no_harm,
        }
    };
    ($make:expr => $($test:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let limit = std::time::Duration::from_secs(120);
                tokio::time::timeout(limit, super::$test($make)).await.expect("the test hangs");
            }
        )*
    };
}

mod sqlite {
    copy_end_tests!(super::File::new());
}

mod jet_stream {
    copy_end_tests!(super::Stream::alone());
}

mod jet_stream_on_three_servers {
    copy_end_tests!(super::Stream::on_three_servers());
}

/// What files were like before there were copies.
const BEFORE: &str = include_str!("sqlite_before_copies.sql");

#[tokio::test]
async fn a_file_of_before_opens_as_ever_and_can_be_closed_for_a_copy() {
    use sqlx::ConnectOptions;
    let file = File::new();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file.0).create_if_missing(true);
    let mut connection = options.connect().await.expect("a file");
    sqlx::raw_sql(BEFORE).execute(&mut connection).await.expect("the schema of before");
    drop(connection);
    let log = file.open().await.expect("a log");
    append(&log, &entry(1, "a"), Position::START).await;
    let end = file.open_for_copy().await;
    assert_eq!(end.standing().await.expect("standing").log, LOG);
    assert_eq!(end.close_for(COPY).await, Ok(Position::new(1)));
    assert_eq!(end.close_for(OTHER).await, Err(CopyError::ClosedForAnother(COPY)));
    assert_eq!(log.try_append(&entry(1, "b"), Position::new(1)).await, Appended::Closed);
}

#[tokio::test]
async fn a_slip_of_the_hand_opens_no_copy_and_forgets_none() {
    use sqlx::ConnectOptions;
    let file = File::new();
    file.create().await;
    let end = file.open_for_copy().await;
    end.close_for(COPY).await.expect("closed");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file.0);
    let mut connection = options.connect().await.expect("the file");
    for slip in [
        "UPDATE log SET closed = 0",
        "UPDATE log SET closed = 2",
        "DELETE FROM copy",
        "UPDATE copy SET id = x'00000000000000000000000000000000'",
    ] {
        assert!(sqlx::raw_sql(slip).execute(&mut connection).await.is_err(), "{slip}");
    }
}

/// A service whose stream was deleted and made anew under it, as a copy's target, still believes that it may append.
#[tokio::test]
async fn a_stream_under_way_takes_no_append_from_whoever_believes_that_it_may() {
    let place = Stream::alone();
    let service = place.create().await;
    delete_stream(&place.0).await;
    let target = place.create_copy(COPY).await;
    target.take(&entries(20)).await.expect("taken");
    assert_eq!(service.try_append(&entry(99, "x"), Position::START).await, Appended::Unknown);
    assert_eq!(service.try_append(&entry(9, "x"), Position::new(20)).await, Appended::Unknown);
    assert_eq!(target.standing().await.expect("standing").head, Position::new(20));
}

async fn delete_stream(config: &NatsConfig) {
    let url = url_parts(&config.servers[0]);
    let client = async_nats::ConnectOptions::with_user_and_password(url.0, url.1).connect(url.2).await.expect("NATS");
    async_nats::jetstream::new(client).delete_stream(postkey_event_log::STREAM).await.expect("deleted");
}

/// User, password and server of `nats://USER:PASSWORD@HOST:PORT`.
fn url_parts(url: &str) -> (String, String, String) {
    let (login, server) = url.trim_start_matches("nats://").split_once('@').expect("a login");
    let (user, password) = login.split_once(':').expect("a password");
    (user.to_owned(), password.to_owned(), format!("nats://{server}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_meanwhile_holds_the_copy_up_and_no_more() {
    let mut server = Nats::start();
    let place = Stream(NatsConfig::new(vec![server.account()]), 1);
    let target = place.create_copy(COPY).await;
    let source = entries(2_000);
    target.take(&source[..100]).await.expect("taken");
    let taking = {
        let (target, source) = (Arc::clone(&target), source.clone());
        tokio::spawn(async move { target.take(&source[100..]).await })
    };
    while target.standing().await.is_ok_and(|standing| standing.head < Position::new(150)) {
        tokio::task::yield_now().await;
    }
    server.kill();
    let taken = taking.await.expect("no panic");
    assert!(matches!(taken, Err(CopyError::Unavailable(_))), "{taken:?}");
    server.start_again();
    let begun = tokio::time::Instant::now();
    loop {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not come back");
        let Ok(standing) = target.standing().await else { continue };
        let from = index(standing.head);
        assert!(from >= 150, "what was acknowledged stands");
        if from == source.len() {
            break;
        }
        // Some of what was under way may come to stand meanwhile.
        let _ = target.take(&source[from..]).await;
    }
    target.finish(COPY, Position::new(2_000)).await.expect("finished");
    assert!(all(&target).await == source, "each entry once, in order");
}

/// It has missed the last entries and the opening, and makes up for both in whichever order they come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_when_the_copy_is_opened_holds_the_same_afterwards() {
    let mut cluster = NatsCluster::start();
    let urls = cluster.account();
    let place = Stream(NatsConfig::new(urls.split(',').map(str::to_owned).collect()), 3);
    let target = made(&place).await;
    let source = entries(200);
    target.take(&source[..100]).await.expect("taken");
    let administrator = Administrator::connect(&urls).await;
    let leader = within(30, async || administrator.leader().await).await;
    let away = (leader + 1) % 3;
    cluster.nodes()[away].kill();
    within(60, async || {
        let standing = target.standing().await.ok()?;
        let _ = target.take(&source[index(standing.head)..]).await;
        target.finish(COPY, Position::new(200)).await.ok()
    })
    .await;
    cluster.nodes()[away].start_again();
    cluster.wait();
    let report = JetStreamStore::open(&place.0).await.expect("a log").report().await.expect("sound");
    assert_eq!(report.drift, Vec::<String>::new());
    // What it answers as the leader is what it holds itself.
    within(60, async || {
        administrator.step_down_for(away).await;
        (administrator.leader().await? == away).then_some(())
    })
    .await;
    for stored in source {
        let (subject, bytes) = administrator.message(stored.position.get()).await;
        assert_eq!(subject, stored.entry.subject.as_str(), "at position {}", stored.position);
        assert!(bytes == stored.entry.bytes, "at position {}", stored.position);
    }
}

/// The same of a log that is closed: entries that it has missed were acknowledged, and the copy must have them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_when_the_log_is_closed_holds_the_same_afterwards() {
    let mut cluster = NatsCluster::start();
    let urls = cluster.account();
    let place = Stream(NatsConfig::new(urls.split(',').map(str::to_owned).collect()), 3);
    let log = within(30, async || JetStreamStore::create(&place.0, LOG, 3).await.ok()).await;
    let log: Arc<dyn LogStore> = Arc::new(log);
    let administrator = Administrator::connect(&urls).await;
    let leader = within(30, async || administrator.leader().await).await;
    let away = (leader + 1) % 3;
    let mut last = Position::START;
    for n in 0..10u64 {
        last = append(&log, &entry(1, format!("{n}")), last).await;
    }
    cluster.nodes()[away].kill();
    for n in 10..60u64 {
        last = within(60, async || match log.try_append(&entry(1, format!("{n}")), last).await {
            Appended::At(position) => Some(position),
            Appended::Conflict => Some(last.next()),
            _ => None,
        })
        .await;
    }
    let end = place.open_for_copy().await;
    let closed = within(60, async || end.close_for(COPY).await.ok()).await;
    assert_eq!(closed, last);
    cluster.nodes()[away].start_again();
    cluster.wait();
    within(60, async || {
        administrator.step_down_for(away).await;
        (administrator.leader().await? == away).then_some(())
    })
    .await;
    assert_eq!(administrator.info().await["state"]["last_seq"], last.get());
    let standing = within(30, async || end.standing().await.ok()).await;
    assert_eq!(standing.head, last);
    assert_eq!(all(&end).await.len(), 60);
}

/// A cluster that has just begun may need to be asked again.
async fn made(place: &Stream) -> Arc<dyn CopyEnd> {
    let made = within(30, async || JetStreamStore::create_copy(&place.0, LOG, COPY, place.1).await.ok());
    Arc::new(made.await)
}
