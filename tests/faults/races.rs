//! Many at once.

use std::collections::HashSet;

use serde_json::{Value, json};
use stage::{Answer, MIB, Scene, new_user};
use tokio::task::JoinSet;

#[tokio::test]
async fn the_same_address_added_twenty_times_at_once_is_added_once() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    let mut asked = JoinSet::new();
    for _ in 0..20 {
        let (operator, users) = (scene.operator(), scene.users());
        asked.spawn(async move { operator.post(&users, &new_user("bob@acme.example")).await });
    }
    let (added, refused): (Vec<_>, Vec<_>) =
        asked.join_all().await.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((added.len(), refused.len()), (1, 19), "{added:?} {refused:?}");
    for answer in refused {
        answer.problem(409, "address_taken");
    }
    let receipt =
        added.into_iter().map(|answer| answer.receipt(201, &["UserAdded", "PasswordChanged"])).next().unwrap();
    assert_eq!(receipt["position"], head + 1);
    assert_eq!(scene.stack.head().await, head + 1);
    let users = scene.queries().get(&scene.users()).await.is(200);
    let bobs: Vec<_> =
        users["users"].as_array().unwrap().iter().filter(|u| u["address"] == "bob@acme.example").collect();
    assert_eq!((bobs.len(), &bobs[0]["user"]), (1, &receipt["user"]));
    let service = scene.queries().get(&format!("/v1/services/{}", scene.service)).await.is(200);
    assert_eq!(service["usage"], json!({"mailboxes": 2, "allotted_bytes": 20 * MIB}));
}

#[tokio::test]
async fn fifty_edits_of_one_user_at_once_all_succeed_one_after_the_other() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    let mut asked = JoinSet::new();
    for number in 0..50 {
        let (operator, ann) = (scene.operator(), scene.ann());
        let key = format!("edit-{number}");
        asked.spawn(async move {
            let name = format!("Ann {number}");
            let edit = json!({"first_name": name});
            let answer = operator.with("idempotency-key", &key).with("prefer", "wait=30").patch(&ann, &edit).await;
            (name, answer.receipt(200, &["UserEdited"]))
        });
    }
    let done = asked.join_all().await;
    let revisions: HashSet<_> = done.iter().map(|(_, receipt)| receipt["revision"].as_u64().unwrap()).collect();
    assert_eq!(revisions, (head + 1..=head + 50).collect());
    assert_eq!(scene.stack.head().await, head + 50);
    let (last_name, last) = done.iter().max_by_key(|(_, receipt)| receipt["revision"].as_u64()).unwrap();
    let ann = scene.ann_now().await;
    assert_eq!((&ann["first_name"], &ann["revision"]), (&json!(last_name), &last["revision"]));
}

#[tokio::test]
async fn of_edits_that_insist_on_the_revision_that_they_saw_one_wins() {
    let scene = Scene::set().await;
    let (head, ann) = (scene.stack.head().await, scene.ann_now().await);
    let mut asked = JoinSet::new();
    for number in 0..20 {
        let operator = scene.operator().with("if-match", &format!("\"{}\"", ann["revision"]));
        let path = scene.ann();
        asked.spawn(async move { operator.patch(&path, &json!({"first_name": format!("Ann {number}")})).await });
    }
    let (won, lost): (Vec<_>, Vec<_>) = asked.join_all().await.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 19));
    for answer in lost {
        answer.problem(412, "stale_revision");
    }
    assert_eq!(scene.stack.head().await, head + 1);
}

#[tokio::test]
async fn a_plan_is_not_exceeded_by_users_that_are_added_at_once() {
    let scene = Scene::set().await;
    let mut asked = JoinSet::new();
    for number in 0..20 {
        let (operator, users) = (scene.operator(), scene.users());
        asked.spawn(async move { operator.post(&users, &new_user(&format!("u{number}@acme.example"))).await });
    }
    let (added, refused): (Vec<_>, Vec<_>) =
        asked.join_all().await.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((added.len(), refused.len()), (9, 11), "ten mailboxes, and Ann has one");
    for answer in refused {
        answer.problem(409, "plan_full");
    }
    let service = scene.queries().get(&format!("/v1/services/{}", scene.service)).await.is(200);
    assert_eq!(service["usage"], json!({"mailboxes": 10, "allotted_bytes": 100 * MIB}));
}

#[tokio::test]
async fn the_same_domain_provisioned_ten_times_at_once_is_provisioned_once() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    let mut asked: JoinSet<Answer> = JoinSet::new();
    for number in 0..10 {
        let operator = scene.operator();
        let plan = json!({"mailboxes": 1, "pool_bytes": MIB});
        let body: Value = json!({"domain": "new.example", "customer": format!("c{number}"), "plan": plan});
        asked.spawn(async move { operator.post("/v1/services", &body).await });
    }
    let (won, lost): (Vec<_>, Vec<_>) = asked.join_all().await.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((won.len(), lost.len()), (1, 9));
    for answer in lost {
        answer.problem(409, "domain_taken");
    }
    assert_eq!(scene.stack.head().await, head + 1);
}
