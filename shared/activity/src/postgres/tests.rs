//! The contract over PostgreSQL, and what is its own: roles, a server that is killed.

use servers::Postgres;

use super::*;
use crate::contract::record;

fn location(url: &str) -> Location {
    url.parse().unwrap()
}

#[tokio::test]
async fn it_keeps_the_contract() {
    let at = location(&Postgres::shared().database());
    let (store, other) = (PostgresActivityStore::at(&at), PostgresActivityStore::at(&at));
    crate::contract::all(&store, &other).await;
}

#[tokio::test]
async fn it_comes_back_by_itself_after_the_server_was_killed() {
    let mut postgres = Postgres::start();
    let at = location(&postgres.database());
    let store = PostgresActivityStore::at(&at);
    let some = [record(1, Kind::Refused, None, None)];
    store.append(&some).await.unwrap();
    postgres.kill();
    let away = store.append(&some).await.unwrap_err().to_string();
    assert!(away.contains("connection"), "{away}");
    assert!(store.page(&Filter::default(), 0, 10).await.is_err());
    postgres.start_again();
    store.append(&some).await.unwrap();
    assert!(!store.page(&Filter::default(), 0, 10).await.unwrap().records.is_empty());
}

#[tokio::test]
async fn its_role_may_add_and_remove_and_change_nothing() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let at = location(&url);
    let database = url.rsplit_once('/').unwrap().1;
    let role = "DO $$ BEGIN CREATE ROLE postkey_activity LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$";
    postgres.psql(database, role);
    PostgresActivityStore::set_up(&at).await.unwrap();
    PostgresActivityStore::set_up(&at).await.unwrap();
    let (_, place) = url.split_once('@').unwrap();
    let store = PostgresActivityStore::at(&location(&format!("postgres://postkey_activity@{place}")));
    store.append(&[record(1, Kind::Refused, None, None), record(2, Kind::SignIn, None, None)]).await.unwrap();
    let kept = store.page(&Filter::default(), 0, 10).await.unwrap().records;
    assert_eq!(kept.len(), 2);
    assert_eq!(store.prune(Bounds { since: kept[1].at, most: 10 }, 10).await, Ok(1));
    let may = |what: &str| {
        let asked = format!("SELECT has_table_privilege('postkey_activity', 'activity', '{what}')");
        postgres.psql(database, &asked)
    };
    assert_eq!([may("INSERT"), may("UPDATE"), may("TRUNCATE")], ["t", "f", "f"]);
}

#[tokio::test]
async fn another_programs_database_is_refused_and_left_alone() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let database = url.rsplit_once('/').unwrap().1;
    postgres.psql(database, "CREATE TABLE theirs (x int)");
    let store = PostgresActivityStore::at(&location(&url));
    let refused = store.append(&[record(1, Kind::Refused, None, None)]).await.unwrap_err().to_string();
    assert!(refused.contains("not postkey's") && refused.contains(database), "{refused}");
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(postgres.psql(database, tables), "1");
}
