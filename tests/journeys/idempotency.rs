//! A key names a command for ever: asked again, it is answered again, and done once.

use serde_json::{Value, json};
use stage::{Api, MIB, PASSWORD, Scene, new_user};

fn keyed(scene: &Scene, key: &str) -> Api {
    scene.operator().with("idempotency-key", key)
}

/// A receipt without what says that it is a repetition, and when it was seen to be in force.
fn essence(receipt: &Value) -> Value {
    let mut essence = receipt.clone();
    for field in ["repeated", "effective_at"] {
        essence.as_object_mut().unwrap().remove(field);
    }
    essence
}

#[tokio::test]
async fn a_repetition_is_answered_with_the_same_position_and_ids_and_done_once() {
    let scene = Scene::set().await;
    let bob = new_user("bob@acme.example");
    let answer = keyed(&scene, "add-bob").post(&scene.users(), &bob).await;
    assert_eq!(answer.header("idempotency-key"), "add-bob");
    let first = answer.receipt(201, &["UserAdded", "PasswordChanged"]);
    assert_eq!(first["repeated"], false);
    let head = scene.stack.head().await;
    for _ in 0..2 {
        let again = keyed(&scene, "add-bob").post(&scene.users(), &bob).await;
        let again = again.receipt(201, &["UserAdded", "PasswordChanged"]);
        assert_eq!(again["repeated"], true);
        assert_eq!(essence(&again), essence(&first));
    }
    assert_eq!(scene.stack.head().await, head);
}

#[tokio::test]
async fn a_repetition_is_recognised_after_other_commands_and_after_a_restart() {
    let mut scene = Scene::set().await;
    let change = json!({"password": "Tundra-58-quiver"});
    let path = format!("{}/password", scene.ann());
    let first = keyed(&scene, "k1").put(&path, &change).await.receipt(200, &["PasswordChanged"]);
    let plan = json!({"mailboxes": 11, "pool_bytes": 200 * MIB});
    let plan_path = format!("/v1/services/{}/plan", scene.service);
    let planned = keyed(&scene, "k2").put(&plan_path, &plan).await.receipt(200, &["PlanChanged"]);
    let later = keyed(&scene, "k3").put(&path, &json!({"password": "Marmot-77-lantern"})).await;
    later.receipt(200, &["PasswordChanged"]);
    keyed(&scene, "k4").put(&plan_path, &json!({"mailboxes": 12, "pool_bytes": 200 * MIB})).await.is(200);
    let head = scene.stack.head().await;
    for _ in 0..2 {
        let again = keyed(&scene, "k1").put(&path, &change).await.receipt(200, &["PasswordChanged"]);
        assert_eq!((essence(&again), &again["repeated"]), (essence(&first), &json!(true)));
        let again = keyed(&scene, "k2").put(&plan_path, &plan).await.receipt(200, &["PlanChanged"]);
        assert_eq!((essence(&again), &again["repeated"]), (essence(&planned), &json!(true)));
        assert_eq!(scene.stack.head().await, head);
        scene.ann_signs_in("Marmot-77-lantern").await.is(200);
        scene.ann_signs_in("Tundra-58-quiver").await.problem(401, "invalid_credentials");
        scene = scene.restarted().await;
    }
}

#[tokio::test]
async fn a_provisioning_is_repeated_too() {
    let scene = Scene::set().await;
    let plan = json!({"mailboxes": 1, "pool_bytes": MIB});
    let body = json!({"domain": "new.example", "customer": "acme", "plan": plan});
    let first = keyed(&scene, "p").post("/v1/services", &body).await.receipt(201, &["ServiceProvisioned"]);
    let again = keyed(&scene, "p").post("/v1/services", &body).await.receipt(201, &["ServiceProvisioned"]);
    assert_eq!((essence(&again), &again["repeated"]), (essence(&first), &json!(true)));
    scene.operator().post("/v1/services", &body).await.problem(409, "domain_taken");
}

#[tokio::test]
async fn another_request_with_the_same_key_is_refused() {
    let scene = Scene::set().await;
    let path = format!("{}/password", scene.ann());
    keyed(&scene, "k").put(&path, &json!({"password": "Tundra-58-quiver"})).await.receipt(200, &["PasswordChanged"]);
    let head = scene.stack.head().await;
    let mismatch = (422, "idempotency_mismatch");
    let api = keyed(&scene, "k");
    let other = json!({"password": "Marmot-77-lantern"});
    api.put(&path, &other).await.problem(mismatch.0, mismatch.1);
    api.patch(&scene.ann(), &other).await.problem(mismatch.0, mismatch.1);
    api.patch(&scene.ann(), &json!({"first_name": "Annie"})).await.problem(mismatch.0, mismatch.1);
    api.post_nothing(&format!("{}/suspend", scene.ann())).await.problem(mismatch.0, mismatch.1);
    api.post(&scene.users(), &new_user("bob@acme.example")).await.problem(mismatch.0, mismatch.1);
    assert_eq!(scene.stack.head().await, head);
    scene.ann_signs_in("Tundra-58-quiver").await.is(200);
}

#[tokio::test]
async fn refusals_and_edits_of_nothing_bind_no_key() {
    let scene = Scene::set().await;
    let api = keyed(&scene, "k");
    let path = format!("{}/password", scene.ann());
    assert_eq!(api.put(&path, &json!({"password": "P@ssw0rd1!"})).await.header("idempotency-key"), "k");
    api.post(&scene.users(), &new_user("ann@acme.example")).await.problem(409, "address_taken");
    api.patch(&scene.ann(), &json!({"first_name": "Ann"})).await.receipt(200, &[]);
    let done = api.patch(&scene.ann(), &json!({"first_name": "Annie"})).await.receipt(200, &["UserEdited"]);
    assert_eq!(done["repeated"], false);
}

#[tokio::test]
async fn a_key_is_drawn_and_returned_where_none_is_given() {
    let scene = Scene::set().await;
    let edit = json!({"first_name": "Annie"});
    let answer = scene.operator().patch(&scene.ann(), &edit).await;
    let key = answer.header("idempotency-key").to_owned();
    let first = answer.receipt(200, &["UserEdited"]);
    let again = keyed(&scene, &key).patch(&scene.ann(), &edit).await.receipt(200, &["UserEdited"]);
    assert_eq!((essence(&again), &again["repeated"]), (essence(&first), &json!(true)));
    let other = scene.operator().patch(&scene.ann(), &json!({"first_name": "Anna"})).await;
    assert_ne!(other.header("idempotency-key"), key);
    let refused = scene.operator().patch(&scene.ann(), &json!({"password": "short"})).await;
    assert!(!refused.header("idempotency-key").is_empty(), "{refused:?}");
}

#[tokio::test]
async fn a_key_means_its_clients_command_on_its_service_only() {
    let scene = Scene::set().await;
    let other = scene.provisioned("other.example", "acme", 5, 100 * MIB).await;
    let first = keyed(&scene, "k").post(&scene.users(), &new_user("bob@acme.example")).await;
    let first = first.receipt(201, &["UserAdded", "PasswordChanged"]);
    let elsewhere =
        keyed(&scene, "k").post(&format!("/v1/services/{other}/users"), &new_user("bob@other.example")).await;
    let elsewhere = elsewhere.receipt(201, &["UserAdded", "PasswordChanged"]);
    assert_ne!(elsewhere["user"], first["user"]);
    let panel = scene.stack.commands_as("panel").with("idempotency-key", "k");
    let by_panel = panel.post(&scene.users(), &new_user("eve@acme.example")).await;
    assert_eq!(by_panel.receipt(201, &["UserAdded", "PasswordChanged"])["repeated"], false);
}

#[tokio::test]
async fn the_right_to_ask_comes_before_the_key() {
    let scene = Scene::set().await;
    let change = json!({"first_name": "Annie"});
    keyed(&scene, "k").patch(&scene.ann(), &change).await.receipt(200, &["UserEdited"]);
    let stranger = scene.stack.commands_as("panel").with("postkey-customer", "other").with("idempotency-key", "k");
    stranger.patch(&scene.ann(), &change).await.problem(404, "not_found");
    let webmail = scene.stack.commands_as("webmail").with("idempotency-key", "k");
    webmail.patch(&scene.ann(), &change).await.problem(403, "forbidden");
}

#[tokio::test]
async fn the_same_key_sent_ten_times_at_once_is_one_change() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    let (api, path) = (keyed(&scene, "k"), format!("{}/password", scene.ann()));
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (api, path) = (api.clone(), path.clone());
        asked.spawn(async move { api.put(&path, &json!({"password": "Tundra-58-quiver"})).await });
    }
    let answers = asked.join_all().await;
    let receipts: Vec<_> = answers.into_iter().map(|answer| answer.receipt(200, &["PasswordChanged"])).collect();
    assert_eq!(receipts.iter().filter(|receipt| receipt["repeated"] == false).count(), 1);
    assert!(receipts.iter().all(|receipt| receipt["position"] == head + 1), "{receipts:?}");
    assert_eq!(scene.stack.head().await, head + 1);
    scene.ann_signs_in(PASSWORD).await.problem(401, "invalid_credentials");
    scene.ann_signs_in("Tundra-58-quiver").await.is(200);
}

#[tokio::test]
async fn a_key_that_cannot_be_one_is_refused() {
    let scene = Scene::set().await;
    for key in ["", "with blank", &"k".repeat(256)] {
        let refused = keyed(&scene, key).patch(&scene.ann(), &json!({"first_name": "Annie"})).await;
        assert_eq!(refused.violations(422, "invalid_input"), ["Idempotency-Key invalid"], "{key:?}");
    }
    keyed(&scene, &"k".repeat(255)).patch(&scene.ann(), &json!({"first_name": "Annie"})).await.is(200);
}
