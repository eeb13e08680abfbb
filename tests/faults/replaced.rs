//! Files deleted, replaced or swapped by a tired hand: nothing is acknowledged into a file that is no longer there.

use std::fs;

use serde_json::json;
use stage::{PASSWORD, Running, Scene, Stack, run, until, up};

#[tokio::test]
async fn a_log_that_is_deleted_under_a_running_service_takes_nothing_more() {
    for lost in ["log.db", "log.db-wal"] {
        let scene = Scene::set().await;
        fs::rename(scene.folder.file(lost), scene.folder.beside("elsewhere")).unwrap();
        let edit = scene.operator().patch(&scene.ann(), &json!({"first_name": "Annie"})).await;
        edit.problem(503, "log_corrupt");
        for service in [scene.stack.command(), scene.stack.projection()] {
            until("health is red", async || (service.get("/healthz").await.status == 503).then_some(())).await;
        }
        // One of them has seen it first; the other may only have heard of it.
        let said =
            [scene.stack.command().get("/healthz").await.text, scene.stack.projection().get("/healthz").await.text];
        assert!(said.iter().any(|said| said.contains("deleted or replaced")), "{said:?}");
        scene.ann_signs_in(PASSWORD).await.problem(503, "log_corrupt");

        // Put back before the restart, nothing that was answered is lost.
        let Scene { stack, folder, .. } = scene;
        stack.kill();
        fs::rename(folder.beside("elsewhere"), folder.file(lost)).unwrap();
        let stack = Stack::up(&folder).await;
        stack.login("ann@acme.example", PASSWORD).await.is(200);
    }
}

#[tokio::test]
async fn a_key_store_that_is_emptied_older_or_anothers_is_refused_at_the_start() {
    let stopped = Scene::set().await.stopped().await;
    let older = stopped.folder.bytes("keys.db");
    let scene = stopped.up().await;
    let password = format!("{}/password", scene.ann());
    scene.operator().put(&password, &json!({"password": "Tundra-58-quiver"})).await.receipt(200, &["PasswordChanged"]);
    let stopped = scene.stopped().await;
    let sound = stopped.folder.bytes("keys.db");
    let anothers = Scene::set().await.stopped().await.folder.bytes("keys.db");
    for wrong in [Vec::new(), older, anothers] {
        fs::write(stopped.folder.file("keys.db"), &wrong).unwrap();
        let line = run(up(&stopped.folder.data(), &[])).await.failed_in_one_line();
        assert!(line.contains("key") && line.contains("restore"), "{line}");
    }
    fs::write(stopped.folder.file("keys.db"), sound).unwrap();
    stopped.up().await.ann_signs_in("Tundra-58-quiver").await.is(200);
}

#[tokio::test]
async fn a_log_line_that_cannot_be_written_ends_nothing() {
    let scene = Scene::set().await.stopped().await;
    let mut command = std::process::Command::new("bash");
    let postkey = up(&scene.folder.data(), &[]);
    let words = std::iter::once(postkey.get_program()).chain(postkey.get_args());
    command.arg("-c").arg("exec \"$@\" 2>/dev/full").arg("bash").args(words);
    let process = Running::start(command, &scene.folder.beside("."));
    let stack = Stack::started(process, &scene.folder.data()).await.unwrap();
    stack.ready().await;
    stack.projection().get("/nowhere").await.problem(404, "not_found");
    stack.login("ann@acme.example", PASSWORD).await.is(200);
    stack.stop().await;
}
