//! The activity log's database is away, and nothing else is.

use serde_json::json;
use servers::Postgres;
use stage::{Folder, PASSWORD, Scene, Separate, until};

#[tokio::test]
async fn while_the_activity_logs_database_is_away_all_goes_on_and_what_is_lost_is_counted_and_told() {
    let folder = Folder::new();
    let separate = Separate::on_servers(&folder).await;
    let (postgres, database) = (Postgres::shared(), separate.activity_database().to_owned());
    let scene = Scene::on(separate.start().await, folder).await;
    let services = [scene.stack.command(), scene.stack.projection()];
    let open = |open: bool| {
        let others = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'");
        postgres.psql("postgres", &format!("ALTER DATABASE {database} ALLOW_CONNECTIONS {open}"));
        postgres.psql("postgres", &others);
    };
    open(false);
    scene.operator().patch(&scene.ann(), &json!({"password": "qwx"})).await.problem(422, "weak_password");
    scene
        .operator()
        .patch(&scene.ann(), &json!({"password": "Tundra-58-quiver"}))
        .await
        .receipt(200, &["PasswordChanged"]);
    scene.ann_signs_in("Tundra-58-quiver").await.is(200);
    scene.ann_signs_in(PASSWORD).await.problem(401, "invalid_credentials");
    for api in services {
        api.says("activity", "is lost").await;
        assert_eq!(api.get("/healthz").await.is(200)["status"], "yellow", "it is worth a look, and serves");
        let lost = api.get("/metrics").await.metric("postkey_activity_dropped_total", &[]);
        assert!(lost >= Some(1.0), "{lost:?}");
    }
    scene.queries().get("/v1/audit/activity").await.problem(503, "activity_unavailable");

    open(true);
    for api in services {
        api.is_well().await;
    }
    scene.ann_signs_in(PASSWORD).await.problem(401, "invalid_credentials");
    until("the next record tells how many are missing", async || {
        let kept = scene.queries().get("/v1/audit/activity?kind=sign_in").await.is(200);
        let last = kept["activity"].as_array().unwrap().last().cloned()?;
        (last["lost"].as_u64().unwrap() >= 2).then_some(())
    })
    .await;
}
