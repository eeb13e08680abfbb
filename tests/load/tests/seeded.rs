//! What was seeded is what the product itself would have written, and the load generator speaks to it: no figures here.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use hyper::Method;
use keys::Keyring;
use load::postkey::{Binary, Postkey};
use load::seed::{KeySink, LogSink, PASSWORD, Population, seed};
use load::tally::Tally;
use load::work::{Checkpoints, Connection, Edits, Insisted, Job, Logins, Moments, Timing, Verdicts};

const POPULATION: Population = Population { services: 3, users: 2 };
/// Two more than the population takes: edits.
const ENTRIES: u64 = 12;

/// `postkey up` on a seeded folder.
async fn seeded(folder: &std::path::Path) -> Postkey {
    let binary = Binary::find(Some(stage::binary())).unwrap();
    let data = folder.join("data");
    Postkey::up(&binary, &data, folder).await.unwrap().stop().await;
    let log = LogSink::sqlite(&data.join("log.db")).await.unwrap();
    let keys = KeySink::sqlite(&data.join("keys.db")).await.unwrap();
    seed(&Keyring::load(&data.join("keyring")).unwrap(), &log, &keys, POPULATION, ENTRIES).await.unwrap();
    log.close().await;
    Postkey::up(&binary, &data, folder).await.unwrap()
}

#[tokio::test]
async fn seeded_users_sign_in_with_the_canned_password_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let postkey = seeded(folder.path()).await;
    assert_eq!(postkey.caught_up(ENTRIES).await, Ok(ENTRIES));
    let mut webmail = Connection::new(&postkey.projection, &postkey.tokens.webmail()).unwrap();
    for (service, user, password, status) in [(0, 0, PASSWORD, 200), (2, 1, PASSWORD, 200), (1, 1, "another", 401)] {
        let body = format!(r#"{{"address":"{}","password":"{password}"}}"#, POPULATION.address(service, user));
        let answer = webmail.send(Method::POST, "/v1/auth/verify", Some(body)).await.unwrap();
        assert_eq!(answer.status, status, "{}", answer.code());
    }
    postkey.stop().await;
}

/// Carries a job out in a process of its own; what it says.
fn said_by(job: &Job) -> String {
    let mut load = Command::new(env!("CARGO_BIN_EXE_load"));
    let mut load = load.arg("work").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    load.stdin.take().unwrap().write_all(serde_json::to_string(job).unwrap().as_bytes()).unwrap();
    String::from_utf8(load.wait_with_output().unwrap().stdout).unwrap()
}

/// Two users who sign in again and again.
fn again(postkey: &Postkey) -> Logins {
    Logins {
        base: postkey.projection.clone(),
        path: "/v1/auth/verify".to_owned(),
        headers: postkey.tokens.webmail(),
        population: POPULATION,
        from: 0,
        users: 2,
        again: true,
        judged: false,
        in_flight: 2,
        per_second: Some(100.0),
        timing: Timing { warm_up: 0.1, seconds: 0.5 },
    }
}

fn verdicts(job: &Job) -> Verdicts {
    let said = said_by(job);
    serde_json::from_str(said.lines().last().unwrap().strip_prefix("end ").unwrap()).unwrap()
}

#[tokio::test]
async fn logins_that_are_repeated_sign_in_again_and_again_and_the_echo_answers_their_bodies() {
    let folder = tempfile::tempdir().unwrap();
    let postkey = seeded(folder.path()).await;
    postkey.caught_up(ENTRIES).await.unwrap();
    postkey.ready().await.unwrap();
    let again = again(&postkey);
    let mut echo = Command::new(env!("CARGO_BIN_EXE_load")).arg("echo").stdout(Stdio::piped()).spawn().unwrap();
    let mut base = String::new();
    BufReader::new(echo.stdout.take().unwrap()).read_line(&mut base).unwrap();
    let echoed = Logins { base: base.trim().to_owned(), path: "/echo".to_owned(), ..again.clone() };
    for job in [Job::Logins(again), Job::Echoes(echoed.clone())] {
        let said = said_by(&job);
        let tally: Tally = serde_json::from_str(said.lines().last().unwrap().strip_prefix("end ").unwrap()).unwrap();
        assert!(tally.operations > 0 && tally.failures.is_empty(), "{said}");
    }
    // The echo lets everybody in, as nobody.
    let verdicts = verdicts(&Job::Logins(Logins { judged: true, ..echoed }));
    assert!(verdicts.wrong > 0 && verdicts.taken + verdicts.refused == 0, "{verdicts:?}");
    echo.kill().unwrap();
    echo.wait().unwrap();
    postkey.stop().await;
}

#[tokio::test]
async fn logins_that_are_looked_at_are_judged_rightly() {
    let folder = tempfile::tempdir().unwrap();
    let postkey = seeded(folder.path()).await;
    postkey.caught_up(ENTRIES).await.unwrap();
    postkey.ready().await.unwrap();
    // The second of them comes with a wrong password, again and again.
    let verdicts = verdicts(&Job::Logins(Logins { judged: true, from: 8, ..again(&postkey) }));
    assert!(verdicts.taken > 0 && verdicts.refused > 0 && verdicts.wrong == 0, "{verdicts:?}");
    postkey.stop().await;
}

#[tokio::test]
async fn users_are_told_of_as_they_stood_and_saves_are_held_by_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let postkey = seeded(folder.path()).await;
    postkey.caught_up(ENTRIES).await.unwrap();
    postkey.ready().await.unwrap();
    let moments = Job::Moments(Moments {
        base: postkey.projection.clone(),
        headers: postkey.tokens.auditor(),
        population: POPULATION,
        entries: ENTRIES,
        timing: Timing { warm_up: 0.0, seconds: 0.5 },
    });
    let checkpoints = Job::Checkpoints(Checkpoints {
        command: postkey.commands[0].clone(),
        headers: postkey.tokens.panel(),
        projection: postkey.projection.clone(),
        auditor: postkey.tokens.auditor(),
        population: POPULATION,
        round: 0,
        saves: 2,
    });
    for (job, operations) in [(moments, 1..u64::MAX), (checkpoints, 2..3)] {
        let said = said_by(&job);
        let [begin, over, end] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
        assert_eq!((begin, over), ("begin", "over"));
        let tally: Tally = serde_json::from_str(end.strip_prefix("end ").unwrap()).unwrap();
        assert!(operations.contains(&tally.operations) && tally.failures.is_empty(), "{said}");
    }
    postkey.stop().await;
}

#[tokio::test]
async fn the_load_edits_seeded_users_and_reports_every_position() {
    let folder = tempfile::tempdir().unwrap();
    let postkey = seeded(folder.path()).await;
    postkey.caught_up(ENTRIES).await.unwrap();
    postkey.ready().await.unwrap();
    let job = Job::Edits(Edits {
        commands: postkey.commands.clone(),
        headers: postkey.tokens.panel(),
        population: POPULATION,
        in_flight: 2,
        timing: Timing { warm_up: 0.1, seconds: 0.5 },
        visit: false,
        insist: true,
    });
    let said = said_by(&job);
    let [begin, over, end] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
    assert_eq!((begin, over), ("begin", "over"));
    let insisted: Insisted = serde_json::from_str(end.strip_prefix("end ").unwrap()).unwrap();
    let written = insisted.positions.len() as u64;
    assert!(written > 0, "{said}");
    let head = postkey.caught_up(ENTRIES + written).await.unwrap();
    assert_eq!(insisted.positions, (ENTRIES + 1..=head).collect::<Vec<_>>());
    assert_eq!(insisted.positions.len(), insisted.acknowledged_ms.len());
    assert!(!insisted.last_names.is_empty());
    postkey.stop().await;
}
