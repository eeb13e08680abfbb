//! Keys that could not be destroyed at once, and keys that came back: destroyed forward, whatever happened in between.

use std::fs;

use serde_json::json;
use stage::{Folder, HeldKeys, PASSWORD, Scene, Stack, StoredKeys, new_user, postkey, run, until};

async fn destroyed(folder: &Folder, keys: i64) {
    let there = async || (StoredKeys::in_folder(folder).await.destroyed == keys).then_some(());
    until("they are destroyed", there).await;
}

/// Killed after the entry is applied and before its keys are destroyed: a lock of ours keeps it between the two.
#[tokio::test]
async fn a_service_that_is_killed_before_it_has_destroyed_does_so_at_its_next_start() {
    let scene = Scene::set().await;
    scene.operator().delete(&scene.ann()).await.receipt(200, &["UserRemoved"]);
    scene.destroyed(1).await;
    let held = HeldKeys::of(&scene.folder).await;
    let erase = format!("{}/erase", scene.ann());
    let keyed = |stack: &Stack| stack.commands_as("operator").with("idempotency-key", "erase");
    let late = keyed(&scene.stack).with("prefer", "wait=1").post_nothing(&erase).await.receipt(202, &["UserErased"]);
    assert_eq!((&late["effective"], &late["effective_at"]), (&json!(false), &json!(null)));
    // Nobody finds her any more, but her name could still be opened.
    scene.queries().get(&scene.ann()).await.problem(404, "not_found");
    scene.stack.projection().is_in("destruction", "yellow", "not destroyed yet").await;
    let Scene { stack, folder, .. } = scene;
    stack.kill();
    held.let_go().await;
    assert_eq!(StoredKeys::in_folder(&folder).await, StoredKeys { here: 2, destroyed: 1 });

    let stack = Stack::up(&folder).await;
    let again = keyed(&stack).with("prefer", "wait=30").post_nothing(&erase).await.receipt(200, &["UserErased"]);
    assert_eq!((&again["repeated"], &again["position"]), (&json!(true), &late["position"]));
    assert_eq!(StoredKeys::in_folder(&folder).await, StoredKeys { here: 1, destroyed: 2 });
    stack.projection().is_well().await;
}

/// No key was made since the copy, so that the store still belongs to the log.
#[tokio::test]
async fn keys_that_come_back_with_a_backup_are_destroyed_again() {
    let scene = Scene::set().await;
    let bob = scene.added(&scene.service, &new_user("bob@acme.example")).await;
    let stopped = scene.stopped().await;
    let older = stopped.folder.bytes("keys.db");
    let scene = stopped.up().await;
    let bob = scene.user(&bob);
    scene.operator().delete(&bob).await.receipt(200, &["UserRemoved"]);
    let operator = scene.operator().with("prefer", "wait=30");
    operator.post_nothing(&format!("{bob}/erase")).await.receipt(200, &["UserErased"]);
    assert_eq!(scene.keys().await, StoredKeys { here: 3, destroyed: 2 });
    let stopped = scene.stopped().await;
    fs::write(stopped.folder.file("keys.db"), &older).unwrap();
    assert_eq!(StoredKeys::in_folder(&stopped.folder).await, StoredKeys { here: 5, destroyed: 0 });

    let scene = stopped.up().await;
    scene.destroyed(2).await;
    assert_eq!(scene.keys().await, StoredKeys { here: 3, destroyed: 2 });
    scene.queries().get(&bob).await.problem(404, "not_found");
    scene.ann_signs_in(PASSWORD).await.is(200);
    scene.added(&scene.service, &new_user("bob@acme.example")).await;
}

#[tokio::test]
async fn a_rebuild_after_erasures_finds_no_difference() {
    let scene = Scene::set().await;
    let operator = scene.operator().with("prefer", "wait=30");
    for local in ["bob", "cem", "bob"] {
        let user = scene.user(&scene.added(&scene.service, &new_user(&format!("{local}@acme.example"))).await);
        operator.patch(&user, &json!({"first_name": "Zoë", "password": "Tundra-58-quiver"})).await.is(200);
        operator.delete(&user).await.is(200);
        operator.post_nothing(&format!("{user}/erase")).await.receipt(200, &["UserErased"]);
    }
    let stays = scene.added(&scene.service, &new_user("bob@acme.example")).await;
    let before = scene.queries().get(&scene.users()).await.is(200);
    let stopped = scene.stopped().await;
    let data = stopped.folder.data();
    let data = data.to_str().unwrap();
    let finished = run(postkey(["rebuild", "--data", data])).await.worked();
    assert!(finished.stdout.contains("as the log has them"), "{finished:#?}");
    // From nothing, too.
    stopped.folder.remove_database("read-model.db");
    let scene = stopped.up().await;
    scene.stack.caught_up().await;
    assert_eq!(scene.queries().get(&scene.users()).await.is(200), before);
    assert_eq!(scene.stack.login("bob@acme.example", PASSWORD).await.is(200)["user"], json!(stays));
}

/// The copy's target has the same bytes, and the same keys are destroyed.
#[tokio::test]
async fn a_log_that_moves_takes_what_is_erased_with_it_as_it_is() {
    let scene = Scene::set().await;
    let operator = scene.operator().with("prefer", "wait=30");
    operator.delete(&scene.ann()).await.is(200);
    operator.post_nothing(&format!("{}/erase", scene.ann())).await.receipt(200, &["UserErased"]);
    scene.added(&scene.service, &new_user("ann@acme.example")).await;
    let head = scene.stack.head().await;
    let folder = scene.stopped().await.folder;
    let url = |name: &str| format!("sqlite:{}", folder.file(name).display());
    run(postkey(["copy", "--from", &url("log.db"), "--to", &url("copy.db")])).await.worked();
    folder.remove_database("log.db");
    for name in ["copy.db", "copy.db-wal"] {
        if folder.file(name).exists() {
            fs::rename(folder.file(name), folder.file(name.replace("copy", "log"))).unwrap();
        }
    }
    folder.remove_database("read-model.db");
    let stack = Stack::up(&folder).await;
    assert_eq!(stack.head().await, head);
    stack.login("ann@acme.example", PASSWORD).await.is(200);
    destroyed(&folder, 2).await;
    stack.projection().is_well().await;
}
