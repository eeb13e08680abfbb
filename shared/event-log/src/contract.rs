//! What every [`LogStore`] has to pass. Each function takes a store of its own, fresh and empty, and panics where the
//! contract is broken; [`contract_tests!`](crate::contract_tests) makes a test of each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{Position, ServiceId};
use futures::future::{join_all, poll_immediate};
use futures::{Stream, StreamExt, TryStreamExt};
use uuid::Uuid;
use wire::{Entry, Stored, Subject};

use crate::{Appended, LogStore, ReadError, Scope};

/// The store under test.
pub type Store = Arc<dyn LogStore>;

/// How long one test may take before it counts as hung.
pub const LIMIT: Duration = Duration::from_secs(120);

/// Makes the contract's tests for one kind of store. The argument is a function that gives a future of a fresh, empty
/// store, `Arc<dyn LogStore>`, and of something that has to live as long as the store is used, such as its folder; or of
/// an `Option` of both, where what the store needs may not be there to test: then nothing is.
#[macro_export]
macro_rules! contract_tests {
    ($make:path) => {
        $crate::contract_tests! { $make =>
            an_entry_reads_back_byte_for_byte, the_guard_is_the_subjects_last_position, a_conflict_leaves_nothing,
            the_logs_own_entry_comes_first, one_writer_wins_each_round, writers_of_different_services_never_conflict,
            a_read_starts_after_its_position, an_entry_is_read_by_its_position, a_long_history_reads_in_order, a_head_is_that_of_its_scope,
            a_follower_hears_old_entries_and_then_new_ones, many_followers_hear_the_same,
            an_append_that_is_dropped_harms_nobody, a_reader_that_stops_early_harms_nobody,
        }
    };
    ($make:path => $($test:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let made: Option<($crate::contract::Store, _)> = $make().await.into();
                let Some((store, kept)) = made else { return };
                let test = $crate::contract::$test(store);
                tokio::time::timeout($crate::contract::LIMIT, test).await.expect("the test hangs");
                drop(kept);
            }
        )*
    };
}

/// The id of a service made up for tests.
pub fn service(number: u64) -> ServiceId {
    ServiceId::new(Uuid::from_u128(0x5e71_0000_0000_5000_8000_0000_0000_0000 | u128::from(number)))
}

/// An entry of a service made up for tests.
pub fn entry(number: u64, bytes: impl AsRef<[u8]>) -> Entry {
    Entry { subject: Subject::service(service(number)), bytes: bytes.as_ref().to_vec() }
}

/// Appends and expects success.
pub async fn append(store: &Store, entry: &Entry, expected: Position) -> Position {
    match store.try_append(entry, expected).await {
        Appended::At(position) => position,
        other => panic!("{other:?} instead of a position for {} after {expected}", entry.subject),
    }
}

/// Everything that a read brings, without an error.
pub async fn all(store: &Store, scope: Scope, after: Position) -> Vec<Stored> {
    store.read(scope, after).try_collect().await.expect("the log can be read")
}

/// The next `count` entries of a stream, without an error.
pub async fn take(entries: &mut (impl Stream<Item = Result<Stored, ReadError>> + Unpin), count: usize) -> Vec<Stored> {
    entries.take(count).try_collect().await.expect("the log can be read")
}

fn position(number: u64) -> Position {
    Position::new(number)
}

fn assert_contiguous(entries: &[Stored], after: Position) {
    let found = entries.iter().map(|stored| stored.position.get());
    assert!(found.eq((after.get() + 1..).take(entries.len())), "the positions are not contiguous");
}

/// Bytes are bytes: not text, not JSON, of any length up to the limit.
pub async fn an_entry_reads_back_byte_for_byte(store: Store) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let contents: [&[u8]; 6] = [
        b"{\"v\":1}\nmac",
        "ü\u{1f511}\u{0}\u{feff}'\";--".as_bytes(),
        &every_byte,
        b"",
        b"\r\n\r\n",
        &vec![0xa5; Entry::MAX_BYTES],
    ];
    let mut last = Position::START;
    for bytes in contents {
        last = append(&store, &entry(1, bytes), last).await;
    }
    for scope in [Scope::All, Scope::service(service(1))] {
        let found = all(&store, scope, Position::START).await;
        assert!(found.iter().map(|stored| stored.entry.bytes.as_slice()).eq(contents), "the bytes have changed");
        assert!(found.iter().all(|stored| stored.entry.subject == entry(1, "").subject));
    }
}

/// A subject's guard counts that subject's entries and no others.
pub async fn the_guard_is_the_subjects_last_position(store: Store) {
    assert_eq!(append(&store, &entry(1, "a"), Position::START).await, position(1));
    assert_eq!(append(&store, &entry(2, "b"), Position::START).await, position(2));
    assert_eq!(append(&store, &entry(1, "c"), position(1)).await, position(3));
    assert_eq!(append(&store, &entry(2, "d"), position(2)).await, position(4));
    assert_eq!(append(&store, &entry(1, "e"), position(3)).await, position(5));
}

/// Expecting too little, too much, or another subject's position is a conflict, and takes no position.
pub async fn a_conflict_leaves_nothing(store: Store) {
    append(&store, &entry(1, "a"), Position::START).await;
    append(&store, &entry(2, "b"), Position::START).await;
    append(&store, &entry(1, "c"), position(1)).await;
    for wrong in [0, 1, 2, 4, u64::MAX] {
        assert_eq!(store.try_append(&entry(1, "no"), position(wrong)).await, Appended::Conflict, "{wrong}");
    }
    assert_eq!(store.try_append(&entry(3, "no"), position(3)).await, Appended::Conflict);
    let found = all(&store, Scope::All, Position::START).await;
    assert_eq!(found.len(), 3);
    assert_eq!(append(&store, &entry(1, "d"), position(3)).await, position(4));
}

/// The log's own subject is a subject like any other: its first entry expects the start, once.
pub async fn the_logs_own_entry_comes_first(store: Store) {
    let first = Entry { subject: Subject::log(), bytes: b"this is log x".to_vec() };
    assert_eq!(append(&store, &first, Position::START).await, position(1));
    assert_eq!(store.try_append(&first, Position::START).await, Appended::Conflict);
    append(&store, &entry(1, "a"), Position::START).await;
    assert_eq!(all(&store, Scope::Subject(Subject::log()), Position::START).await.len(), 1);
}

/// Forty writers, each expecting the same position of one service: exactly one wins, round after round.
pub async fn one_writer_wins_each_round(store: Store) {
    let mut last = Position::START;
    for round in 0..25 {
        let writers = (0..40).map(|writer| {
            let (store, entry) = (Arc::clone(&store), entry(1, format!("round {round}, writer {writer}")));
            tokio::spawn(async move { (store.try_append(&entry, last).await, entry) })
        });
        let answers: Vec<_> = join_all(writers).await.into_iter().map(|writer| writer.expect("no panic")).collect();
        let winners: Vec<_> = answers.iter().filter(|(answer, _)| *answer != Appended::Conflict).collect();
        let [(Appended::At(won), entry)] = winners[..] else { panic!("round {round}: {winners:?}") };
        let found = all(&store, Scope::service(service(1)), last).await;
        assert_eq!(found, [Stored { position: *won, entry: entry.clone() }]);
        last = *won;
    }
    assert_eq!(last, position(25), "a loser has taken a position");
}

/// Forty services, each written to by one writer that knows where it stands: no conflict, no gap, no entry lost.
pub async fn writers_of_different_services_never_conflict(store: Store) {
    let writers = (0..40).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut last = Position::START;
            for number in 0..25 {
                last = append(&store, &entry(writer, format!("{number}")), last).await;
            }
        })
    });
    for writer in join_all(writers).await {
        writer.expect("no conflict");
    }
    let found = all(&store, Scope::All, Position::START).await;
    assert_eq!(found.len(), 1000);
    assert_contiguous(&found, Position::START);
    let mut subjects: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for stored in found {
        subjects.entry(stored.entry.subject.to_string()).or_default().push(stored.entry.bytes);
    }
    let expected: Vec<_> = (0..25).map(|number| number.to_string().into_bytes()).collect();
    assert!(subjects.values().all(|bytes| *bytes == expected), "a service's entries are out of order");
}

/// A read starts after its position, in its scope; beyond the end there is nothing, and no error.
pub async fn a_read_starts_after_its_position(store: Store) {
    append(&store, &entry(1, "a"), Position::START).await;
    append(&store, &entry(2, "b"), Position::START).await;
    append(&store, &entry(1, "c"), position(1)).await;
    let positions = |found: Vec<Stored>| found.iter().map(|stored| stored.position.get()).collect::<Vec<_>>();
    for (scope, after, expected) in [
        (Scope::All, 0, vec![1, 2, 3]),
        (Scope::All, 2, vec![3]),
        (Scope::All, 3, vec![]),
        (Scope::All, u64::MAX, vec![]),
        (Scope::service(service(1)), 0, vec![1, 3]),
        (Scope::service(service(1)), 1, vec![3]),
        (Scope::service(service(2)), 1, vec![2]),
        (Scope::service(service(2)), 2, vec![]),
        (Scope::service(service(3)), 0, vec![]),
        (Scope::Subject(Subject::log()), 0, vec![]),
    ] {
        assert_eq!(positions(all(&store, scope.clone(), position(after)).await), expected, "{scope:?} after {after}");
    }
}

/// An entry is read by its position, byte for byte; where there is none, there is no error either.
pub async fn an_entry_is_read_by_its_position(store: Store) {
    append(&store, &entry(1, "a"), Position::START).await;
    append(&store, &entry(2, "b"), Position::START).await;
    append(&store, &entry(1, [0, 255, 10]), position(1)).await;
    let entries = [entry(1, "a"), entry(2, "b"), entry(1, [0, 255, 10])];
    for (entry, at) in entries.into_iter().zip([1, 2, 3]).rev() {
        let stored = Stored { position: position(at), entry };
        assert_eq!(store.at(position(at)).await, Ok(Some(stored)));
    }
    for none in [0, 4, u64::MAX] {
        assert_eq!(store.at(position(none)).await, Ok(None), "position {none}");
    }
}

/// More entries than fit a page, by number and by size.
pub async fn a_long_history_reads_in_order(store: Store) {
    let small = (0..2500).map(|number| entry(number, format!("{number}")));
    let large = (2500..2600).map(|number| entry(number, vec![b'x'; Entry::MAX_BYTES]));
    let entries: Vec<Entry> = small.chain(large).collect();
    join_all(entries.iter().map(|entry| append(&store, entry, Position::START))).await;
    let found = all(&store, Scope::All, Position::START).await;
    assert_eq!(found.len(), entries.len());
    assert_contiguous(&found, Position::START);

    let mut last = found.last().map_or(Position::START, |stored| stored.position);
    let (head, mut own) = (last, Vec::new());
    let mut expected = Position::START;
    for number in 0..70 {
        expected = append(&store, &entry(9000, vec![number; Entry::MAX_BYTES]), expected).await;
        own.push(number);
        last = expected;
    }
    let found = all(&store, Scope::service(service(9000)), head).await;
    assert!(found.iter().map(|stored| stored.entry.bytes[0]).eq(own));
    assert_eq!(found.last().map(|stored| stored.position), Some(last));
}

/// A head is the last position of what was asked for; the start, where there is nothing.
pub async fn a_head_is_that_of_its_scope(store: Store) {
    let head = async |scope| store.head(scope).await.expect("the log can be read");
    let log = head(Scope::All).await.log;
    assert_eq!(head(Scope::All).await.position, Position::START);
    append(&store, &entry(1, "a"), Position::START).await;
    append(&store, &entry(2, "b"), Position::START).await;
    assert_eq!(head(Scope::All).await.position, position(2));
    assert_eq!(head(Scope::service(service(1))).await.position, position(1));
    assert_eq!(head(Scope::service(service(2))).await.position, position(2));
    assert_eq!(head(Scope::service(service(3))).await.position, Position::START);
    assert_eq!(head(Scope::Subject(Subject::log())).await.position, Position::START);
    assert_eq!(head(Scope::service(service(1))).await.log, log);
}

/// A follower gets what stands there, and then each entry as it comes.
pub async fn a_follower_hears_old_entries_and_then_new_ones(store: Store) {
    append(&store, &entry(1, "old 1"), Position::START).await;
    append(&store, &entry(2, "old 2"), Position::START).await;
    let mut whole = store.follow(Position::START);
    let mut rest = store.follow(position(2));
    assert_eq!(take(&mut whole, 2).await, all(&store, Scope::All, Position::START).await);
    for number in 3..30 {
        assert!(poll_immediate(rest.next()).await.is_none(), "nothing was appended yet");
        let appended = append(&store, &entry(number, "new"), Position::START).await;
        for follower in [&mut whole, &mut rest] {
            assert_eq!(take(follower, 1).await, [Stored { position: appended, entry: entry(number, "new") }]);
        }
    }
}

/// Any number of followers, from anywhere, while entries are appended.
pub async fn many_followers_hear_the_same(store: Store) {
    let followers: Vec<_> = (0..32u64)
        .map(|number| {
            let (store, after) = (Arc::clone(&store), number * 5);
            tokio::spawn(async move {
                let count = usize::try_from(500 - after).expect("small");
                let found = take(&mut store.follow(position(after)), count).await;
                assert_contiguous(&found, position(after));
                found
            })
        })
        .collect();
    join_all((0..10).map(async |writer| {
        let mut last = Position::START;
        for number in 0..50 {
            last = append(&store, &entry(writer, format!("{number}")), last).await;
        }
    }))
    .await;
    let whole = all(&store, Scope::All, Position::START).await;
    for (number, follower) in followers.into_iter().enumerate() {
        assert_eq!(follower.await.expect("no panic"), whole[number * 5..]);
    }
}

/// Callers that go away at any moment, among others that stay: those are all answered, and truly.
pub async fn an_append_that_is_dropped_harms_nobody(store: Store) {
    for round in 0..20 {
        let gone = (0..20).map(|number| {
            let entry = entry(1000 + round * 100 + number, "gone");
            let store = &store;
            async move {
                // Polled once and dropped: queued, perhaps, and perhaps under way.
                let _ = poll_immediate(store.try_append(&entry, Position::START)).await;
            }
        });
        let stays = (0..20).map(|number| {
            let entry = entry(round * 20 + number, "stays");
            let store = &store;
            async move { (append(store, &entry, Position::START).await, entry) }
        });
        let (_, stayed) = futures::join!(join_all(gone), join_all(stays));
        let found = all(&store, Scope::All, Position::START).await;
        assert_contiguous(&found, Position::START);
        for (position, entry) in stayed {
            let at = usize::try_from(position.get() - 1).expect("small");
            assert_eq!(found[at], Stored { position, entry });
        }
    }
}

/// Streams that are dropped before their end, or never polled, hold nothing up.
pub async fn a_reader_that_stops_early_harms_nobody(store: Store) {
    join_all((0..600).map(async |number| append(&store, &entry(number, "x"), Position::START).await)).await;
    for _ in 0..50 {
        drop(store.read(Scope::All, Position::START));
        assert_eq!(take(&mut store.read(Scope::All, Position::START), 3).await.len(), 3);
        let _ = poll_immediate(store.follow(Position::START).next()).await;
    }
    assert_eq!(all(&store, Scope::All, Position::START).await.len(), 600);
}
