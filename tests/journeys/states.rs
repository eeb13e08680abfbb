//! Suspended, reactivated, removed: who may sign in, and what is left.

use serde_json::{Value, json};
use stage::{Answer, MIB, PASSWORD, Scene, new_user};

/// A refusal at login without what differs from request to request.
fn refusal(answer: Answer) -> Value {
    let mut refusal = answer.problem(401, "invalid_credentials");
    refusal.as_object_mut().unwrap().remove("request_id");
    refusal
}

#[tokio::test]
async fn unknown_suspended_removed_empty_and_wrong_have_one_answer() {
    let scene = Scene::set().await;
    for local in ["suspended", "removed"] {
        let user = scene.added(&scene.service, &new_user(&format!("{local}@acme.example"))).await;
        match local {
            "suspended" => scene.operator().post_nothing(&format!("{}/suspend", scene.user(&user))).await.is(200),
            _ => scene.operator().delete(&scene.user(&user)).await.is(200),
        };
    }
    let wrong = refusal(scene.ann_signs_in("Wrong-12-password").await);
    let refused = [
        ("ann@acme.example", ""),
        ("ann@acme.example", "vkd9-mnrtq7"),
        ("nobody@acme.example", PASSWORD),
        ("ann@nowhere.example", PASSWORD),
        ("suspended@acme.example", PASSWORD),
        ("removed@acme.example", PASSWORD),
        ("not an address", PASSWORD),
        ("", PASSWORD),
    ];
    for (address, password) in refused {
        let answer = scene.stack.login(address, password).await;
        assert_eq!(answer.header("www-authenticate"), "Mailbox realm=\"postkey\"", "{address}");
        assert_eq!(refusal(answer), wrong, "{address}");
    }
    scene.ann_signs_in(PASSWORD).await.is(200);
}

#[tokio::test]
async fn a_suspended_user_comes_back_with_the_same_password() {
    let scene = Scene::set().await;
    let suspend = json!({"reason": "left on holiday"});
    scene.operator().post(&format!("{}/suspend", scene.ann()), &suspend).await.receipt(200, &["UserSuspended"]);
    scene.ann_signs_in(PASSWORD).await.problem(401, "invalid_credentials");
    assert_eq!(scene.ann_now().await["state"], "suspended");
    let receipt = scene.operator().post_nothing(&format!("{}/reactivate", scene.ann())).await;
    let receipt = receipt.receipt(200, &["UserReactivated"]);
    let ann = scene.ann_signs_in(PASSWORD).await.is(200);
    assert_eq!(ann["revision"], receipt["revision"]);
    assert_eq!(scene.ann_now().await["state"], "active");
}

#[tokio::test]
async fn a_suspended_user_can_be_edited_and_signs_in_with_the_new_password_once_reactivated() {
    let scene = Scene::set().await;
    scene.operator().post_nothing(&format!("{}/suspend", scene.ann())).await.is(200);
    let save = json!({"first_name": "Annie", "password": "Tundra-58-quiver"});
    scene.operator().patch(&scene.ann(), &save).await.receipt(200, &["UserEdited", "PasswordChanged"]);
    scene.ann_signs_in("Tundra-58-quiver").await.problem(401, "invalid_credentials");
    scene.operator().post_nothing(&format!("{}/reactivate", scene.ann())).await.is(200);
    scene.ann_signs_in("Tundra-58-quiver").await.is(200);
    scene.ann_signs_in(PASSWORD).await.problem(401, "invalid_credentials");
}

#[tokio::test]
async fn a_change_of_state_from_another_state_is_refused() {
    let scene = Scene::set().await;
    let (operator, ann) = (scene.operator(), scene.ann());
    let (suspend, reactivate) = (format!("{ann}/suspend"), format!("{ann}/reactivate"));
    operator.post_nothing(&reactivate).await.problem(409, "wrong_state");
    operator.post_nothing(&suspend).await.is(200);
    operator.post_nothing(&suspend).await.problem(409, "wrong_state");
    operator.delete(&ann).await.is(200);
    let head = scene.stack.head().await;
    operator.delete(&ann).await.problem(409, "wrong_state");
    operator.post_nothing(&suspend).await.problem(409, "wrong_state");
    operator.post_nothing(&reactivate).await.problem(409, "wrong_state");
    assert_eq!(scene.stack.head().await, head);
}

#[tokio::test]
async fn a_removed_user_cannot_be_edited() {
    let scene = Scene::set().await;
    let (operator, ann) = (scene.operator(), scene.ann());
    operator.delete(&ann).await.receipt(200, &["UserRemoved"]);
    let password = json!({"password": "Tundra-58-quiver"});
    operator.patch(&ann, &json!({"first_name": "Annie"})).await.problem(404, "not_found");
    operator.patch(&ann, &password).await.problem(404, "not_found");
    operator.put(&format!("{ann}/password"), &password).await.problem(404, "not_found");
    scene.ann_signs_in("Tundra-58-quiver").await.problem(401, "invalid_credentials");
}

#[tokio::test]
async fn a_removed_user_frees_its_room_and_keeps_its_address() {
    let scene = Scene::set().await;
    let service = scene.provisioned("small.example", "acme", 1, 10 * MIB).await;
    let users = format!("/v1/services/{service}/users");
    let first = scene.added(&service, &new_user("first@small.example")).await;
    scene.operator().post(&users, &new_user("second@small.example")).await.problem(409, "plan_full");
    scene.operator().delete(&format!("{users}/{first}")).await.is(200);
    let usage = scene.queries().get(&format!("/v1/services/{service}")).await.is(200)["usage"].clone();
    assert_eq!(usage, json!({"mailboxes": 0, "allotted_bytes": 0}));
    scene.operator().post(&users, &new_user("first@small.example")).await.problem(409, "address_taken");
    scene.added(&service, &new_user("second@small.example")).await;
    let listed = scene.queries().get(&users).await.is(200);
    let states: Vec<_> = listed["users"].as_array().unwrap().iter().map(|user| user["state"].clone()).collect();
    assert_eq!(states, ["removed", "active"]);
}

#[tokio::test]
async fn a_suspended_user_keeps_its_room() {
    let scene = Scene::set().await;
    let service = scene.provisioned("small.example", "acme", 1, 10 * MIB).await;
    let users = format!("/v1/services/{service}/users");
    let first = scene.added(&service, &new_user("first@small.example")).await;
    scene.operator().post_nothing(&format!("{users}/{first}/suspend")).await.is(200);
    scene.operator().post(&users, &new_user("second@small.example")).await.problem(409, "plan_full");
    let usage = scene.queries().get(&format!("/v1/services/{service}")).await.is(200)["usage"].clone();
    assert_eq!(usage, json!({"mailboxes": 1, "allotted_bytes": 10 * MIB}));
}
