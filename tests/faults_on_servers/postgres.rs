//! PostgreSQL, and what becomes of it: both the read model and the keys lie there.

use std::time::Instant;

use serde_json::json;
use servers::{Nats, Postgres};
use stage::{Folder, PASSWORD, Scene, Separate, Several};

use crate::weather::Weather;

/// Every service says what it misses.
async fn is_missed(services: &Several) {
    for seat in &services.commands {
        seat.api().says("keys", "PostgreSQL").await;
    }
    for seat in &services.projections {
        seat.api().says("projector", "PostgreSQL").await;
    }
}

#[tokio::test]
async fn it_is_killed_and_comes_back() {
    let (folder, mut postgres) = (Folder::new(), Postgres::start());
    let nats = Nats::shared();
    let separate = Separate::at(&folder, &nats.account(), &nats.monitor_url(), &postgres).await;
    let weather = Weather::fair(separate.several(2, 2).await).await;
    for _ in 0..2 {
        postgres.kill();
        is_missed(&weather.services).await;
        // Of nobody whose row was read since the last change: such a one is signed in all the same.
        let login = weather.stack.login("elsewhere@acme.example", "whatever").await;
        login.problem(503, "read_model_unavailable");
        postgres.start_again();
        weather.work_resumes(Instant::now()).await;
    }
    weather.clears().await;
}

#[tokio::test]
async fn it_stands_still_for_a_while() {
    let (folder, postgres) = (Folder::new(), Postgres::start());
    let nats = Nats::shared();
    let separate = Separate::at(&folder, &nats.account(), &nats.monitor_url(), &postgres).await;
    let weather = Weather::fair(separate.several(1, 2).await).await;
    postgres.pause();
    is_missed(&weather.services).await;
    postgres.resume();
    weather.clears().await;
}

/// The database crashes right after a change was said to be in force, while the log can't be asked: projections go on
/// without it for a while, and must not do so on rows that went back.
#[tokio::test]
async fn a_crash_right_after_the_answer_brings_no_old_password_back_while_the_log_is_away() {
    let (mut nats, mut postgres) = (Nats::start(), Postgres::start());
    for round in 0..3 {
        let folder = Folder::new();
        let separate = Separate::at(&folder, &nats.account(), &nats.monitor_url(), &postgres).await;
        let services = separate.several(1, 2).await;
        let scene = Scene::on(services.stack(), folder).await;
        let ann_at = |place| {
            let origin = format!("192.0.2.{place}");
            json!({"address": "ann@acme.example", "password": PASSWORD, "origin": origin})
        };
        for webmail in services.webmails() {
            // Where she signed in, five failures are free.
            for place in 0..5 {
                webmail.post("/v1/auth/verify", &ann_at(place)).await.is(200);
            }
        }
        let path = format!("{}/password", scene.ann());
        let operator = scene.operator().with("prefer", "wait=30");
        let changed = operator.put(&path, &json!({"password": "Tundra-58-quiver"})).await;
        assert_eq!(changed.receipt(200, &["PasswordChanged"])["effective"], true);
        nats.pause();
        postgres.kill();
        postgres.start_again();
        for webmail in services.webmails() {
            // As soon as the database can be asked again, and for a while after.
            for attempt in 0..20 {
                let answer = webmail.post("/v1/auth/verify", &ann_at(attempt / 4)).await;
                assert!(matches!(answer.status, 401 | 503), "round {round}: the old password lives again: {answer:?}");
            }
        }
        services.all_say("nats", "NATS").await;
        nats.resume();
        services.are_well().await;
        scene.ann_signs_in("Tundra-58-quiver").await.is(200);
        nats.kill();
        nats.start_again();
    }
}

/// Logins met the outage, and nobody asks for one again: whoever routes by `/readyz` does not.
#[tokio::test]
async fn a_projection_that_was_asked_while_the_database_was_away_is_ready_again_by_itself() {
    let (folder, mut postgres) = (Folder::new(), Postgres::start());
    let nats = Nats::shared();
    let separate = Separate::at(&folder, &nats.account(), &nats.monitor_url(), &postgres).await;
    let services = separate.several(1, 2).await;
    let scene = Scene::on(services.stack(), folder).await;
    postgres.kill();
    for webmail in services.webmails() {
        let asked = json!({"address": "ann@acme.example", "password": PASSWORD});
        webmail.post("/v1/auth/verify", &asked).await.problem(503, "read_model_unavailable");
    }
    for seat in &services.projections {
        seat.api().says("read-model", "PostgreSQL").await;
    }
    postgres.start_again();
    services.are_well().await;
    scene.ann_signs_in(PASSWORD).await.is(200);
}
