//! Services that are killed between two steps of one piece of work: held there by the test, so that it is known where they
//! were.

use reqwest::Method;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use stage::{Answer, Api, Folder, Scene, Separate, run, until};

use crate::weather::Weather;

/// Both projections stand still, so that a change that was appended waits for its answer: then its command service is
/// killed. Asked again with the same keys, the other one answers where each stands.
#[tokio::test]
async fn a_command_service_is_killed_between_append_and_answer() {
    let folder = Folder::new();
    let separate = Separate::on_servers(&folder).await;
    let mut services = separate.several(2, 2).await;
    let scene = Scene::on(services.stack(), folder).await;
    let path = scene.ann();
    for round in 0..3 {
        let [survives, dies] = [0, 1].map(|number| services.commands()[number].with("prefer", "wait=30"));
        // It has heard of a projection before they stand still.
        edited(&dies, &path, &format!("round-{round}")).await.unwrap().receipt(200, &["UserEdited"]);
        let before = head(&separate).await;
        services.projections.iter().for_each(|seat| seat.process.pause());
        let keys: Vec<_> = (0..4).map(|number| format!("round-{round}-edit-{number}")).collect();
        let mut asked = tokio::task::JoinSet::new();
        for key in keys.clone() {
            let (api, path) = (dies.clone(), path.clone());
            asked.spawn(async move { edited(&api, &path, &key).await });
        }
        until("all are appended", async || (head(&separate).await == before + 4).then_some(())).await;
        services.commands[1].process.kill();
        services.commands[1].api().is_away().await;
        while let Some(answer) = asked.join_next().await {
            assert!(answer.unwrap().is_err(), "none was answered");
        }
        // Nobody puts anything in force now, and the other one says so.
        let soon = survives.with("prefer", "wait=1");
        let late = edited(&soon, &path, &keys[0]).await.unwrap().receipt(202, &["UserEdited"]);
        assert_eq!(late["repeated"], true, "{late}");
        services.commands[0].api().says("projection", "was not applied within").await;
        services.projections.iter().for_each(|seat| seat.process.resume());
        let mut positions = Vec::new();
        for key in keys {
            let again = edited(&survives, &path, &key).await.unwrap().receipt(200, &["UserEdited"]);
            assert_eq!(again["repeated"], true, "the one that was killed had appended it: {again}");
            positions.push(again["position"].as_u64().unwrap());
        }
        positions.sort_unstable();
        assert!(positions.iter().copied().eq(before + 1..=before + 4), "each once: {positions:?} after {before}");
        assert_eq!(head(&separate).await, before + 4);
        services.command_again(1).await;
        services.are_well().await;
    }
}

/// Changes a name to the key that it is asked with.
async fn edited(api: &Api, path: &str, key: &str) -> reqwest::Result<Answer> {
    let edit = json!({"first_name": key});
    api.with("idempotency-key", key).try_to_send(Method::PATCH, path, Some(&edit)).await
}

/// Where the log ends, by what `postkey nats show` says.
async fn head(separate: &Separate) -> u64 {
    let shown = run(separate.nats_show()).await.worked().stdout;
    shown.lines().find_map(|line| line.strip_prefix("head")).unwrap().trim().parse().unwrap()
}

/// What becomes of a batch whose sender is gone: the database commits it, and nobody hears of that; or it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Batch {
    Committed,
    RolledBack,
}

/// Somebody holds the row of the applied position, so that the batch that moves it is under way, in the database, when both
/// are killed.
#[tokio::test]
async fn both_projections_are_killed_within_a_batch() {
    let folder = Folder::new();
    let separate = Separate::on_servers(&folder).await;
    let mut weather = Weather::fair(separate.several(2, 2).await).await;
    for becomes in [Batch::Committed, Batch::RolledBack, Batch::Committed] {
        are_killed_within_a_batch(&separate, &mut weather, becomes).await;
        for number in [0, 1] {
            weather.services.projection_again(number).await;
        }
        weather.work_goes_on().await;
        weather.services.are_well().await;
    }
    weather.clears().await;
    let rebuilt = run(separate.rebuild()).await.worked();
    assert!(rebuilt.stdout.contains("the old rows were as the log has them"), "{rebuilt:#?}");
}

async fn are_killed_within_a_batch(separate: &Separate, weather: &mut Weather, becomes: Batch) {
    let mut holder = PgConnection::connect(separate.read_model()).await.unwrap();
    let mut eye = PgConnection::connect(separate.read_model()).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    let before = asked(&mut held, "SELECT position FROM generation WHERE live FOR UPDATE").await;
    let batches = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'postkey projector'";
    let waiting = format!("{batches} AND wait_event_type = 'Lock'");
    until("a batch is under way", async || {
        (asked(&mut eye, &format!("SELECT count(*) {waiting}")).await > 0).then_some(())
    })
    .await;
    for seat in &mut weather.services.projections {
        seat.process.kill();
        seat.api().is_away().await;
    }
    let orphans = match becomes {
        Batch::Committed => asked(&mut eye, &format!("SELECT count(*) {waiting}")).await,
        Batch::RolledBack => asked(&mut eye, &format!("SELECT count(pg_terminate_backend(pid)) {waiting}")).await,
    };
    assert!(orphans > 0, "it was still under way when they were gone");
    held.rollback().await.unwrap();
    until("nothing is under way any more", async || {
        (asked(&mut eye, &format!("SELECT count(*) {batches}")).await == 0).then_some(())
    })
    .await;
    let after = asked(&mut eye, "SELECT position FROM generation WHERE live").await;
    assert_eq!(after > before, becomes == Batch::Committed, "{becomes:?}: from {before} to {after}");
    for seat in &weather.services.commands {
        seat.api().says("projection", "changes are stored, and answered 202").await;
    }
}

/// One number.
async fn asked(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap()
}
