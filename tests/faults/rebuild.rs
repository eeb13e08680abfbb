//! The read model made anew from the log: by hand, while nobody serves, and by the services while they do.

use std::fs;

use serde_json::json;
use stage::{Finished, Folder, PASSWORD, Running, Scene, Stack, new_user, postkey, run, until, up};

async fn rebuilt(folder: &Folder) -> Finished {
    rebuilt_with(folder, &[]).await
}

async fn rebuilt_with(folder: &Folder, arguments: &[&str]) -> Finished {
    let mut call = postkey(["rebuild", "--data", folder.data().to_str().unwrap()]);
    call.args(arguments);
    run(call).await
}

#[tokio::test]
async fn a_rebuild_of_sound_rows_finds_no_difference_and_changes_nothing() {
    let scene = Scene::set().await;
    let bob = scene.added(&scene.service, &new_user("bob@acme.example")).await;
    scene.operator().delete(&scene.user(&bob)).await.is(200);
    let before = scene.queries().get(&scene.users()).await.is(200);
    let (head, stopped) = (scene.stack.head().await, scene.stopped().await);
    for _ in 0..2 {
        let finished = rebuilt(&stopped.folder).await.worked();
        assert!(finished.stdout.contains("as the log has them"), "{finished:#?}");
        assert!(finished.stdout.contains(&format!("position {head}")), "{finished:#?}");
    }
    let scene = stopped.up().await;
    assert_eq!(scene.queries().get(&scene.users()).await.is(200), before);
    scene.ann_signs_in(PASSWORD).await.is(200);
}

#[tokio::test]
async fn a_rebuild_names_the_row_that_was_changed_behind_our_back_and_makes_it_right() {
    let scene = Scene::set().await;
    let edit = json!({"last_name": "Vandermolen"});
    scene.operator().patch(&scene.ann(), &edit).await.receipt(200, &["UserEdited"]);
    let ann = scene.ann.clone();
    let stopped = scene.stopped().await;
    let mut bytes = stopped.folder.bytes("read-model.db");
    let places: Vec<_> = (0..bytes.len() - 11).filter(|at| bytes[*at..].starts_with(b"Vandermolen")).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at + 10] = b'x';
    }
    fs::write(stopped.folder.file("read-model.db"), bytes).unwrap();
    let line = rebuilt(&stopped.folder).await.failed_in_one_line();
    assert!(line.contains(&format!("user {ann}")) && line.contains("--accept-differences"), "{line}");
    assert!(!line.contains("andermole"), "no value: {line}");
    let finished = rebuilt_with(&stopped.folder, &["--accept-differences"]).await.worked();
    assert!(finished.stdout.contains(&format!("user {ann}")), "{finished:#?}");
    assert!(
        !finished.stdout.contains("andermole") && !finished.stderr.contains("andermole"),
        "no value: {finished:#?}"
    );
    assert_eq!(stopped.up().await.ann_now().await["last_name"], "Vandermolen");
}

#[tokio::test]
async fn a_folder_whose_services_run_is_rebuilt_by_them() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    let finished = rebuilt(&scene.folder).await.worked();
    assert!(finished.stdout.contains("as the log has them"), "{finished:#?}");
    assert!(finished.stdout.contains(&format!("position {head}")), "{finished:#?}");
    let state = scene.queries().get("/v1/rebuild").await.is(200);
    assert_eq!((state["state"].as_str(), state["position"].as_u64()), (Some("swapped"), Some(head)), "{state}");
    scene.ann_signs_in(PASSWORD).await.is(200);
    // Where they do not say where they listen, nobody can ask them.
    fs::remove_file(scene.folder.file("endpoints.json")).unwrap();
    let line = rebuilt(&scene.folder).await.failed_in_one_line();
    assert!(line.contains("in use") && line.contains("--projection-url"), "{line}");
}

#[tokio::test]
async fn a_start_with_rows_that_cannot_be_read_says_what_to_do_and_doing_so_helps() {
    let folder = Scene::set().await.stopped().await.folder;
    let sound = folder.bytes("read-model.db");
    let half = [&sound[..sound.len() / 2], &vec![0xa5; sound.len() / 2]].concat();
    for damaged in [b"this is a shopping list\n".repeat(1_000), half, sound[..sound.len() / 2].to_vec()] {
        folder.remove_database("read-model.db");
        fs::write(folder.file("read-model.db"), &damaged).unwrap();
        let process = Running::start(up(&folder.data(), &[]), &folder.beside("."));
        match Stack::started(process, &folder.data()).await {
            Err(finished) => {
                let line = finished.failed_in_one_line();
                assert!(line.contains("postkey rebuild"), "{line}");
            }
            Ok(stack) => {
                let login = stack.login("ann@acme.example", PASSWORD).await;
                assert_eq!(login.status, 503, "{login:?}");
                let health = until("health is red", async || {
                    Some(stack.projection().get("/healthz").await).filter(|health| health.status == 503)
                })
                .await;
                assert!(health.text.contains("postkey rebuild"), "{health:?}");
                stack.stop().await;
            }
        }
        rebuilt(&folder).await.worked();
        let stack = Stack::up(&folder).await;
        stack.login("ann@acme.example", PASSWORD).await.is(200);
        stack.stop().await;
    }
}

#[tokio::test]
async fn a_rebuild_that_is_killed_leaves_the_rows_as_they_were() {
    let mut scene = Scene::set().await;
    for n in 0..3 {
        scene.queries().post("/v1/rebuild", &json!({})).await.is(202);
        let edit = json!({"last_name": format!("Lee{n}")});
        scene.operator().patch(&scene.ann(), &edit).await.is(200);
        let Scene { stack, folder, .. } = &mut scene;
        stack.processes().iter_mut().for_each(Running::kill);
        *stack = Stack::up(folder).await;
        scene.ann_signs_in(PASSWORD).await.is(200);
        assert_eq!(scene.ann_now().await["last_name"], format!("Lee{n}"));
        assert_eq!(scene.rebuilt(false).await["state"], "swapped");
    }
}
