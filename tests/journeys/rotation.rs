//! Master keys are replaced, beside services that run: nobody notices, and what was destroyed stays so.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stage::{Finished, PASSWORD, Scene, run, until};

const OTHER: &str = "Tundra-58-quiver";

async fn rotated(scene: &Scene, arguments: &[&str]) -> Finished {
    let mut command = scene.rotate_keys();
    command.args(arguments);
    run(command).await
}

/// The keyring, as whoever holds the file reads it.
fn keyring(scene: &Scene) -> Value {
    serde_json::from_slice(&scene.folder.bytes("keyring")).unwrap()
}

fn count(keyring: &Value, list: &str) -> usize {
    keyring[list].as_array().unwrap().len()
}

/// As if the keyring had been replaced an hour ago.
fn settle(scene: &Scene) {
    let file = File::options().append(true).open(scene.folder.file("keyring")).unwrap();
    let replaced = file.metadata().unwrap().modified().unwrap();
    file.set_modified(replaced - Duration::from_secs(3_600)).unwrap();
}

#[tokio::test]
async fn master_keys_are_replaced_while_passwords_change_and_people_sign_in() {
    let scene = Scene::set().await;
    let (over, changes) = (AtomicBool::new(false), AtomicUsize::new(0));
    let work = async {
        for n in 0.. {
            let password = format!("{OTHER}-{n}");
            let body = json!({"password": password});
            scene.operator().put(&format!("{}/password", scene.ann()), &body).await.receipt(200, &["PasswordChanged"]);
            scene.ann_signs_in(&password).await.is(200);
            changes.fetch_add(1, Ordering::SeqCst);
            if over.load(Ordering::SeqCst) {
                return password;
            }
        }
        unreachable!("there is no last number")
    };
    let rotate = async {
        for _ in 0..3 {
            let before = changes.load(Ordering::SeqCst);
            rotated(&scene, &[]).await.worked();
            let after = || changes.load(Ordering::SeqCst);
            until("work goes on", async || (after() > before + 2).then_some(())).await;
        }
        over.store(true, Ordering::SeqCst);
    };
    let (password, ()) = tokio::join!(work, rotate);
    assert_eq!((count(&keyring(&scene), "wrapping"), count(&keyring(&scene), "mac")), (4, 4));
    assert_eq!(scene.master_keys().await, 1, "no key is wrapped by one of before");
    for service in [scene.stack.command(), scene.stack.projection()] {
        service.is_well().await;
    }
    let early = rotated(&scene, &["--drop-old"]).await.failed_in_one_line();
    assert!(early.contains("minute"), "{early}");
    settle(&scene);
    rotated(&scene, &["--drop-old"]).await.worked();
    assert_eq!((count(&keyring(&scene), "wrapping"), count(&keyring(&scene), "mac")), (1, 4));
    scene.ann_signs_in(&password).await.is(200);
    let edit = json!({"first_name": "Anna", "password": PASSWORD});
    scene.operator().patch(&scene.ann(), &edit).await.receipt(200, &["UserEdited", "PasswordChanged"]);
    let scene = scene.restarted().await;
    scene.ann_signs_in(PASSWORD).await.is(200);
    assert_eq!(scene.ann_now().await["first_name"], "Anna");
    // What was written under the first keys is read by the last.
    let mut command = scene.audit("show");
    command.args(["--user", "ann@acme.example", "--json"]);
    let shown = run(command).await.worked().stdout;
    assert!(shown.contains("ann@acme.example") && shown.contains("UserAdded"), "{shown}");
}

#[tokio::test]
async fn an_erased_user_is_erased_also_after_master_keys_were_replaced() {
    let scene = Scene::set().await;
    let operator = scene.operator().with("prefer", "wait=30");
    operator.delete(&scene.ann()).await.receipt(200, &["UserRemoved"]);
    operator.post_nothing(&format!("{}/erase", scene.ann())).await.receipt(200, &["UserErased"]);
    let before = scene.keys().await;
    rotated(&scene, &[]).await.worked();
    assert_eq!(scene.keys().await, before);
    settle(&scene);
    rotated(&scene, &["--drop-old"]).await.worked();
    assert_eq!(scene.keys().await, before);
    let mut command = scene.audit("show");
    command.args(["--user", &scene.ann]);
    let shown = run(command).await.worked().stdout;
    assert!(shown.contains("erased") && !shown.contains("ann@"), "{shown}");
}

#[tokio::test]
async fn keys_are_prepared_before_they_are_used_and_only_what_is_unused_is_dropped() {
    let scene = Scene::set().await;
    rotated(&scene, &["--prepare"]).await.worked();
    let prepared = keyring(&scene);
    rotated(&scene, &["--prepare"]).await.worked();
    assert_eq!(keyring(&scene), prepared, "once");
    let body = json!({"password": OTHER});
    scene.operator().put(&format!("{}/password", scene.ann()), &body).await.receipt(200, &["PasswordChanged"]);
    assert_eq!(scene.master_keys().await, 1);
    let nothing = rotated(&scene, &["--drop-old"]).await.worked().stdout;
    assert!(nothing.contains("no master keys of before"), "{nothing}");
    rotated(&scene, &[]).await.worked();
    let now = keyring(&scene);
    assert_eq!((&now["wrapping"][0], &now["mac"][0]), (&prepared["next"]["wrapping"], &prepared["next"]["mac"]));
    assert_eq!((&now["wrapping"][1], &now["next"]), (&prepared["wrapping"][0], &json!(null)));
    scene.ann_signs_in(OTHER).await.is(200);
    let both = rotated(&scene, &["--prepare", "--drop-old"]).await;
    assert_eq!(both.code, Some(2));
}
