//! Connections to a real server: that come back, that end in time, that leave nothing behind.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::time::{Duration, Instant};

use postkey_postgres::{Connections, Durability, Fault, Location, Session, Statement, fault, said};
use servers::Postgres;
use sqlx::Row;

const WITHIN: Duration = Duration::from_millis(1_500);

fn connections(url: &str, most: u32) -> Connections {
    let location: Location = url.parse().unwrap();
    Connections::new(&location, Session { name: "test", most, durability: Durability::Deferred, within: WITHIN })
}

fn sql(sql: &'static str) -> impl Fn() -> Statement {
    move || sqlx::query(sql)
}

#[tokio::test]
async fn a_session_is_what_was_asked_for() {
    let connections = connections(&Postgres::shared().database(), 1);
    for (setting, value) in [
        ("SHOW application_name", "test"),
        ("SHOW synchronous_commit", "off"),
        ("SHOW statement_timeout", "1500ms"),
        ("SHOW search_path", "public"),
        ("SHOW idle_in_transaction_session_timeout", "3s"),
        ("SHOW tcp_keepalives_idle", "5"),
    ] {
        let row = connections.row(sql(setting)).await.unwrap();
        assert_eq!(row.get::<String, _>(0), value, "{setting}");
    }
    assert_eq!(connections.rows(sql("SELECT 1 WHERE false")).await.unwrap().len(), 0);
    assert!(matches!(connections.row(sql("SELECT 1 WHERE false")).await, Err(sqlx::Error::RowNotFound)));
}

#[tokio::test]
async fn a_connection_is_used_again_unless_it_failed() {
    let connections = connections(&Postgres::shared().database(), 1);
    let id = async || connections.row(sql("SELECT pg_backend_pid()")).await.unwrap().get::<i32, _>(0);
    let first = id().await;
    assert_eq!(id().await, first);
    assert!(connections.rows(sql("SELECT 1 / 0")).await.is_err());
    assert_ne!(id().await, first);
}

#[tokio::test]
async fn a_server_that_was_killed_and_is_back_is_met_by_no_error_of_a_question() {
    let mut postgres = Postgres::start();
    let connections = connections(&postgres.database(), 4);
    let slow = || sql("SELECT pg_sleep(0.1)");
    let four = async || {
        tokio::join!(
            connections.rows(slow()),
            connections.rows(slow()),
            connections.rows(slow()),
            connections.rows(slow())
        )
    };
    let (a, b, c, d) = four().await;
    assert!(a.is_ok() && b.is_ok() && c.is_ok() && d.is_ok());
    postgres.kill();
    let refused = connections.rows(sql("SELECT 1")).await.unwrap_err();
    assert_eq!(fault(&refused), Fault::Away);
    assert!(said(&refused).contains("connection refused"), "{}", said(&refused));
    postgres.start_again();
    for _ in 0..2 {
        let (a, b, c, d) = four().await;
        assert!(a.is_ok() && b.is_ok() && c.is_ok() && d.is_ok(), "{a:?} {b:?} {c:?} {d:?}");
        // And where nobody asked while it was away.
        postgres.kill();
        postgres.start_again();
    }
    assert!(connections.rows(sql("SELECT 1")).await.is_ok());
    // What may not be done twice fails once.
    postgres.kill();
    postgres.start_again();
    let once = async || connections.once(async |connection| sqlx::query("SELECT 1").fetch_one(connection).await).await;
    assert_eq!(fault(&once().await.unwrap_err()), Fault::Away);
    once().await.unwrap();
}

#[tokio::test]
async fn a_server_that_stands_still_is_not_waited_for_long() {
    let mut postgres = Postgres::start();
    let connections = connections(&postgres.database(), 2);
    connections.rows(sql("SELECT 1")).await.unwrap();
    postgres.pause();
    let begun = Instant::now();
    let error = connections.rows(sql("SELECT 1")).await.unwrap_err();
    assert_eq!((fault(&error), said(&error).as_str()), (Fault::Away, "PostgreSQL does not answer"));
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    postgres.resume();
    connections.rows(sql("SELECT 1")).await.unwrap();
    postgres.stop();
}

#[tokio::test]
async fn what_takes_too_long_is_ended_by_the_server() {
    let connections = connections(&Postgres::shared().database(), 1);
    let error = connections.rows(sql("SELECT pg_sleep(60)")).await.unwrap_err();
    assert_eq!((fault(&error), said(&error).as_str()), (Fault::Conflict, "PostgreSQL took too long"));
}

#[tokio::test]
async fn a_table_that_is_migrated_under_a_prepared_statement_is_no_error() {
    let url = Postgres::shared().database();
    let database = url.rsplit_once('/').unwrap().1;
    Postgres::shared().psql(database, "CREATE TABLE t (x int); INSERT INTO t VALUES (7)");
    let connections = connections(&url, 2);
    let read = || sql("SELECT *, pg_sleep(0.1) FROM t");
    let (one, two) = tokio::join!(connections.rows(read()), connections.rows(read()));
    assert!(one.is_ok() && two.is_ok());
    Postgres::shared().psql(database, "ALTER TABLE t ALTER x TYPE bigint");
    let (one, two) = tokio::join!(connections.row(read()), connections.row(read()));
    assert_eq!((one.unwrap().get::<i64, _>(0), two.unwrap().get::<i64, _>(0)), (7, 7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_is_dropped_halfway_leaves_no_connection_behind_that_is_in_the_middle_of_it() {
    let connections = connections(&Postgres::shared().database(), 1);
    for n in 0..20 {
        let halfway = connections.rows(sql("SELECT 'old', pg_sleep(0.02)"));
        let _ = tokio::time::timeout(Duration::from_millis(n), halfway).await;
        let row = connections.row(sql("SELECT 'new'")).await.unwrap();
        assert_eq!(row.get::<String, _>(0), "new");
    }
}

#[tokio::test]
async fn what_is_closed_makes_no_more_connections() {
    let connections = connections(&Postgres::shared().database(), 1);
    connections.rows(sql("SELECT 1")).await.unwrap();
    connections.close().await;
    assert_eq!(fault(&connections.rows(sql("SELECT 1")).await.unwrap_err()), Fault::Away);
}

/// Each by a statement that fails in that way.
#[tokio::test]
async fn an_error_is_told_by_its_kind_and_without_any_value() {
    let postgres = Postgres::start();
    let url = postgres.database();
    let database = url.rsplit_once('/').unwrap().1;
    postgres.psql(
        database,
        "CREATE TABLE t (x text UNIQUE, y text CHECK (y <> 's3cret')); INSERT INTO t VALUES ('s3cret', 'y'); \
         CREATE ROLE nobody LOGIN",
    );
    let connections = connections(&url, 1);
    for (statement, expected) in [
        ("INSERT INTO t VALUES ('s3cret', 'z')", Fault::Twice),
        ("INSERT INTO t VALUES ('x', 's3cret')", Fault::Other),
        ("SELECT 's3cret'::int", Fault::Other),
        ("SELECT 's3cret'::uuid", Fault::Other),
        ("SELECT * FROM s_missing", Fault::Missing),
        ("SELECT s_missing FROM t", Fault::Missing),
        ("SET SESSION AUTHORIZATION nobody", Fault::Other),
    ] {
        match connections.rows(sql(statement)).await {
            Err(error) => {
                assert_eq!(fault(&error), expected, "{statement}");
                assert!(!said(&error).contains("s3cret") && !said(&error).is_empty(), "{statement}: {}", said(&error));
            }
            Ok(_) => assert!(statement.starts_with("SET"), "{statement}"),
        }
    }
    // The last one stayed: it may read nothing.
    let error = connections.rows(sql("SELECT * FROM t")).await.unwrap_err();
    assert_eq!(fault(&error), Fault::Denied);
    assert!(said(&error).contains("postkey postgres setup"), "{}", said(&error));

    let elsewhere = self::connections(&postgres.url("nowhere"), 1);
    let error = elsewhere.rows(sql("SELECT 1")).await.unwrap_err();
    assert_eq!(fault(&error), Fault::Denied);
    assert!(said(&error).contains("nowhere"), "{}", said(&error));

    postgres.psql(database, &format!("ALTER DATABASE {database} SET default_transaction_read_only = on"));
    let replica = self::connections(&url, 1);
    let error = replica.rows(sql("INSERT INTO t VALUES ('a', 'b')")).await.unwrap_err();
    assert_eq!(fault(&error), Fault::Denied);
    assert!(said(&error).contains("replica"), "{}", said(&error));
    postgres.psql("postgres", "ALTER ROLE nobody CONNECTION LIMIT 0");
    let full = self::connections(&url.replace("postgres@", "nobody@"), 1);
    let error = full.rows(sql("SELECT 1")).await.unwrap_err();
    assert_eq!(fault(&error), Fault::Away, "{}", said(&error));
}
