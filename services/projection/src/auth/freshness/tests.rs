//! Which rows are trusted, over a log in memory and rows that stand where they are told to. Time is paused.

mod kept;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use domain::Position;
use event_log::{FaultyStore, LogStore, MemoryStore, ReadFault};

use super::*;
use crate::staged::{LOG, OTHER_LOG, address, scribble};

const BOUND: Duration = Duration::from_secs(60);

/// Rows that stand at a position, or can't be asked.
struct Rows {
    applied: Mutex<Result<Position, ReadModelError>>,
    /// How often they were read.
    reads: AtomicU64,
}

#[async_trait]
impl Lookups for Rows {
    async fn login(&self, _: &Address) -> Result<LoginRow, ReadModelError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.applied.lock().unwrap().clone().map(|applied| LoginRow { applied, user: None })
    }
}

/// A log of services 1, 2, 1, 2 … and whoever asks.
struct Staged {
    freshness: Freshness,
    rows: Arc<Rows>,
    progress: watch::Sender<Progress>,
    store: Arc<FaultyStore>,
}

async fn staged(entries: u8, script: impl FnOnce(FaultyStore) -> FaultyStore) -> Staged {
    let inner = MemoryStore::new(LOG);
    for n in 0..entries {
        let entry = scribble(1 + n % 2);
        let last = inner.head(Scope::Subject(entry.subject.clone())).await.unwrap().position;
        inner.try_append(&entry, last).await;
    }
    let store = Arc::new(script(FaultyStore::new(Arc::new(inner))));
    let log = Arc::new(EventLog::new(Arc::clone(&store) as Arc<dyn LogStore>, LOG));
    let rows = Arc::new(Rows { applied: Mutex::new(Ok(Position::START)), reads: AtomicU64::new(0) });
    let (progress, heard) = watch::channel(Progress::default());
    let heads = Heads::new(Arc::clone(&log));
    let freshness = Freshness::new(log, heads, Arc::clone(&rows) as Arc<dyn Lookups>, heard, BOUND);
    Staged { freshness, rows, progress, store }
}

fn as_it_is(store: FaultyStore) -> FaultyStore {
    store
}

/// Every read from the `nth` on.
fn unavailable_from(nth: u64) -> impl FnOnce(FaultyStore) -> FaultyStore {
    move |store| (nth..nth + 100).fold(store, |store, nth| store.on_read(nth, ReadFault::Unavailable))
}

impl Staged {
    fn applied(&self, position: u64) {
        *self.rows.applied.lock().unwrap() = Ok(Position::new(position));
    }

    /// One more entry of a service, whose last one is at `last`.
    async fn grows(&self, service: u8, last: u64) {
        let appended = self.store.try_append(&scribble(service), Position::new(last)).await;
        assert!(matches!(appended, event_log::Appended::At(_)), "{appended:?}");
    }

    fn told(&self, position: u64, halted: Option<&str>) {
        let halted = halted.map(|what| Broken::Corrupt(what.to_owned()));
        self.progress.send_replace(Progress {
            position: Position::new(position),
            identified: true,
            live: None,
            halted,
        });
    }

    /// The position of the row of a user of this service, and how long that took.
    async fn ask(&self, service: u8) -> (Result<u64, NotFresh>, Duration) {
        let begun = Instant::now();
        let row = self.freshness.row(&address(service, 1)).await;
        (row.map(|row| row.applied.get()), begun.elapsed())
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_as_new_as_the_log_is_trusted_after_one_question() {
    let staged = staged(4, as_it_is).await;
    for applied in [4, 5] {
        staged.applied(applied);
        let before = staged.store.reads();
        assert_eq!(staged.ask(1).await, (Ok(applied), Duration::ZERO));
        assert_eq!(staged.store.reads(), before + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_older_than_the_log_is_trusted_where_its_service_has_nothing_newer() {
    let staged = staged(4, as_it_is).await;
    staged.applied(3);
    assert_eq!(staged.ask(1).await, (Ok(3), Duration::ZERO), "position 3 is the service's last");
    assert_eq!(staged.ask(9).await, (Ok(3), Duration::ZERO), "a domain that nobody has");
    staged.told(3, Some("position 4 is broken"));
    assert_eq!(staged.ask(1).await, (Ok(3), Duration::ZERO), "the others' logins go on");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_lacks_an_entry_is_waited_for_and_then_refused() {
    let staged = staged(4, as_it_is).await;
    staged.applied(3);
    staged.told(3, None);
    let (refused, waited) = staged.ask(2).await;
    assert_eq!(refused, Err(NotFresh::CatchingUp));
    assert!(waited >= WAIT && waited < WAIT + Duration::from_millis(10), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_applied_meanwhile_is_trusted() {
    let staged = staged(4, as_it_is).await;
    staged.applied(2);
    staged.told(2, None);
    let projector = async {
        tokio::time::advance(Duration::from_millis(500)).await;
        staged.told(3, None);
        tokio::time::advance(Duration::from_millis(500)).await;
        staged.applied(4);
        staged.told(4, None);
    };
    let ((row, waited), ()) = tokio::join!(staged.ask(2), projector);
    assert_eq!(row, Ok(4), "the row is read again");
    assert!(waited < WAIT, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_will_never_be_applied_is_refused_at_once() {
    let staged = staged(4, as_it_is).await;
    staged.applied(3);
    staged.told(3, Some("position 4 is broken"));
    assert_eq!(staged.ask(2).await, (Err(NotFresh::Corrupt), Duration::ZERO));

    staged.told(3, None);
    let halts = async {
        tokio::time::advance(Duration::from_millis(500)).await;
        staged.told(3, Some("position 4 is broken"));
    };
    let ((refused, waited), ()) = tokio::join!(staged.ask(2), halts);
    assert_eq!(refused, Err(NotFresh::Corrupt));
    assert!(waited < WAIT, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_row_is_not_trusted_on_the_projectors_word_alone() {
    let staged = staged(4, as_it_is).await;
    staged.applied(3);
    staged.told(4, None);
    assert_eq!(staged.ask(2).await, (Err(NotFresh::CatchingUp), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn without_a_projector_nothing_newer_is_promised() {
    let mut staged = staged(4, as_it_is).await;
    staged.applied(3);
    staged.progress = watch::Sender::default();
    assert_eq!(staged.ask(2).await, (Err(NotFresh::CatchingUp), Duration::ZERO));
    assert_eq!(staged.ask(1).await, (Ok(3), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_can_not_be_asked_is_done_without_for_as_long_as_the_bound() {
    let staged = staged(4, unavailable_from(2)).await;
    staged.applied(4);
    assert_eq!(staged.ask(1).await.0, Ok(4), "caught up");
    tokio::time::advance(BOUND).await;
    assert_eq!(staged.ask(2).await, (Ok(4), Duration::ZERO));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(staged.ask(2).await, (Err(NotFresh::LogUnavailable), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_model_that_was_never_caught_up_is_not_trusted_without_the_log() {
    let never = staged(4, unavailable_from(1)).await;
    never.applied(4);
    assert_eq!(never.ask(1).await, (Err(NotFresh::LogUnavailable), Duration::ZERO));

    // To hold all of one service is not to be caught up.
    let behind = staged(4, unavailable_from(3)).await;
    behind.applied(3);
    assert_eq!(behind.ask(1).await.0, Ok(3));
    assert_eq!(behind.ask(1).await.0, Err(NotFresh::LogUnavailable));
}

#[tokio::test(start_paused = true)]
async fn a_second_question_that_fails_is_done_without_as_the_first_is() {
    let staged = staged(4, |store| store.on_read(3, ReadFault::Unavailable).on_read(5, ReadFault::Unavailable)).await;
    staged.applied(4);
    assert_eq!(staged.ask(1).await.0, Ok(4), "caught up");
    staged.grows(2, 4).await;
    assert_eq!(staged.ask(2).await.0, Ok(4), "within the bound");
    tokio::time::advance(BOUND + Duration::from_millis(1)).await;
    assert_eq!(staged.ask(2).await.0, Err(NotFresh::LogUnavailable), "beyond it");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_hangs_is_one_that_can_not_be_asked() {
    let staged = staged(4, |store| store.on_read(2, ReadFault::Hangs).on_read(4, ReadFault::Hangs)).await;
    staged.applied(4);
    assert_eq!(staged.ask(1).await.0, Ok(4), "caught up");
    assert_eq!(staged.ask(1).await.0, Ok(4), "the first question hangs");
    staged.grows(2, 4).await;
    let second = tokio::time::timeout(Duration::from_secs(30), staged.ask(2)).await.expect("a login hangs with it");
    assert_eq!(second.0, Ok(4), "the second hangs");
}

/// A crash of the rows' server may take the last that were applied: what is older than what was once seen is not trusted,
/// however short a time ago that was.
#[tokio::test(start_paused = true)]
async fn rows_that_went_back_are_not_trusted_while_the_log_can_not_be_asked() {
    let staged = staged(4, unavailable_from(2)).await;
    staged.applied(4);
    assert_eq!(staged.ask(1).await.0, Ok(4), "caught up");
    assert_eq!(staged.ask(1).await.0, Ok(4), "within the bound");
    staged.applied(3);
    assert_eq!(staged.ask(1).await.0, Err(NotFresh::LogUnavailable));
    staged.applied(4);
    assert_eq!(staged.ask(1).await.0, Ok(4), "applied again");
}

#[tokio::test(start_paused = true)]
async fn another_log_is_corrupt_and_not_answered_from() {
    for nth in [1, 2] {
        let staged = staged(4, |store| store.on_read(nth, ReadFault::OtherLog(OTHER_LOG))).await;
        staged.applied(3);
        assert_eq!(staged.ask(2).await, (Err(NotFresh::Corrupt), Duration::ZERO), "question {nth}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_model_that_fails_is_said_so() {
    let staged = staged(4, as_it_is).await;
    let down = ReadModelError::Unavailable("down".to_owned());
    *staged.rows.applied.lock().unwrap() = Err(down.clone());
    assert_eq!(staged.ask(1).await.0, Err(NotFresh::ReadModel(down)));
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_how_far_the_rows_are_makes_logins_go_on_without_the_log_where_they_are_as_far() {
    for (position, expected) in [(4, Ok(4)), (3, Err(NotFresh::LogUnavailable))] {
        let staged = staged(4, unavailable_from(1)).await;
        staged.applied(4);
        staged.freshness.note(Position::new(position), Position::new(4));
        assert_eq!(staged.ask(1).await.0, expected, "{position}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_row_is_trusted_over_a_log_that_it_was_not_built_from() {
    let staged = staged(4, as_it_is).await;
    staged.applied(4);
    let foreign = Some(Broken::Foreign("it was rolled back".to_owned()));
    staged.progress.send_replace(Progress {
        position: Position::new(4),
        identified: false,
        live: None,
        halted: foreign,
    });
    assert_eq!(staged.ask(1).await, (Err(NotFresh::Corrupt), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_read_model_is_not_called_a_corrupt_log() {
    let staged = staged(4, as_it_is).await;
    staged.applied(3);
    let damaged = Some(Broken::Damaged("a row can't be".to_owned()));
    staged.progress.send_replace(Progress {
        position: Position::new(3),
        identified: true,
        live: None,
        halted: damaged,
    });
    let (refused, _) = staged.ask(2).await;
    assert!(matches!(refused, Err(NotFresh::ReadModel(ReadModelError::Damaged(_)))), "{refused:?}");
}
