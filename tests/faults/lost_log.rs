//! A log that is older than what was made from it, another one, or gone: nothing is appended, for it would fork history.

use std::fs;

use serde_json::json;
use stage::{Folder, MIB, PASSWORD, Scene, Separate, Stopped, new_user, run, until, up};

async fn changes_her_password(scene: &Scene) {
    let path = format!("{}/password", scene.ann());
    scene.operator().put(&path, &json!({"password": "Tundra-58-quiver"})).await.receipt(200, &["PasswordChanged"]);
}

/// Replaces a SQLite file by an older copy.
fn put_back(folder: &Folder, name: &str, older: &[u8]) {
    folder.remove_database(name);
    fs::write(folder.file(name), older).unwrap();
}

async fn is_refused(scene: Scene, older: &[u8]) -> Stopped {
    let edit = scene.operator().patch(&scene.ann(), &json!({"first_name": "Annie"})).await;
    edit.problem(503, "log_corrupt");
    let plan = json!({"mailboxes": 1, "pool_bytes": MIB});
    let provision = json!({"domain": "new.example", "customer": "acme", "plan": plan});
    scene.operator().post("/v1/services", &provision).await.problem(503, "log_corrupt");
    for service in [scene.stack.command(), scene.stack.projection()] {
        until("health is red", async || (service.get("/healthz").await.status == 503).then_some(())).await;
        let health = service.get("/healthz").await;
        assert!(health.text.contains("restore"), "it says what to do: {health:?}");
    }
    let answer = scene.ann_signs_in(PASSWORD).await;
    assert!(matches!(answer.status, 401 | 503), "an old password does not live again with an old log: {answer:?}");
    let stopped = scene.stopped().await;
    assert_eq!(stopped.folder.bytes("log.db"), older, "nothing was appended");
    stopped
}

#[tokio::test]
async fn a_log_that_was_rolled_back_is_not_appended_to() {
    let stopped = Scene::set().await.stopped().await;
    let older = stopped.folder.bytes("log.db");
    let scene = stopped.up().await;
    changes_her_password(&scene).await;
    let mut stopped = scene.stopped().await;
    put_back(&stopped.folder, "log.db", &older);
    // More than once: the first request may come before or after the services have heard from each other.
    for _ in 0..5 {
        stopped = is_refused(stopped.listening().await, &older).await;
    }
}

#[tokio::test]
async fn a_log_of_another_folder_is_refused() {
    let (ours, theirs) = (Scene::set().await.stopped().await.folder, Scene::set().await.stopped().await.folder);
    put_back(&ours, "log.db", &theirs.bytes("log.db"));
    let line = run(up(&ours.data(), &[])).await.failed_in_one_line();
    assert!(line.contains("log"), "{line}");
    assert_eq!(ours.bytes("log.db"), theirs.bytes("log.db"));
}

#[tokio::test]
async fn a_log_that_is_gone_is_said_and_none_is_made_in_its_place() {
    let folder = Scene::set().await.stopped().await.folder;
    folder.remove_database("log.db");
    let line = run(up(&folder.data(), &[])).await.failed_in_one_line();
    assert!(line.contains("log.db") && line.contains("restore"), "{line}");
    assert!(!folder.file("log.db").exists());
}

#[tokio::test]
async fn separate_services_refuse_a_log_that_was_rolled_back_too() {
    let folder = Folder::new();
    let separate = Separate::init(&folder).await;
    let stopped = Scene::on(separate.start().await, folder).await.stopped().await;
    let older = stopped.folder.bytes("log.db");
    let scene = stopped.on(separate.start().await);
    changes_her_password(&scene).await;
    let stopped = scene.stopped().await;
    put_back(&stopped.folder, "log.db", &older);
    is_refused(stopped.on(separate.start_unready().await), &older).await;
}

#[tokio::test]
async fn a_read_model_that_is_lost_or_older_than_the_log_is_caught_up_by_itself() {
    let stopped = Scene::set().await.stopped().await;
    let older = stopped.folder.bytes("read-model.db");
    let scene = stopped.up().await;
    changes_her_password(&scene).await;
    scene.added(&scene.service, &new_user("bob@acme.example")).await;
    let now = scene.queries().get(&scene.users()).await.is(200);
    let mut stopped = scene.stopped().await;
    put_back(&stopped.folder, "read-model.db", &older);
    for _ in 0..2 {
        let scene = stopped.up().await;
        scene.ann_signs_in("Tundra-58-quiver").await.is(200);
        scene.ann_signs_in(PASSWORD).await.problem(401, "invalid_credentials");
        assert_eq!(scene.queries().get(&scene.users()).await.is(200), now);
        stopped = scene.stopped().await;
        stopped.folder.remove_database("read-model.db");
    }
}
