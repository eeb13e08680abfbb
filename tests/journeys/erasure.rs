//! A user is erased: by an operator, for good, with every key that opened anything about it.

use serde_json::json;
use stage::{Api, PASSWORD, Scene, StoredKeys, new_user};

const OTHER: &str = "Tundra-58-quiver";

/// Removes Ann and erases her; the receipt of the erasure.
async fn erased(scene: &Scene, operator: &Api) -> serde_json::Value {
    scene.operator().delete(&scene.ann()).await.receipt(200, &["UserRemoved"]);
    let reason = json!({"reason": "asked to be forgotten"});
    operator.post(&format!("{}/erase", scene.ann()), &reason).await.receipt(200, &["UserErased"])
}

#[tokio::test]
async fn a_password_that_is_replaced_or_removed_leaves_no_key_behind() {
    let scene = Scene::set().await;
    // Of the service, of Ann's profile, of her password.
    assert_eq!(scene.keys().await, StoredKeys { here: 3, destroyed: 0 });
    let password = format!("{}/password", scene.ann());
    scene.operator().put(&password, &json!({"password": OTHER})).await.receipt(200, &["PasswordChanged"]);
    scene.destroyed(1).await;
    let save = json!({"first_name": "Annie", "password": PASSWORD});
    scene.operator().patch(&scene.ann(), &save).await.receipt(200, &["UserEdited", "PasswordChanged"]);
    scene.destroyed(2).await;
    scene.ann_signs_in(PASSWORD).await.is(200);
    scene.operator().patch(&scene.ann(), &json!({"first_name": "Ann"})).await.receipt(200, &["UserEdited"]);
    scene.operator().delete(&scene.ann()).await.receipt(200, &["UserRemoved"]);
    scene.destroyed(3).await;
    assert_eq!(scene.keys().await, StoredKeys { here: 2, destroyed: 3 });
}

#[tokio::test]
async fn an_erasure_is_in_force_with_its_answer_and_then_no_key_of_the_user_is_left() {
    let scene = Scene::set().await;
    let receipt = erased(&scene, &scene.operator().with("prefer", "wait=30")).await;
    assert_eq!((&receipt["effective"], &receipt["user"]), (&json!(true), &json!(scene.ann)));
    assert!(receipt["effective_at"].is_string(), "{receipt}");
    // Not soon: now.
    assert_eq!(scene.keys().await, StoredKeys { here: 1, destroyed: 2 });
    scene.ann_signs_in(PASSWORD).await.problem(401, "invalid_credentials");
    scene.queries().get(&scene.ann()).await.problem(404, "not_found");
    let listed = scene.queries().get(&scene.users()).await.is(200);
    assert_eq!(listed["users"], json!([]));
    for service in [scene.stack.command(), scene.stack.projection()] {
        service.is_well().await;
    }
}

#[tokio::test]
async fn an_erased_user_is_not_found_and_its_address_is_free() {
    let scene = Scene::set().await;
    let (operator, ann) = (scene.operator(), scene.ann());
    operator.delete(&ann).await.receipt(200, &["UserRemoved"]);
    operator.post(&scene.users(), &new_user("ann@acme.example")).await.problem(409, "address_taken");
    operator.with("prefer", "wait=30").post_nothing(&format!("{ann}/erase")).await.receipt(200, &["UserErased"]);
    for path in ["erase", "suspend", "reactivate"] {
        operator.post_nothing(&format!("{ann}/{path}")).await.problem(404, "not_found");
    }
    operator.delete(&ann).await.problem(404, "not_found");
    operator.patch(&ann, &json!({"first_name": "Annie"})).await.problem(404, "not_found");
    operator.put(&format!("{ann}/password"), &json!({"password": OTHER})).await.problem(404, "not_found");
    let heir = scene.added(&scene.service, &new_user("ann@acme.example")).await;
    assert_ne!(heir, scene.ann);
    assert_eq!(scene.ann_signs_in(PASSWORD).await.is(200)["user"], json!(heir));
}

#[tokio::test]
async fn only_an_operator_erases_and_only_a_user_that_was_removed() {
    let scene = Scene::set().await;
    let erase = format!("{}/erase", scene.ann());
    let panel = scene.stack.commands_as("panel");
    scene.operator().post_nothing(&erase).await.problem(409, "wrong_state");
    scene.operator().post_nothing(&format!("{}/suspend", scene.ann())).await.is(200);
    scene.operator().post_nothing(&erase).await.problem(409, "wrong_state");
    scene.operator().delete(&scene.ann()).await.is(200);
    panel.post_nothing(&erase).await.problem(403, "forbidden");
    let stale = scene.operator().with("if-match", "\"1\"");
    stale.post_nothing(&erase).await.problem(412, "stale_revision");
    assert_eq!(scene.ann_now().await["state"], "removed");
}

#[tokio::test]
async fn what_was_asked_about_an_erased_user_is_answered_again_also_after_a_restart() {
    let scene = Scene::set().await;
    let keyed = |scene: &Scene, key| scene.operator().with("idempotency-key", key).with("prefer", "wait=30");
    let bob = new_user("bob@acme.example");
    let added = keyed(&scene, "add").post(&scene.users(), &bob).await.receipt(201, &["UserAdded", "PasswordChanged"]);
    let path = scene.user(added["user"].as_str().unwrap());
    keyed(&scene, "remove").delete(&path).await.receipt(200, &["UserRemoved"]);
    let erase = format!("{path}/erase");
    let erased = keyed(&scene, "erase").post_nothing(&erase).await.receipt(200, &["UserErased"]);
    let again = async |scene: &Scene| {
        let repeats = [
            (keyed(scene, "add").post(&scene.users(), &bob).await.is(201), &added),
            (keyed(scene, "erase").post_nothing(&erase).await.is(200), &erased),
        ];
        for (repeated, first) in repeats {
            assert_eq!((&repeated["repeated"], &repeated["effective"]), (&json!(true), &json!(true)));
            assert_eq!((&repeated["position"], &repeated["user"]), (&first["position"], &first["user"]));
        }
    };
    again(&scene).await;
    let scene = scene.restarted().await;
    again(&scene).await;
    scene.added(&scene.service, &bob).await;
    scene.ann_signs_in(PASSWORD).await.is(200);
}
