//! What only a file can do: being made, reopened, shared, damaged and closed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use domain::Position;
use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use postkey_event_log::contract::{all, append, entry, service, take};
use postkey_event_log::{
    AppendError, AppendFault, Appended, CopyEnd, CopyId, Corrupt, EventLog, FaultyStore, LogStore, OpenError,
    ReadError, Scope, SqliteStore,
};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;
use uuid::Uuid;
use wire::LogId;

const LOG: LogId = LogId::new(Uuid::from_u128(1));
const COPY: CopyId = CopyId::new(Uuid::from_u128(0xc0));

fn folder() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("log.sqlite");
    (folder, file)
}

fn position(number: u64) -> Position {
    Position::new(number)
}

async fn create(file: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::create(file, LOG).await.expect("a new log"))
}

async fn open(file: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(file).await.expect("the log"))
}

async fn fill(store: &Arc<SqliteStore>, numbers: std::ops::Range<u64>) {
    let store: Arc<dyn LogStore> = Arc::clone(store) as _;
    join_all(numbers.map(|number| {
        let store = &store;
        async move { append(store, &entry(number, format!("entry {number}")), Position::START).await }
    }))
    .await;
}

async fn raw(file: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(file).connect().await.expect("a database")
}

async fn error(opened: impl Future<Output = Result<SqliteStore, OpenError>>) -> OpenError {
    match opened.await {
        Ok(_) => panic!("the log should not open"),
        Err(error) => error,
    }
}

/// The file and what stands beside it, as a crash would leave them.
fn crash_image(file: &Path) -> (TempDir, std::path::PathBuf) {
    let (image, copy) = folder();
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", file.display());
        if Path::new(&from).exists() {
            fs::copy(from, format!("{}{suffix}", copy.display())).expect("a copy");
        }
    }
    (image, copy)
}

#[tokio::test]
async fn a_log_stands_after_it_was_closed_and_opened_again() {
    let (_folder, file) = folder();
    let store = create(&file).await;
    fill(&store, 0..100).await;
    let before = all(&(store.clone() as Arc<dyn LogStore>), Scope::All, Position::START).await;
    store.close().await;
    store.close().await;
    assert!(!Path::new(&format!("{}-wal", file.display())).exists(), "the file alone is the log");

    let store = open(&file).await;
    assert_eq!(store.log(), LOG);
    assert_eq!(all(&(store.clone() as Arc<dyn LogStore>), Scope::All, Position::START).await, before);
    assert_eq!(store.try_append(&entry(0, "again"), Position::START).await, Appended::Conflict);
    assert_eq!(store.try_append(&entry(0, "again"), before[0].position).await, Appended::At(position(101)));
}

#[tokio::test]
async fn what_was_answered_survives_a_crash() {
    let (_folder, file) = folder();
    let store = create(&file).await;
    for number in 0..50 {
        fill(&store, number * 4..number * 4 + 4).await;
        if number % 10 == 9 {
            let (_image, copy) = crash_image(&file);
            let crashed: Arc<dyn LogStore> = open(&copy).await;
            let found = all(&crashed, Scope::All, Position::START).await;
            assert_eq!(found, all(&(store.clone() as Arc<dyn LogStore>), Scope::All, Position::START).await);
            append(&crashed, &entry(9999, "goes on"), Position::START).await;
        }
    }
}

#[tokio::test]
async fn a_write_ahead_log_that_is_cut_short_leaves_a_sound_beginning() {
    let (_folder, file) = folder();
    let store = create(&file).await;
    fill(&store, 0..300).await;
    let (_image, copy) = crash_image(&file);
    let wal = format!("{}-wal", copy.display());
    let length = fs::metadata(&wal).expect("a write-ahead log").len();
    for cut in (1..20).rev() {
        fs::OpenOptions::new().write(true).open(&wal).and_then(|file| file.set_len(length * cut / 20)).expect("cut");
        let (_again, copy) = crash_image(&copy);
        // Creation itself was still in the write-ahead log, and may be what is cut off.
        let cut: Arc<dyn LogStore> = match SqliteStore::open(&copy).await {
            Ok(cut) => Arc::new(cut),
            Err(OpenError::Unfinished(_)) => continue,
            Err(other) => panic!("{other}"),
        };
        let found = all(&cut, Scope::All, Position::START).await;
        assert!(found.len() < 300);
        assert!(found.iter().map(|stored| stored.position.get()).eq(1..=found.len() as u64));
    }
}

#[tokio::test]
async fn two_stores_on_one_file_are_one_log() {
    let (_folder, file) = folder();
    let here = create(&file).await;
    let there = open(&file).await;
    let reader = Arc::new(SqliteStore::open_read_only(&file).await.expect("the log"));
    let mut following_there = there.follow(Position::START);
    let mut following_reader = reader.follow(Position::START);
    let mut following_here = here.follow(Position::START);
    for round in 0..20 {
        let writer = if round % 2 == 0 { &here } else { &there };
        fill(writer, round..round + 1).await;
        let heard = take(&mut following_here, 1).await;
        assert_eq!(heard[0].position, position(round + 1));
        assert_eq!(take(&mut following_there, 1).await, heard);
        assert_eq!(take(&mut following_reader, 1).await, heard);
        assert_eq!(reader.head(Scope::All).await.expect("sound").position, position(round + 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_in_two_stores_race_for_one_service_and_one_wins_each_round() {
    let (_folder, file) = folder();
    let stores = [create(&file).await, open(&file).await];
    let mut last = Position::START;
    for round in 0..20 {
        let answers = join_all((0..20).map(|writer| {
            let store = Arc::clone(&stores[writer % 2]);
            async move { store.try_append(&entry(1, format!("{round} {writer}")), last).await }
        }));
        let won: Vec<_> = answers.await.into_iter().filter(|answer| *answer != Appended::Conflict).collect();
        let [Appended::At(position)] = won[..] else { panic!("{won:?}") };
        last = position;
    }
    assert_eq!(last, position(20));
}

#[tokio::test]
async fn a_reader_needs_no_writer_and_never_writes() {
    let (_folder, file) = folder();
    let store = create(&file).await;
    fill(&store, 0..10).await;
    let (_image, crashed) = crash_image(&file);
    store.close().await;
    for file in [file, crashed] {
        let reader: Arc<dyn LogStore> = Arc::new(SqliteStore::open_read_only(&file).await.expect("the log"));
        assert_eq!(all(&reader, Scope::All, Position::START).await.len(), 10);
        assert_eq!(reader.try_append(&entry(99, "no"), Position::START).await, Appended::Closed);
        let log = EventLog::new(reader, LOG);
        assert_eq!(log.append(&entry(99, "no"), Position::START).await, Err(AppendError::Closed));
    }
}

#[tokio::test]
async fn a_lost_ack_is_looked_up_in_the_file() {
    let (_folder, file) = folder();
    let store =
        FaultyStore::new(create(&file).await).on_append(1, AppendFault::AckLost).on_append(2, AppendFault::Late);
    let log = EventLog::new(Arc::new(store), LOG);
    assert_eq!(log.append(&entry(1, "a"), Position::START).await, Ok(position(1)));
    assert_eq!(log.append(&entry(1, "b"), position(1)).await, Ok(position(2)));
}

#[tokio::test]
async fn a_log_is_made_for_its_user_only_and_only_where_there_is_none() {
    let (_folder, file) = folder();
    assert_eq!(error(SqliteStore::open(&file)).await, OpenError::Missing(file.clone()));
    assert_eq!(error(SqliteStore::open_read_only(&file)).await, OpenError::Missing(file.clone()));
    assert!(!file.exists());

    let store = create(&file).await;
    fill(&store, 0..1).await;
    for suffix in ["", "-wal", "-shm"] {
        let mode = fs::metadata(format!("{}{suffix}", file.display())).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{suffix}");
    }
    let other = LogId::new(Uuid::from_u128(2));
    assert_eq!(error(SqliteStore::create(&file, other)).await, OpenError::AlreadyExists(file.clone()));
    assert_eq!(store.head(Scope::All).await.expect("sound").log, LOG);
    let nowhere = file.join("below").join("log.sqlite");
    assert!(matches!(error(SqliteStore::create(&nowhere, LOG)).await, OpenError::Unavailable { .. }));
}

#[tokio::test]
async fn a_creation_that_was_cut_short_is_finished_by_the_next() {
    for begun in ["", "PRAGMA journal_mode = WAL"] {
        let (_folder, file) = folder();
        fs::write(&file, "").expect("an empty file");
        let mut connection = raw(&file).await;
        sqlx::raw_sql(begun).execute(&mut connection).await.expect("begun");
        connection.close().await.expect("closed");
        assert_eq!(error(SqliteStore::open(&file)).await, OpenError::Unfinished(file.clone()));
        assert_eq!(error(SqliteStore::open_read_only(&file)).await, OpenError::Unfinished(file.clone()));
        let store = create(&file).await;
        fill(&store, 0..3).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_create_a_log_at_once_one_does() {
    let (_folder, file) = folder();
    let made = join_all((0..8).map(|number| {
        let file = file.clone();
        tokio::spawn(async move { SqliteStore::create(&file, LogId::new(Uuid::from_u128(number))).await })
    }));
    let mut logs = Vec::new();
    for made in made.await {
        match made.expect("no panic") {
            Ok(store) => logs.push(store.log()),
            Err(error) => assert_eq!(error, OpenError::AlreadyExists(file.clone())),
        }
    }
    assert_eq!(logs, [open(&file).await.log()]);
}

#[tokio::test]
async fn a_file_that_is_something_else_is_left_alone() {
    let (folder, file) = folder();
    let text = folder.path().join("text");
    fs::write(&text, "Dear diary, today I was mistaken for a database, and it was the strangest feeling.")
        .expect("text");
    let database = folder.path().join("other.sqlite");
    let mut connection =
        SqliteConnectOptions::new().filename(&database).create_if_missing(true).connect().await.expect("one");
    sqlx::raw_sql("CREATE TABLE log (id)").execute(&mut connection).await.expect("a table");
    connection.close().await.expect("closed");
    for path in [text, database, folder.path().to_owned()] {
        let content = fs::read(&path).ok();
        for error in [
            error(SqliteStore::open(&path)).await,
            error(SqliteStore::open_read_only(&path)).await,
            error(SqliteStore::create(&path, LOG)).await,
        ] {
            assert_eq!(error, OpenError::NotALog(path.clone()));
        }
        assert_eq!(fs::read(&path).ok(), content);
    }

    create(&file).await.close().await;
    let mut connection = raw(&file).await;
    sqlx::raw_sql("PRAGMA user_version = 7").execute(&mut connection).await.expect("a later schema");
    connection.close().await.expect("closed");
    let newer = OpenError::Newer { path: file.clone(), found: 7, known: 1 };
    assert_eq!(error(SqliteStore::open(&file)).await, newer);
    assert_eq!(error(SqliteStore::create(&file, LOG)).await, newer);
}

#[tokio::test]
async fn the_schema_itself_holds_off_a_slip_of_the_hand() {
    let (_folder, file) = folder();
    let store = create(&file).await;
    fill(&store, 0..3).await;
    let mut connection = raw(&file).await;
    for slip in [
        "UPDATE entry SET bytes = x'00' WHERE position = 2",
        "DELETE FROM entry WHERE position = 3",
        "INSERT INTO entry (position, subject, bytes) VALUES (9, 'postkey.log', x'00')",
        "INSERT OR REPLACE INTO entry (position, subject, bytes) VALUES (2, 'postkey.log', x'00')",
        "UPDATE log SET id = x'00000000000000000000000000000000'",
        "DELETE FROM log",
    ] {
        assert!(sqlx::raw_sql(slip).execute(&mut connection).await.is_err(), "{slip}");
    }
    sqlx::raw_sql("UPDATE log SET closed = 1").execute(&mut connection).await.expect("closed");
    assert!(sqlx::raw_sql("UPDATE log SET closed = 0").execute(&mut connection).await.is_err());
}

#[tokio::test]
async fn a_closed_log_takes_no_appends_from_anybody() {
    let (_folder, file) = folder();
    let here = create(&file).await;
    let there = open(&file).await;
    fill(&here, 0..5).await;
    assert_eq!(there.close_for(COPY).await, Ok(position(5)));
    assert_eq!(there.close_for(COPY).await, Ok(position(5)));
    for store in [&here, &there, &open(&file).await] {
        assert_eq!(store.try_append(&entry(1, "no"), position(2)).await, Appended::Closed);
        assert_eq!(store.head(Scope::All).await.expect("sound").position, position(5));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_is_before_the_close_or_refused() {
    let (_folder, file) = folder();
    let store = create(&file).await;
    let writers = join_all((0..200).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.try_append(&entry(number, "x"), Position::START).await })
    }));
    let (answers, closed) = futures::join!(writers, store.close_for(COPY));
    let closed = closed.expect("closed");
    let mut accepted = 0;
    for answer in answers {
        match answer.expect("no panic") {
            Appended::At(position) => {
                assert!(position <= closed);
                accepted += 1;
            }
            other => assert_eq!(other, Appended::Closed),
        }
    }
    assert_eq!(position(accepted), closed);
}

#[tokio::test]
async fn closing_finishes_what_is_queued_and_ends_reads() {
    let (_folder, file) = folder();
    let store = create(&file).await;
    let mut queued: Vec<_> = (0..300)
        .map(|number| {
            let store = Arc::clone(&store);
            Box::pin(async move { store.try_append(&entry(number, "x"), Position::START).await })
        })
        .collect();
    for append in &mut queued {
        assert_eq!(futures::poll!(append), std::task::Poll::Pending);
    }
    let (answers, ()) = futures::join!(join_all(queued), store.close());
    assert!(answers.iter().all(|answer| matches!(answer, Appended::At(_))));
    assert_eq!(store.try_append(&entry(1, "late"), position(2)).await, Appended::Unknown);
    assert!(matches!(store.head(Scope::All).await, Err(ReadError::Unavailable(_))));
    assert!(matches!(store.follow(Position::START).next().await, Some(Err(ReadError::Unavailable(_)))));
    assert_eq!(open(&file).await.head(Scope::All).await.expect("sound").position, position(300));
}

/// Whatever is in the file: an answer in words, never a panic, and never an entry that was not appended.
#[tokio::test]
async fn a_damaged_file_is_reported_in_words() {
    let (_folder, file) = folder();
    let store = create(&file).await;
    fill(&store, 0..400).await;
    let sound = all(&(store.clone() as Arc<dyn LogStore>), Scope::All, Position::START).await;
    store.close().await;
    let length = fs::metadata(&file).expect("a file").len();

    let mut reported = 0;
    for damage in 0..24 {
        let (_image, copy) = crash_image(&file);
        let mut bytes = fs::read(&copy).expect("a file");
        if damage < 8 {
            bytes.truncate(usize::try_from(length * damage / 8).expect("small"));
        } else {
            // A page of noise.
            let from = usize::try_from((length / 4096) * (damage - 8) / 16 * 4096).expect("small");
            bytes[from..from + 4096].iter_mut().enumerate().for_each(|(at, byte)| *byte = (at * 37 % 251) as u8);
        }
        fs::write(&copy, bytes).expect("damaged");
        let opened = match SqliteStore::open(&copy).await {
            Ok(opened) => opened,
            Err(OpenError::NotALog(_) | OpenError::Damaged { .. } | OpenError::Unfinished(_)) => {
                reported += 1;
                continue;
            }
            Err(other) => panic!("damage {damage}: {other}"),
        };
        let log = EventLog::new(Arc::new(opened), LOG).with_deadline(std::time::Duration::from_millis(50));
        let read: Result<Vec<_>, _> = log.read(Scope::All, Position::START).try_collect().await;
        match read {
            Err(ReadError::Corrupt(_)) => reported += 1,
            Err(other) => panic!("damage {damage}: {other}"),
            // The index, or free space: the entries are all there, or fewer, which the ledger finds.
            Ok(found) => assert!(found.iter().zip(&sound).all(|(found, sound)| found.position == sound.position)),
        }
        let _ = log.head(Scope::service(service(1))).await;
        let _ = log.append(&entry(1, "x"), position(2)).await;
    }
    assert!(reported >= 12, "{reported} of 24");
}

#[tokio::test]
async fn an_entry_under_a_strange_subject_is_corrupt() {
    let (_folder, file) = folder();
    let store: Arc<dyn LogStore> = create(&file).await;
    append(&store, &entry(1, "a"), Position::START).await;
    let mut connection = raw(&file).await;
    sqlx::raw_sql("INSERT INTO entry (position, subject, bytes) VALUES (2, 'postkey.p99.nobody', x'00')")
        .execute(&mut connection)
        .await
        .expect("inserted");
    let found: Vec<_> = store.read(Scope::All, Position::START).collect().await;
    assert_eq!(found.last(), Some(&Err(Corrupt::UnreadableSubject { position: position(2) }.into())));
}

#[tokio::test]
async fn a_creation_that_was_killed_within_its_transaction_is_finished_by_the_next() {
    let (_folder, file) = folder();
    // One page of cache, so that a transaction reaches the file, and its journal is synced, before it is committed.
    let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true).pragma("cache_size", "1");
    let mut creator = options.connect().await.expect("a database");
    let mut transaction = creator.begin_with("BEGIN IMMEDIATE").await.expect("a transaction");
    for sql in ["CREATE TABLE log (id BLOB)", "INSERT INTO log VALUES (zeroblob(100000))"] {
        sqlx::query(sql).execute(&mut *transaction).await.expect("written");
    }
    let (_image, copy) = folder();
    for suffix in ["", "-journal"] {
        let (from, to) = (format!("{}{suffix}", file.display()), format!("{}{suffix}", copy.display()));
        assert!(fs::copy(from, to).expect("a copy") > 0, "the journal is hot");
    }
    assert!(matches!(error(SqliteStore::open(&copy)).await, OpenError::Unfinished(_)));
    assert!(matches!(error(SqliteStore::open_read_only(&copy)).await, OpenError::Unfinished(_)));
    let store = SqliteStore::create(&copy, LOG).await.expect("finished");
    assert_eq!(store.log(), LOG);
}
