//! The contract over SQLite, and what is the file's own: whose it is, who may read it, what is damage.

mod old_rows;
mod schema;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use domain::UserId;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::read_model::contract::{self, Model};
use crate::read_model_contract_tests;

async fn two_processes() -> (Model, Model, TempDir) {
    let (folder, path) = place();
    let (one, two) = (SqliteReadModel::open(&path).await.unwrap(), SqliteReadModel::open(&path).await.unwrap());
    (Model::new(&Arc::new(one)), Model::new(&Arc::new(two)), folder)
}

read_model_contract_tests!(two_processes);

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("read-model.db");
    (folder, path)
}

/// A read model with the contract's rows of every shape.
async fn filled() -> (Arc<SqliteReadModel>, SqliteConnection, TempDir) {
    let (folder, path) = place();
    let (model, other) = (SqliteReadModel::open(&path).await.unwrap(), SqliteReadModel::open(&path).await.unwrap());
    let model = Arc::new(model);
    let other = Arc::new(other);
    contract::rows_read_back_as_they_were_written(Model::new(&model), Model::new(&other)).await;
    other.close().await;
    let hand = SqliteConnectOptions::new().filename(&path).pragma("ignore_check_constraints", "ON");
    (model, SqliteConnection::connect_with(&hand).await.unwrap(), folder)
}

async fn edit(hand: &mut SqliteConnection, sql: &'static str) {
    sqlx::query(sql).execute(hand).await.unwrap();
}

fn first_user() -> UserId {
    UserId::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001))
}

fn service_of(domain: &str) -> ServiceId {
    ServiceId::of(&domain::DomainName::parse(domain).unwrap())
}

/// What the first user's row is read as, by each way to it.
async fn read_everywhere(model: &SqliteReadModel) -> Vec<Option<ReadModelError>> {
    let of = service_of("d001.example");
    let touched = Touched { users: [first_user()].into(), ..Touched::default() };
    vec![
        model.user(of, first_user()).await.err(),
        model.users(&UserQuery { service: of, search: None, after: None, limit: 1 }).await.err(),
        model.touched(Generation(1), &touched).await.err(),
    ]
}

async fn applied_everywhere(model: &SqliteReadModel) -> Vec<Option<ReadModelError>> {
    let nobody = Address::parse("nobody@d001.example").unwrap();
    vec![model.applied(Generation(1)).await.err(), model.login(&nobody).await.err()]
}

fn is_damage(error: Option<&ReadModelError>, edited: &str) {
    match error {
        Some(ReadModelError::Damaged(what)) => assert!(!what.contains("N0nsense"), "{edited}: {what}"),
        other => panic!("{edited}: {other:?}"),
    }
}

#[tokio::test]
async fn a_users_row_edited_to_nonsense_is_damage_and_is_not_repeated() {
    for edited in [
        "UPDATE mailbox_user SET state = 'N0nsense'",
        "UPDATE mailbox_user SET state = 7",
        "UPDATE mailbox_user SET address = 'N0nsense' WHERE address LIKE 'seyma@%'",
        "UPDATE mailbox_user SET first_name = 'N0nsense' || char(10)",
        "UPDATE mailbox_user SET first_name = NULL",
        "UPDATE mailbox_user SET last_name = x'00ff'",
        "UPDATE mailbox_user SET password_hash = '$2y$N0nsense'",
        "UPDATE mailbox_user SET policy = 'N0nsense'",
        "UPDATE mailbox_user SET policy = NULL",
        "UPDATE mailbox_user SET credential_revision = -1",
        "UPDATE mailbox_user SET credential_changed_at = 9223372036854775807",
        "UPDATE mailbox_user SET credential_key = x'00'",
        "UPDATE mailbox_user SET profile_key = 'N0nsense'",
        "UPDATE mailbox_user SET quota_mib = 0",
        "UPDATE mailbox_user SET quota_mib = 'N0nsense'",
        "UPDATE mailbox_user SET revision = -7",
    ] {
        let (model, mut hand, _folder) = filled().await;
        assert_eq!(read_everywhere(&model).await, [None, None, None], "before it was edited");
        edit(&mut hand, edited).await;
        for error in read_everywhere(&model).await {
            is_damage(error.as_ref(), edited);
        }
    }
}

#[tokio::test]
async fn a_credential_without_its_key_is_damage_and_not_nobody() {
    let (model, mut hand, _folder) = filled().await;
    edit(&mut hand, "UPDATE mailbox_user SET credential_key = NULL").await;
    for error in read_everywhere(&model).await {
        is_damage(error.as_ref(), "a hash without a key");
    }
}

#[tokio::test]
async fn a_services_row_edited_to_nonsense_is_damage_and_is_not_repeated() {
    for edited in [
        "UPDATE service SET domain = 'N0nsense' WHERE domain = 'd001.example'",
        "UPDATE service SET customer = 'N0nsense?'",
        "UPDATE service SET plan_mailboxes = 0",
        "UPDATE service SET plan_pool_bytes = -1",
        "UPDATE service SET used_mailboxes = 4294967296",
        "UPDATE service SET used_bytes = 'N0nsense'",
        "UPDATE service SET private_key = x''",
        "UPDATE service SET last_leaf = x'00'",
        "UPDATE service SET last_position = -1",
    ] {
        let (model, mut hand, _folder) = filled().await;
        let of = service_of("d001.example");
        assert!(model.service(of).await.is_ok_and(|row| row.is_some()), "before it was edited");
        edit(&mut hand, edited).await;
        is_damage(model.service(of).await.err().as_ref(), edited);
        let touched = Touched { services: [of].into(), ..Touched::default() };
        is_damage(model.touched(Generation(1), &touched).await.err().as_ref(), edited);
    }
}

#[tokio::test]
async fn an_applied_position_edited_to_nonsense_is_damage() {
    for edited in ["UPDATE generation SET position = 'N0nsense'", "UPDATE generation SET position = -1"] {
        let (model, mut hand, _folder) = filled().await;
        assert_eq!(applied_everywhere(&model).await, [None, None], "before it was edited");
        edit(&mut hand, edited).await;
        for error in applied_everywhere(&model).await {
            is_damage(error.as_ref(), edited);
        }
    }
    for edited in [
        "UPDATE generation SET position = 7",
        "UPDATE generation SET log = NULL",
        "UPDATE generation SET log = x'00'",
        "UPDATE generation SET leaf = x'00'",
        "UPDATE generation SET frontier = x'00'",
        "UPDATE generation SET frontier = NULL",
    ] {
        let (model, mut hand, _folder) = filled().await;
        edit(&mut hand, edited).await;
        is_damage(model.applied(Generation(1)).await.err().as_ref(), edited);
    }
}

#[tokio::test]
async fn a_file_without_live_rows_is_damage_and_not_an_empty_answer() {
    let (model, mut hand, _folder) = filled().await;
    edit(&mut hand, "UPDATE generation SET live = 0").await;
    is_damage(model.live().await.err().as_ref(), "no live generation");
    let nobody = Address::parse("nobody@d001.example").unwrap();
    is_damage(model.login(&nobody).await.err().as_ref(), "no live generation");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_make_the_file_at_once_all_have_it() {
    let (_folder, path) = place();
    let opened = futures::future::join_all((0..8).map(|_| SqliteReadModel::open(&path))).await;
    for model in opened {
        assert_eq!(model.unwrap().live().await, Ok(Generation(1)));
    }
}

#[tokio::test]
async fn the_file_is_its_owners_only() {
    let (folder, path) = place();
    let model = SqliteReadModel::open(&path).await.unwrap();
    model.live().await.unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
    }
}

#[tokio::test]
async fn another_programs_database_is_refused_and_left_alone() {
    let (folder, path) = place();
    let theirs = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&theirs).await.unwrap();
    sqlx::query("CREATE TABLE theirs (x)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(SqliteReadModel::open(&path).await, Err(ReadModelError::NotOurs(_))));
    assert!(fs::read(&path).unwrap() == before, "it was written to");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing lies beside it");
}

#[tokio::test]
async fn a_read_model_of_a_newer_postkey_is_refused_and_left_alone() {
    let (_folder, path) = place();
    SqliteReadModel::open(&path).await.unwrap().close().await;
    let mut newer = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&path)).await.unwrap();
    sqlx::raw_sql("PRAGMA user_version = 5").execute(&mut newer).await.unwrap();
    newer.close().await.unwrap();
    let before = fs::read(&path).unwrap();
    let refused = SqliteReadModel::open(&path).await.err();
    assert!(matches!(&refused, Some(ReadModelError::NotOurs(what)) if what.contains("version 5")), "{refused:?}");
    assert!(fs::read(&path).unwrap() == before, "it was written to");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_damage_and_left_alone() {
    let (_folder, path) = place();
    let text = b"not a database, and long enough to be read as one ".repeat(100);
    fs::write(&path, &text).unwrap();
    assert!(matches!(SqliteReadModel::open(&path).await, Err(ReadModelError::Damaged(_))));
    assert_eq!(fs::read(&path).unwrap(), text);
}

#[tokio::test]
async fn a_page_overwritten_on_the_disk_is_damage() {
    let (model, mut hand, folder) = filled().await;
    let page: i64 = sqlx::query_scalar("SELECT rootpage FROM sqlite_schema WHERE name = 'mailbox_user'")
        .fetch_one(&mut hand)
        .await
        .unwrap();
    let size: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut hand).await.unwrap();
    hand.close().await.unwrap();
    Arc::into_inner(model).unwrap().close().await;

    let path = folder.path().join("read-model.db");
    let mut bytes = fs::read(&path).unwrap();
    let (from, size) = (usize::try_from((page - 1) * size).unwrap(), usize::try_from(size).unwrap());
    bytes[from..from + size].fill(0xaa);
    fs::write(&path, bytes).unwrap();
    let model = SqliteReadModel::open(&path).await.unwrap();
    for error in read_everywhere(&model).await {
        is_damage(error.as_ref(), "a page of 0xaa");
    }
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let (model, hand, folder) = filled().await;
    hand.close().await.unwrap();
    let before = model.applied(Generation(1)).await.unwrap();
    model.close().await;
    let ahead = fs::metadata(folder.path().join("read-model.db-wal"));
    assert!(ahead.map_or(0, |wal| wal.len()) == 0, "the write-ahead log was moved into the file");
    let again = SqliteReadModel::open(&folder.path().join("read-model.db")).await.unwrap();
    assert_eq!(again.applied(Generation(1)).await.unwrap(), before);
    assert_eq!(read_everywhere(&again).await, [None, None, None]);
}

#[tokio::test]
async fn a_first_start_that_was_killed_within_a_transaction_is_no_obstacle() {
    let (_folder, path) = place();
    // One page of cache, so that a transaction reaches the file, and its journal is synced, before it is committed.
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true).pragma("cache_size", "1");
    let mut creator = SqliteConnection::connect_with(&options).await.unwrap();
    let mut transaction = creator.begin_with("BEGIN IMMEDIATE").await.unwrap();
    for sql in ["CREATE TABLE generation (log BLOB)", "INSERT INTO generation VALUES (zeroblob(100000))"] {
        sqlx::query(sql).execute(&mut *transaction).await.unwrap();
    }
    let (_image, copy) = place();
    for suffix in ["", "-journal"] {
        let (from, to) = (format!("{}{suffix}", path.display()), format!("{}{suffix}", copy.display()));
        assert!(fs::copy(from, to).unwrap() > 0, "the journal is hot");
    }
    let model = SqliteReadModel::open(&copy).await.unwrap();
    assert_eq!(model.applied(Generation(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_table_that_is_gone_is_damage() {
    let (model, mut hand, _folder) = filled().await;
    edit(&mut hand, "DROP TABLE mailbox_user").await;
    let nobody = Address::parse("nobody@s1.example").unwrap();
    is_damage(model.login(&nobody).await.err().as_ref(), "a table that is gone");
}

/// Whether a word stands in the files of the read model.
fn stands(folder: &TempDir, word: &str) -> bool {
    let holds = |bytes: Vec<u8>| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    fs::read_dir(folder.path()).unwrap().any(|entry| holds(fs::read(entry.unwrap().path()).unwrap()))
}

/// So many rows come and go that their pages are split and joined again.
#[tokio::test]
async fn what_was_erased_and_forgotten_stands_in_no_file() {
    let (folder, path) = place();
    let (model, other) = (SqliteReadModel::open(&path).await.unwrap(), SqliteReadModel::open(&path).await.unwrap());
    let of = contract::sample::service(1, "acme");
    let all: Vec<_> = (1..=200).map(|n| contract::sample::user(n, &of)).collect();
    let live = model.live().await.unwrap();
    let batch = contract::sample::batch(None, &[of], &all);
    model.apply(live, &batch, None).await.unwrap();
    let mut from = Some(batch.to);
    let address = |row: &UserRow| row.user.person.value.known().unwrap().address.as_str().to_owned();
    let (gone, stay): (Vec<_>, Vec<_>) = all.iter().partition(|row| row.id.as_bytes()[15] % 3 == 0);
    for few in gone.chunks(7) {
        let empty = contract::sample::batch(from.as_ref(), &[], &[]);
        let erasing = Batch { erased: few.iter().map(|row| row.id).collect(), ..empty };
        model.apply(live, &erasing, from.as_ref()).await.unwrap();
        from = Some(erasing.to);
    }
    assert!(gone.iter().any(|row| stands(&folder, &address(row))), "the log of the file has them");
    model.forget().await.unwrap();
    other.forget().await.unwrap();
    for row in gone {
        assert!(!stands(&folder, &address(row)), "{}", row.id);
    }
    for row in stay {
        assert!(stands(&folder, &address(row)), "{}", row.id);
    }
}

#[tokio::test]
async fn nothing_is_forgotten_as_long_as_somebody_reads_what_was_before() {
    let (model, mut hand, _folder) = filled().await;
    let mut reading = hand.begin().await.unwrap();
    sqlx::query("SELECT count(*) FROM mailbox_user").fetch_one(&mut *reading).await.unwrap();
    let live = model.live().await.unwrap();
    let from = model.applied(live).await.unwrap();
    let batch = contract::sample::batch(from.as_ref(), &[], &[]);
    model.apply(live, &Batch { erased: vec![first_user()], ..batch }, from.as_ref()).await.unwrap();
    assert!(matches!(model.forget().await, Err(ReadModelError::Unavailable(_))));
    // Batches and lookups go on meanwhile.
    let from = model.applied(live).await.unwrap();
    let batch = contract::sample::batch(from.as_ref(), &[], &[]);
    model.apply(live, &batch, from.as_ref()).await.unwrap();
    reading.rollback().await.unwrap();
    model.forget().await.unwrap();
}

#[tokio::test]
async fn what_a_killed_rebuild_has_left_is_dropped_by_whoever_opens_the_file_next() {
    let (folder, path) = place();
    let model = SqliteReadModel::open(&path).await.unwrap();
    let next = model.begin().await.unwrap();
    let of = contract::sample::service(1, "acme");
    let batch = contract::sample::batch(None, std::slice::from_ref(&of), &[contract::sample::user(1, &of)]);
    model.apply(next, &batch, None).await.unwrap();
    assert!(stands(&folder, "user1@d001.example"));
    model.close().await;
    let model = SqliteReadModel::open(&path).await.unwrap();
    assert_eq!(model.applied(next).await.unwrap(), None);
    model.forget().await.unwrap();
    assert!(!stands(&folder, "user1@d001.example"));
}
