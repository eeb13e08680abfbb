//! The activity log is away: nobody waits for it, and it tells what it lacks.

use serde_json::json;
use stage::{PASSWORD, Scene, until};

#[tokio::test]
async fn while_the_activity_log_can_not_be_written_all_goes_on_and_what_is_lost_is_counted_and_told() {
    let stopped = Scene::set().await.stopped().await;
    stopped.folder.remove_database("activity.db");
    std::fs::write(stopped.folder.file("activity.db"), "another program's".repeat(1_000)).unwrap();
    let scene = stopped.up().await;
    let services = [scene.stack.command(), scene.stack.projection()];
    for api in services {
        api.says("activity", "activity.db").await;
        let health = api.get("/healthz").await.is(200);
        assert_eq!(health["status"], "yellow", "it is worth a look, and serves");
    }
    scene.operator().patch(&scene.ann(), &json!({"password": "qwx"})).await.problem(422, "weak_password");
    scene
        .operator()
        .patch(&scene.ann(), &json!({"password": "Tundra-58-quiver"}))
        .await
        .receipt(200, &["PasswordChanged"]);
    scene.ann_signs_in("Tundra-58-quiver").await.is(200);
    scene.ann_signs_in(PASSWORD).await.problem(401, "invalid_credentials");
    scene.queries().get("/v1/audit/activity").await.problem(503, "activity_unavailable");
    until("what is lost is counted", async || {
        let lost = services[1].get("/metrics").await.metric("postkey_activity_dropped_total", &[]);
        (lost >= Some(3.0)).then_some(())
    })
    .await;

    // Out of the way: another one is made, without a restart.
    std::fs::remove_file(scene.folder.file("activity.db")).unwrap();
    for api in services {
        api.is_well().await;
    }
    scene.ann_signs_in(PASSWORD).await.problem(401, "invalid_credentials");
    until("the next record tells how many are missing", async || {
        let kept = scene.queries().get("/v1/audit/activity?kind=sign_in").await.is(200);
        let told: u64 = kept["activity"].as_array().unwrap().iter().map(|one| one["lost"].as_u64().unwrap()).sum();
        (told >= 3).then_some(())
    })
    .await;
}
