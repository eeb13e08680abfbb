//! The contract over PostgreSQL, and what is its own: durability, whose a database is, a server that is killed.

use std::sync::Arc;

use servers::Postgres;
use tokio::task::JoinSet;

use super::*;
use crate::CheckpointStore;

fn location(url: &str) -> Location {
    url.parse().unwrap()
}

fn database(postgres: &Postgres) -> (Location, String) {
    let url = postgres.database();
    (location(&url), url.rsplit_once('/').unwrap().1.to_owned())
}

fn id(n: u128) -> KeyId {
    KeyId::new(Uuid::from_u128(n))
}

#[tokio::test]
async fn it_keeps_the_contract() {
    let (at, _) = database(Postgres::shared());
    let (store, other) = (PostgresKeyStore::open(&at).await.unwrap(), PostgresKeyStore::open(&at).await.unwrap());
    assert!(store.is_empty().await.unwrap());
    crate::contract::all(&store, &other).await;
    assert!(!other.is_empty().await.unwrap());
    crate::contract::checkpoints(&store, &other).await;
}

#[tokio::test]
async fn it_keeps_the_contract_of_wrapping_anew() {
    let (at, _) = database(Postgres::shared());
    let (store, other) = (PostgresKeyStore::open(&at).await.unwrap(), PostgresKeyStore::open(&at).await.unwrap());
    crate::contract::rewraps(&store, &other, &other).await;
}

#[tokio::test]
async fn a_database_of_the_first_version_is_migrated_and_keeps_its_keys() {
    let (at, _) = database(Postgres::shared());
    let first = Schema { migrations: &KEY_STORE.migrations[..1], ..KEY_STORE };
    first.open(&at).await.unwrap();
    let connections =
        Connections::new(&at, Session { name: "test", most: 1, durability: Durability::Synced, within: WITHIN });
    connections
        .changed(|| statement("INSERT INTO key VALUES ('00000000-0000-0000-0000-000000000001', '\\x07')"))
        .await
        .unwrap();
    let store = PostgresKeyStore::open(&at).await.unwrap();
    assert_eq!(store.fetch(&[id(1)]).await.unwrap()[&id(1)], StoredKey::Here(WrappedKey(vec![7])));
    assert!(store.replace(None, "first", &[]).await.unwrap());
    assert_eq!(store.newest().await.unwrap().as_deref(), Some("first"));
}

#[tokio::test]
async fn a_destroyed_key_is_in_no_row() {
    let (at, database) = database(Postgres::shared());
    let store = PostgresKeyStore::open(&at).await.unwrap();
    store.create(&[(id(1), WrappedKey(vec![7; 88]))]).await.unwrap();
    let rows = || Postgres::shared().psql(&database, "SELECT count(*), count(wrapped) FROM key");
    assert_eq!(rows(), "1|1");
    store.destroy(&[id(1), id(2)], Position::new(1)).await.unwrap();
    assert_eq!(rows(), "2|0");
}

#[tokio::test]
async fn commits_wait_for_the_disk_whatever_the_server_says() {
    let postgres = Postgres::shared();
    let (at, database) = database(postgres);
    postgres.psql(&database, &format!("ALTER DATABASE {database} SET synchronous_commit = off"));
    let store = PostgresKeyStore::open(&at).await.unwrap();
    let row = store.readers.source().0.row(|| statement("SHOW synchronous_commit")).await.unwrap();
    assert_eq!(row.get::<String, _>(0), "on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_wait_together_are_done_together_and_all_are_there() {
    let (at, database) = database(Postgres::shared());
    let store = Arc::new(PostgresKeyStore::open(&at).await.unwrap());
    let mut writing = JoinSet::new();
    for n in 0..400_u128 {
        let store = Arc::clone(&store);
        // Some destroy what others create, and some create what others do.
        writing.spawn(async move {
            match n % 4 {
                0 => store.destroy(&[id(n), id(n + 1)], Position::new(n as u64)).await,
                _ => store.create(&[(id(n), WrappedKey(vec![1; 88])), (id(n / 2), WrappedKey(vec![2; 88]))]).await,
            }
        });
    }
    while let Some(done) = writing.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(store.cursor().await.unwrap(), Position::new(396));
    let ids: Vec<_> = (0..400).map(id).collect();
    let found = store.fetch(&ids).await.unwrap();
    for n in 0..400 {
        match (n % 4, &found[&id(n)]) {
            (0 | 1, StoredKey::Destroyed) | (2 | 3, StoredKey::Here(_)) => {}
            (_, other) => panic!("{n}: {other:?}"),
        }
    }
    let written = Postgres::shared().psql(&database, "SELECT count(DISTINCT xmin::text) FROM key");
    assert!(written.parse::<u32>().unwrap() < 200, "{written} transactions for 400 writes");
}

#[tokio::test]
async fn it_comes_back_by_itself_after_the_server_was_killed_and_has_what_it_had() {
    let mut postgres = Postgres::start();
    let (at, _) = database(&postgres);
    let store = PostgresKeyStore::open(&at).await.unwrap();
    let wrapped = WrappedKey(vec![3; 88]);
    store.create(&[(id(1), wrapped.clone())]).await.unwrap();
    // So that several connections wait when the server dies.
    let many: Vec<_> = (0..8).map(|_| [id(1)]).collect();
    let mut asked = tokio::join!(store.fetch(&many[0]), store.fetch(&many[1]), store.fetch(&many[2]));
    assert!(asked.0.is_ok() && asked.1.is_ok() && asked.2.is_ok());

    postgres.kill();
    let away = store.fetch(&[id(1)]).await.unwrap_err().to_string();
    assert!(away.contains("connection"), "{away}");
    assert!(store.create(&[(id(2), wrapped.clone())]).await.is_err());
    assert!(store.cursor().await.is_err());
    postgres.start_again();
    // Nobody meets a connection that is dead.
    asked = tokio::join!(store.fetch(&many[0]), store.fetch(&many[1]), store.fetch(&many[2]));
    for found in [asked.0, asked.1, asked.2] {
        assert_eq!(found.unwrap()[&id(1)], StoredKey::Here(wrapped.clone()));
    }
    store.create(&[(id(2), wrapped.clone())]).await.unwrap();

    // Killed and back between two questions: the first one is asked again.
    postgres.kill();
    postgres.start_again();
    store.create(&[(id(3), wrapped.clone())]).await.unwrap();
    assert_eq!(store.fetch(&[id(3)]).await.unwrap()[&id(3)], StoredKey::Here(wrapped));
}

#[tokio::test]
async fn another_programs_database_is_refused_and_left_alone() {
    let postgres = Postgres::shared();
    let (at, database) = database(postgres);
    postgres.psql(&database, "CREATE TABLE theirs (x int)");
    let refused = PostgresKeyStore::open(&at).await.err().unwrap().to_string();
    assert!(refused.contains("not postkey's") && refused.contains(&database), "{refused}");
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(postgres.psql(&database, tables), "1");
}
