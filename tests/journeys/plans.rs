//! Plans and pools: what a service may hold, and what its plan may become.

use serde_json::{Value, json};
use stage::{MIB, Scene, new_user};

fn plan(mailboxes: u32, mib: u64) -> Value {
    json!({"mailboxes": mailboxes, "pool_bytes": mib * MIB})
}

#[tokio::test]
async fn a_domain_is_provisioned_once() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    for (domain, customer) in [("acme.example", "acme"), ("ACME.example", "other")] {
        let body = json!({"domain": domain, "customer": customer, "plan": plan(1, 1)});
        scene.operator().post("/v1/services", &body).await.problem(409, "domain_taken");
    }
    assert_eq!(scene.stack.head().await, head);
}

#[tokio::test]
async fn a_domain_is_known_by_its_a_labels() {
    let scene = Scene::set().await;
    let service = scene.provisioned("Bücher.example", "acme", 1, MIB).await;
    let shown = scene.queries().get(&format!("/v1/services/{service}")).await.is(200);
    assert_eq!(shown["domain"], "xn--bcher-kva.example");
    let again = json!({"domain": "xn--bcher-kva.example", "customer": "acme", "plan": plan(1, 1)});
    scene.operator().post("/v1/services", &again).await.problem(409, "domain_taken");
    let mut user = new_user("ann@bücher.example");
    user["quota_bytes"] = MIB.into();
    scene.added(&service, &user).await;
    scene.stack.login("ann@bücher.example", stage::PASSWORD).await.is(200);
}

#[tokio::test]
async fn a_service_takes_no_more_users_than_its_plan_has_mailboxes() {
    let scene = Scene::set().await;
    let service = scene.provisioned("small.example", "acme", 2, 100 * MIB).await;
    for local in ["a", "b"] {
        scene.added(&service, &new_user(&format!("{local}@small.example"))).await;
    }
    let head = scene.stack.head().await;
    let users = format!("/v1/services/{service}/users");
    scene.operator().post(&users, &new_user("c@small.example")).await.problem(409, "plan_full");
    assert_eq!(scene.stack.head().await, head);
    scene.operator().put(&format!("/v1/services/{service}/plan"), &plan(3, 100)).await.receipt(200, &["PlanChanged"]);
    scene.added(&service, &new_user("c@small.example")).await;
}

#[tokio::test]
async fn quotas_share_the_pool_to_the_last_byte() {
    let scene = Scene::set().await;
    let users = scene.users();
    let mut bob = new_user("bob@acme.example");
    bob["quota_bytes"] = (91 * MIB).into();
    scene.operator().post(&users, &bob).await.problem(409, "pool_exceeded");
    bob["quota_bytes"] = (90 * MIB).into();
    scene.added(&scene.service, &bob).await;
    let head = scene.stack.head().await;
    scene.operator().patch(&scene.ann(), &json!({"quota_bytes": 11 * MIB})).await.problem(409, "pool_exceeded");
    assert_eq!(scene.stack.head().await, head);
    scene.operator().patch(&scene.ann(), &json!({"quota_bytes": 9 * MIB})).await.receipt(200, &["UserEdited"]);
    let service = scene.queries().get(&format!("/v1/services/{}", scene.service)).await.is(200);
    assert_eq!(service["usage"], json!({"mailboxes": 2, "allotted_bytes": 99 * MIB}));
}

#[tokio::test]
async fn a_save_that_the_pool_refuses_changes_neither_names_nor_password() {
    let scene = Scene::set().await;
    let before = scene.ann_now().await;
    let save = json!({"first_name": "Annie", "password": "Tundra-58-quiver", "quota_bytes": 101 * MIB});
    scene.operator().patch(&scene.ann(), &save).await.problem(409, "pool_exceeded");
    assert_eq!(scene.ann_now().await, before);
    scene.ann_signs_in("Tundra-58-quiver").await.problem(401, "invalid_credentials");
    scene.ann_signs_in(stage::PASSWORD).await.is(200);
}

#[tokio::test]
async fn a_plan_does_not_fall_below_what_is_in_use() {
    let scene = Scene::set().await;
    scene.added(&scene.service, &new_user("bob@acme.example")).await;
    let (path, head) = (format!("/v1/services/{}/plan", scene.service), scene.stack.head().await);
    scene.operator().put(&path, &plan(1, 100)).await.problem(409, "plan_full");
    scene.operator().put(&path, &plan(10, 19)).await.problem(409, "pool_exceeded");
    assert_eq!(scene.stack.head().await, head);
    let receipt = scene.operator().put(&path, &plan(2, 20)).await.receipt(200, &["PlanChanged"]);
    let service = scene.queries().get(&format!("/v1/services/{}", scene.service)).await.is(200);
    assert_eq!((&service["plan"], &service["revision"]), (&plan(2, 20), &receipt["revision"]));
    let receipt = scene.operator().put(&path, &plan(2, 20)).await.receipt(200, &[]);
    assert_eq!(receipt["revision"], service["revision"]);
}

#[tokio::test]
async fn a_plan_of_a_service_that_does_not_exist_is_not_found() {
    let scene = Scene::set().await;
    let path = "/v1/services/01997b5c-0000-5000-8000-000000000000/plan";
    scene.operator().put(path, &plan(1, 1)).await.problem(404, "not_found");
}

#[tokio::test]
async fn an_address_lies_in_its_service_and_is_taken_once() {
    let scene = Scene::set().await;
    let foreign = scene.operator().post(&scene.users(), &new_user("ann@other.example")).await;
    assert_eq!(foreign.violations(422, "invalid_input"), ["address foreign_domain"]);
    for taken in ["ann@acme.example", "ANN@Acme.Example"] {
        scene.operator().post(&scene.users(), &new_user(taken)).await.problem(409, "address_taken");
    }
    scene.added(&scene.service, &new_user("ann+mail@acme.example")).await;
}
