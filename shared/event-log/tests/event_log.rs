//! The log over stores that fail: lost acknowledgements, deadlines, corruption. Time is paused: no test waits.

use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::Position;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use postkey_event_log::contract::{entry, service};
use postkey_event_log::{
    AppendError, AppendFault, Appended, Corrupt, EventLog, FaultyStore, Head, LogStore, MemoryStore, ReadError,
    ReadFault, Scope,
};
use tokio::time::Instant;
use uuid::Uuid;
use wire::{Entry, LogId, Stored};

const LOG: LogId = LogId::new(Uuid::from_u128(1));
const OTHER: LogId = LogId::new(Uuid::from_u128(2));

fn position(number: u64) -> Position {
    Position::new(number)
}

/// A store with entries 1 to `count`, each of a service of its own.
async fn filled(count: u64) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new(LOG));
    for number in 1..=count {
        assert_eq!(store.try_append(&entry(number, "x"), Position::START).await, Appended::At(position(number)));
    }
    store
}

/// The log over `inner` with a script, and the store that follows the script.
fn over(inner: Arc<MemoryStore>, script: impl FnOnce(FaultyStore) -> FaultyStore) -> (EventLog, Arc<FaultyStore>) {
    let store = Arc::new(script(FaultyStore::new(inner)));
    (EventLog::new(Arc::clone(&store) as Arc<dyn LogStore>, LOG), store)
}

async fn stored(store: &MemoryStore) -> Vec<Stored> {
    store.read(Scope::All, Position::START).try_collect().await.expect("memory can be read")
}

/// Every way in which up to three attempts in a row can fail, with the read after each failing or not.
fn scripts() -> Vec<(Vec<AppendFault>, bool)> {
    let faults =
        [AppendFault::Lost, AppendFault::AckLost, AppendFault::Late, AppendFault::Overtaken(entry(1, "the other's"))];
    let mut rows: Vec<Vec<AppendFault>> = vec![vec![]];
    let mut scripts = Vec::new();
    for _ in 0..=3 {
        scripts.extend(rows.iter().flat_map(|row| [(row.clone(), false), (row.clone(), true)]));
        rows = rows
            .iter()
            .flat_map(|row| faults.iter().map(move |fault| [row, slice::from_ref(fault)].concat()))
            .collect();
    }
    scripts
}

#[tokio::test(start_paused = true)]
async fn whatever_is_lost_the_answer_is_true() {
    for (faults, unreadable) in scripts() {
        for before in [0, 1] {
            let inner = filled(3).await;
            let (log, store) = over(Arc::clone(&inner), |store| {
                let store =
                    (before + 1..).zip(&faults).fold(store, |store, (nth, fault)| store.on_append(nth, fault.clone()));
                // The first read asks for the log's identity.
                if unreadable {
                    (2..5).fold(store, |store, nth| store.on_read(nth, ReadFault::Unavailable))
                } else {
                    store
                }
            });
            for number in 0..before {
                log.append(&entry(100 + number, "before"), Position::START).await.expect("nothing fails yet");
            }
            let ours = entry(1, "ours");
            let answer = log.append(&ours, position(1)).await;
            // What is still under way reaches the store now.
            let _ = store.try_append(&entry(2, "after"), position(2)).await;

            let of_the_service: Vec<_> =
                stored(&inner).await.into_iter().filter(|s| s.entry.subject == ours.subject).collect();
            assert_eq!(of_the_service.len(), 2, "{faults:?}: exactly one may stand after the first");
            match answer {
                Ok(at) => assert_eq!(of_the_service[1], Stored { position: at, entry: ours }, "{faults:?}"),
                Err(AppendError::Conflict) => {
                    assert_eq!(of_the_service[1].entry, entry(1, "the other's"), "{faults:?}");
                }
                Err(other) => panic!("{faults:?}: {other:?}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_append_whose_ack_is_lost_is_not_made_again() {
    let inner = filled(0).await;
    let (log, store) = over(Arc::clone(&inner), |store| store.on_append(1, AppendFault::AckLost));
    assert_eq!(log.append(&entry(1, "a"), Position::START).await, Ok(position(1)));
    assert_eq!(store.appends(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_conflicts_with_its_own_first_attempt_has_succeeded() {
    let inner = filled(0).await;
    let (log, store) = over(Arc::clone(&inner), |store| store.on_append(1, AppendFault::Late));
    assert_eq!(log.append(&entry(1, "a"), Position::START).await, Ok(position(1)));
    assert_eq!(store.appends(), 2);
    assert_eq!(stored(&inner).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_entry_again_after_its_ack_was_lost_is_found_where_it_stands() {
    let inner = filled(0).await;
    let (log, _) = over(Arc::clone(&inner), |store| store.on_append(2, AppendFault::Lost));
    assert_eq!(log.append(&entry(1, "a"), Position::START).await, Ok(position(1)));
    assert_eq!(log.append(&entry(1, "a"), Position::START).await, Ok(position(1)));
}

#[tokio::test(start_paused = true)]
async fn the_same_entry_again_after_a_deadline_is_found_where_it_has_come_to_stand() {
    let (log, store) =
        over(filled(0).await, |store| store.on_append(1, AppendFault::Late).on_read(2, ReadFault::Hangs));
    assert_eq!(log.append(&entry(1, "a"), Position::START).await, Err(AppendError::Unavailable));
    let _ = store.try_append(&entry(2, "b"), Position::START).await;
    assert_eq!(log.append(&entry(1, "a"), Position::START).await, Ok(position(1)));
    assert_eq!(log.append(&entry(1, "c"), Position::START).await, Err(AppendError::Conflict));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_nobody_can_explain_now_is_not_said_to_be_another_entrys() {
    let (log, store) = over(filled(1).await, |store| {
        store.on_append(1, AppendFault::Refused).on_read(2, ReadFault::Unavailable).on_read(3, ReadFault::Unavailable)
    });
    assert_eq!(log.append(&entry(1, "a"), position(1)).await, Ok(position(2)));
    assert_eq!(store.appends(), 2);
}

#[tokio::test(start_paused = true)]
async fn another_entry_at_the_expected_place_is_a_conflict_at_once() {
    let (log, store) = over(filled(1).await, |store| store);
    assert_eq!(log.append(&entry(1, "a"), Position::START).await, Err(AppendError::Conflict));
    assert_eq!(store.appends(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_nothing_explains_is_tried_again() {
    let inner = filled(1).await;
    let (log, store) = over(Arc::clone(&inner), |store| {
        store.on_append(1, AppendFault::Refused).on_append(2, AppendFault::Refused).on_append(4, AppendFault::Lost)
    });
    assert_eq!(log.append(&entry(1, "a"), position(1)).await, Ok(position(2)));
    assert_eq!(store.appends(), 3);

    // Nor is it one after an attempt that is unknown, nor one for ever.
    let (log, store) =
        over(Arc::clone(&inner), |store| store.on_append(1, AppendFault::Lost).on_append(2, AppendFault::Refused));
    assert_eq!(log.append(&entry(1, "b"), position(2)).await, Ok(position(3)));
    assert_eq!(store.appends(), 3);
    let (log, _) = over(Arc::clone(&inner), |store| store.from_append(1, AppendFault::Refused));
    assert_eq!(log.append(&entry(1, "c"), position(3)).await, Err(AppendError::Unavailable));
    assert_eq!(stored(&inner).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_subject_that_ends_too_early_is_looked_at_again_before_the_log_is_called_corrupt() {
    let inner = filled(1).await;
    inner.try_append(&entry(1, "the other's"), position(1)).await;
    // The head of the whole log comes first.
    let (log, _) = over(inner, |store| store.on_read(2, ReadFault::RolledBack(Position::START)));
    assert_eq!(log.append(&entry(1, "a"), position(1)).await, Err(AppendError::Conflict));
}

#[tokio::test(start_paused = true)]
async fn an_append_gives_up_at_its_deadline_and_not_before() {
    for (fault, fewest) in [(AppendFault::Lost, 20), (AppendFault::Hangs, 1)] {
        let (log, store) = over(filled(0).await, |store| store.from_append(1, fault));
        let started = Instant::now();
        assert_eq!(log.append(&entry(1, "a"), Position::START).await, Err(AppendError::Unavailable));
        assert_eq!(started.elapsed().as_secs(), 10);
        assert!((fewest..60).contains(&store.appends()), "{} attempts", store.appends());

        let log = log.with_deadline(Duration::from_secs(1));
        let started = Instant::now();
        assert_eq!(log.append(&entry(1, "a"), Position::START).await, Err(AppendError::Unavailable));
        assert_eq!(started.elapsed().as_secs(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_back_that_hangs_ends_at_the_deadline_too() {
    let (log, _) = over(filled(0).await, |store| store.on_append(1, AppendFault::Lost).on_read(2, ReadFault::Hangs));
    assert_eq!(log.append(&entry(1, "a"), Position::START).await, Err(AppendError::Unavailable));
    assert_eq!(log.append(&entry(1, "a"), Position::START).await, Ok(position(1)));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_when_first_asked_is_asked_again() {
    let (log, store) =
        over(filled(0).await, |store| store.on_read(1, ReadFault::Unavailable).on_read(2, ReadFault::Unavailable));
    assert_eq!(log.append(&entry(1, "a"), Position::START).await, Ok(position(1)));
    assert_eq!((store.appends(), store.reads()), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_closed_log_is_said_to_be_closed_unless_the_entry_is_in_it() {
    let closed = async |fault: Option<AppendFault>| {
        let (log, _) = over(filled(0).await, |store| {
            let store = store.from_append(1, AppendFault::Closed);
            if let Some(fault) = fault { store.on_append(1, fault) } else { store }
        });
        log.append(&entry(1, "a"), Position::START).await
    };
    assert_eq!(closed(None).await, Err(AppendError::Closed));
    assert_eq!(closed(Some(AppendFault::Lost)).await, Err(AppendError::Closed));
    assert_eq!(closed(Some(AppendFault::AckLost)).await, Ok(position(1)));
    assert_eq!(closed(Some(AppendFault::Overtaken(entry(1, "b")))).await, Err(AppendError::Conflict));
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_too_large_is_not_tried() {
    let (log, store) = over(filled(0).await, |store| store);
    let large = entry(1, vec![0; Entry::MAX_BYTES + 1]);
    assert_eq!(log.append(&large, Position::START).await, Err(AppendError::TooLarge { bytes: 32769 }));
    assert_eq!(store.appends(), 0);
    assert_eq!(log.append(&entry(1, vec![0; Entry::MAX_BYTES]), Position::START).await, Ok(position(1)));
}

#[tokio::test(start_paused = true)]
async fn many_writers_of_one_service_all_get_through_by_deciding_again() {
    let inner = filled(0).await;
    let log = Arc::new(EventLog::new(Arc::clone(&inner) as Arc<dyn LogStore>, LOG));
    let writers: Vec<_> = (0..40)
        .map(|writer| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                loop {
                    let last = log.head(Scope::service(service(1))).await.expect("sound").position;
                    tokio::task::yield_now().await;
                    match log.append(&entry(1, format!("{writer}")), last).await {
                        Ok(position) => return position,
                        Err(error) => assert_eq!(error, AppendError::Conflict),
                    }
                }
            })
        })
        .collect();
    let mut positions = Vec::new();
    for writer in writers {
        positions.push(writer.await.expect("no panic").get());
    }
    positions.sort_unstable();
    assert!(positions.into_iter().eq(1..=40));
}

async fn first_error(mut entries: BoxStream<'_, Result<Stored, ReadError>>) -> ReadError {
    loop {
        match entries.next().await.expect("an error before the end") {
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_corrupt_in_every_read_of_the_whole_log() {
    let gap = ReadError::Corrupt(Corrupt::Gap { after: position(1), found: position(3) });
    let (log, _) = over(filled(4).await, |store| store.on_read(1, ReadFault::Gap));
    assert_eq!(first_error(log.read(Scope::All, position(1))).await, gap);

    // A follower asks for the head first.
    let (log, _) = over(filled(4).await, |store| store.on_read(2, ReadFault::Gap));
    assert_eq!(first_error(log.follow(position(1))).await, gap);

    let (log, _) = over(filled(4).await, |store| store.on_read(1, ReadFault::Twice));
    let twice = Corrupt::Gap { after: position(1), found: position(1) };
    assert_eq!(first_error(log.read(Scope::All, Position::START)).await, ReadError::Corrupt(twice));
}

#[tokio::test(start_paused = true)]
async fn a_read_of_a_service_checks_order_and_subject() {
    let subject = entry(2, "x").subject;
    let (log, _) = over(filled(2).await, |store| store.on_read(1, ReadFault::Twice));
    let error = first_error(log.read(Scope::service(service(2)), Position::START)).await;
    let out_of_order = Corrupt::OutOfOrder { subject: subject.clone(), after: position(2), found: position(2) };
    assert_eq!(error, ReadError::Corrupt(out_of_order));

    let (log, _) = over(filled(2).await, |store| store.on_read(1, ReadFault::Unfiltered));
    let error = first_error(log.read(Scope::service(service(2)), Position::START)).await;
    let wrong = Corrupt::WrongSubject {
        position: position(1),
        asked: Box::new(subject),
        found: Box::new(entry(1, "x").subject),
    };
    assert_eq!(error, ReadError::Corrupt(wrong));
}

#[tokio::test(start_paused = true)]
async fn another_log_is_never_appended_to() {
    let (log, store) = over(filled(2).await, |store| store.on_read(1, ReadFault::OtherLog(OTHER)));
    let other = Corrupt::OtherLog { expected: LOG, found: OTHER };
    let answer = log.append(&entry(9, "a"), Position::START).await;
    assert_eq!(answer, Err(AppendError::Corrupt(other.clone())));
    // Not even now that the store says something else: an operator looks first.
    assert_eq!(log.append(&entry(9, "a"), Position::START).await, Err(AppendError::Corrupt(other.clone())));
    assert_eq!(store.appends(), 0);

    for nth in [1, 2] {
        let (log, _) = over(filled(2).await, |store| store.on_read(nth, ReadFault::OtherLog(OTHER)));
        if nth == 2 {
            log.head(Scope::All).await.expect("sound so far");
        }
        assert_eq!(first_error(log.follow(Position::START)).await, ReadError::Corrupt(other.clone()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_below_what_was_seen_is_a_log_rolled_back() {
    let (log, store) = over(filled(5).await, |store| store.on_read(2, ReadFault::RolledBack(position(3))));
    let all: Vec<_> = log.read(Scope::All, Position::START).try_collect().await.expect("sound so far");
    assert_eq!((all.len(), log.seen()), (5, position(5)));
    let rolled_back = Corrupt::RolledBack { head: position(3), seen: position(5) };
    assert_eq!(log.head(Scope::All).await, Err(ReadError::Corrupt(rolled_back.clone())));
    assert_eq!(log.append(&entry(9, "a"), Position::START).await, Err(AppendError::Corrupt(rolled_back)));
    assert_eq!(store.appends(), 0);
}

#[tokio::test(start_paused = true)]
async fn following_from_beyond_the_head_is_corrupt_at_once() {
    let (log, _) = over(filled(3).await, |store| store);
    let error = first_error(log.follow(position(4))).await;
    assert_eq!(error, ReadError::Corrupt(Corrupt::RolledBack { head: position(3), seen: position(4) }));
    // The position was a caller's word: nothing is held against the log.
    assert_eq!(log.append(&entry(9, "a"), Position::START).await, Ok(position(4)));
    assert_eq!(log.follow(position(3)).next().await.expect("one").expect("sound").position, position(4));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_unavailable_and_not_corrupt() {
    let (log, _) = over(filled(3).await, |store| {
        store.on_read(1, ReadFault::Unavailable).on_read(2, ReadFault::Unavailable).on_read(3, ReadFault::Unavailable)
    });
    let unavailable = |error| matches!(error, ReadError::Unavailable(_));
    assert!(unavailable(log.head(Scope::All).await.expect_err("down")));
    assert!(unavailable(first_error(log.read(Scope::All, Position::START)).await));
    assert!(unavailable(first_error(log.follow(Position::START)).await));
    assert_eq!(log.append(&entry(9, "a"), Position::START).await, Ok(position(4)));
}

/// Another store takes the place of the first while the log is in use, as a restored backup does.
struct Replaced {
    before: Arc<MemoryStore>,
    after: Arc<MemoryStore>,
    done: AtomicBool,
}

impl Replaced {
    fn now(&self) -> &MemoryStore {
        if self.done.load(Ordering::SeqCst) { &self.after } else { &self.before }
    }
}

#[async_trait]
impl LogStore for Replaced {
    async fn try_append(&self, entry: &Entry, expected: Position) -> Appended {
        self.now().try_append(entry, expected).await
    }

    fn read(&self, scope: Scope, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        self.now().read(scope, after)
    }

    fn follow(&self, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        self.now().follow(after)
    }

    async fn head(&self, scope: Scope) -> Result<Head, ReadError> {
        self.now().head(scope).await
    }
}

async fn replaced(before: u64, after: u64) -> (EventLog, Arc<Replaced>) {
    replaced_by(before, filled(after).await).await
}

async fn replaced_by(before: u64, after: Arc<MemoryStore>) -> (EventLog, Arc<Replaced>) {
    let store = Arc::new(Replaced { before: filled(before).await, after, done: AtomicBool::new(false) });
    let log = EventLog::new(Arc::clone(&store) as Arc<dyn LogStore>, LOG);
    log.head(Scope::All).await.expect("sound so far");
    store.done.store(true, Ordering::SeqCst);
    (log, store)
}

#[tokio::test(start_paused = true)]
async fn a_rolled_back_log_refuses_a_service_that_has_lost_entries() {
    let (log, store) = replaced(5, 3).await;
    let rolled_back = AppendError::Corrupt(Corrupt::RolledBack { head: Position::START, seen: position(5) });
    assert_eq!(log.append(&entry(5, "a"), position(5)).await, Err(rolled_back.clone()));
    assert_eq!(log.append(&entry(1, "a"), position(1)).await, Err(rolled_back));
    assert_eq!(stored(&store.after).await.len(), 3, "no fork has grown");
}

#[tokio::test(start_paused = true)]
async fn an_append_at_a_position_that_was_taken_is_found_out() {
    let (log, store) = replaced(5, 3).await;
    let rolled_back = AppendError::Corrupt(Corrupt::RolledBack { head: position(4), seen: position(5) });
    assert_eq!(log.append(&entry(1, "a"), position(1)).await, Err(rolled_back.clone()));
    assert_eq!(log.append(&entry(2, "a"), position(2)).await, Err(rolled_back));
    assert_eq!(stored(&store.after).await.len(), 4, "the fork grows no further");
}

#[tokio::test(start_paused = true)]
async fn another_log_in_the_same_store_is_found_out_before_anything_new_is_appended_to_it() {
    let other = Arc::new(MemoryStore::new(OTHER));
    for number in 1..=9 {
        other.try_append(&entry(number, "x"), Position::START).await;
    }
    let (log, store) = replaced_by(5, other).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let found = AppendError::Corrupt(Corrupt::OtherLog { expected: LOG, found: OTHER });
    assert_eq!(log.append(&entry(100, "a"), Position::START).await, Err(found));
    assert_eq!(stored(&store.after).await.len(), 9);
}

/// One of several servers: it may name an earlier end than another has delivered.
struct Lagging {
    inner: Arc<MemoryStore>,
    /// Until when it does.
    until: Instant,
}

#[async_trait]
impl LogStore for Lagging {
    async fn try_append(&self, entry: &Entry, expected: Position) -> Appended {
        self.inner.try_append(entry, expected).await
    }

    fn read(&self, scope: Scope, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        self.inner.read(scope, after)
    }

    fn follow(&self, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        self.inner.follow(after)
    }

    async fn head(&self, scope: Scope) -> Result<Head, ReadError> {
        let head = self.inner.head(scope).await?;
        let lags = Instant::now() < self.until;
        Ok(if lags { Head { position: Position::new(head.position.get() - 1), ..head } } else { head })
    }

    fn lag(&self) -> Duration {
        Duration::from_secs(5)
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_lags_is_asked_again_and_one_that_goes_on_with_it_was_rolled_back() {
    let lagging = async |seconds| {
        let until = Instant::now() + Duration::from_secs(seconds);
        let log = EventLog::new(Arc::new(Lagging { inner: filled(3).await, until }), LOG);
        // Another server has delivered what this one will have soon.
        assert_eq!(log.read(Scope::All, Position::START).try_collect::<Vec<_>>().await.expect("entries").len(), 3);
        log
    };
    let log = lagging(0).await;
    assert_eq!(log.head(Scope::All).await.map(|head| head.position), Ok(position(3)));

    let log = lagging(4).await;
    let begun = Instant::now();
    let head = loop {
        match log.head(Scope::All).await {
            Err(ReadError::Unavailable(what)) => assert!(what.contains("may lag"), "{what}"),
            head => break head,
        }
    };
    assert_eq!(head.map(|head| head.position), Ok(position(3)));
    assert!(begun.elapsed() >= Duration::from_secs(4));
    assert!(log.append(&entry(9, "x"), Position::START).await.is_ok(), "nothing was held against it");

    let log = lagging(60).await;
    let rolled_back = Corrupt::RolledBack { head: position(2), seen: position(3) };
    let found = loop {
        match log.head(Scope::All).await {
            Err(ReadError::Unavailable(_)) => {}
            found => break found,
        }
    };
    assert_eq!(found, Err(rolled_back.clone().into()));
    assert_eq!(log.append(&entry(9, "x"), Position::START).await, Err(rolled_back.into()));
}

#[tokio::test(start_paused = true)]
async fn what_only_the_caller_has_seen_is_not_held_against_the_log() {
    let log = EventLog::new(filled(3).await, LOG);
    let found = log.head_beyond(position(4)).await;
    assert_eq!(found, Err(Corrupt::RolledBack { head: position(3), seen: position(4) }.into()));
    assert_eq!(log.append(&entry(4, "x"), Position::START).await, Ok(position(4)));
    assert!(log.head_beyond(position(4)).await.is_ok());
}
