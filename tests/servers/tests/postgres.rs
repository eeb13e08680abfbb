//! A PostgreSQL server starts, ends and comes back as the tests ask.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::sync::mpsc;
use std::time::Duration;

use servers::{Postgres, PostgresOptions};

#[test]
fn databases_are_fresh_and_apart() {
    let postgres = Postgres::shared();
    let names = [postgres.database(), postgres.database()].map(|url| url.rsplit_once('/').unwrap().1.to_owned());
    assert_ne!(names[0], names[1]);
    postgres.psql(&names[0], "CREATE TABLE t (n int)");
    let tables = "SELECT count(*) FROM pg_tables WHERE tablename = 't'";
    assert_eq!(names.map(|name| postgres.psql(&name, tables)), ["1", "0"]);
}

#[test]
fn a_killed_or_stopped_server_comes_back_with_what_was_committed() {
    let mut postgres = Postgres::start();
    postgres.psql("postgres", "CREATE TABLE t (n int); INSERT INTO t VALUES (1)");
    postgres.kill();
    postgres.start_again();
    postgres.psql("postgres", "INSERT INTO t VALUES (2)");
    postgres.stop();
    postgres.start_again();
    assert_eq!(postgres.psql("postgres", "SELECT n FROM t ORDER BY n"), "1\n2");
}

#[test]
fn a_paused_server_answers_nobody_until_it_is_resumed() {
    let postgres = Postgres::start();
    postgres.pause();
    std::thread::scope(|scope| {
        let (answer, answered) = mpsc::channel();
        scope.spawn(|| {
            let answer = answer;
            answer.send(postgres.psql("postgres", "SELECT 1")).unwrap();
        });
        let paused = answered.recv_timeout(Duration::from_millis(500));
        postgres.resume();
        assert!(paused.is_err(), "{paused:?}");
        assert_eq!(answered.recv().unwrap(), "1");
    });
}

#[test]
fn it_is_new_enough_sorts_by_code_points_and_is_durable_on_request() {
    let postgres = Postgres::shared();
    assert!(postgres.psql("postgres", "SHOW server_version_num").parse::<u32>().unwrap() >= 170_000);
    assert_eq!(postgres.psql("postgres", "SELECT 'Z' < 'a' AND 'z' < 'ä', lower('Ä')"), "t|ä");
    assert_eq!(postgres.psql("postgres", "SHOW fsync"), "off");
    let durable = Postgres::with(PostgresOptions { durable: true, ..PostgresOptions::default() });
    let settings = ["fsync", "synchronous_commit", "full_page_writes"];
    assert_eq!(settings.map(|setting| durable.psql("postgres", &format!("SHOW {setting}"))), ["on"; 3]);
}
