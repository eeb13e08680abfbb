//! The main job: from provisioning to a login with the changed password, on each way to run the services.

use serde_json::{Value, json};
use stage::{Folder, MIB, Separate, Stack, is_instant};

#[tokio::test]
async fn a_changed_password_is_in_force_when_the_answer_arrives_in_one_process() {
    let folder = Folder::new();
    let stack = Stack::up(&folder).await;
    the_main_journey(&stack).await;
    stack.stop().await;
    let stack = Stack::up(&folder).await;
    what_the_journey_left(&stack).await;
    stack.kill();
    what_the_journey_left(&Stack::up(&folder).await).await;
}

#[tokio::test]
async fn a_changed_password_is_in_force_when_the_answer_arrives_in_separate_processes() {
    let folder = Folder::new();
    let separate = Separate::init(&folder).await;
    let stack = separate.start().await;
    the_main_journey(&stack).await;
    stack.kill();
    let stack = separate.start().await;
    what_the_journey_left(&stack).await;
    stack.stop().await;
}

#[tokio::test]
async fn separate_processes_find_each_other_also_where_the_command_service_starts_first() {
    let folder = Folder::new();
    let stack = Separate::init(&folder).await.start_command_first().await;
    the_main_journey(&stack).await;
    stack.stop().await;
}

#[tokio::test]
async fn a_folder_of_one_process_goes_on_in_separate_ones() {
    let folder = Folder::new();
    Stack::up(&folder).await.stop().await;
    let stack = Separate::init(&folder).await.start().await;
    the_main_journey(&stack).await;
    stack.stop().await;
    what_the_journey_left(&Stack::up(&folder).await).await;
}

const FIRST: &str = "Kestrel-41-harbour";
const CHANGED: &str = "Marmot-77-lantern";

async fn the_main_journey(stack: &Stack) {
    let (operator, panel, queries) =
        (stack.commands_as("operator"), stack.commands_as("panel"), stack.queries_as("panel"));
    let start = stack.head().await;

    let plan = json!({"mailboxes": 5, "pool_bytes": 50 * MIB});
    let provision = json!({"domain": "Acme.Example", "customer": "acme", "plan": plan});
    let receipt = operator.post("/v1/services", &provision).await.receipt(201, &["ServiceProvisioned"]);
    assert_eq!(receipt["position"], start + 1);
    assert_eq!(receipt["revision"], start + 1);
    assert_eq!((&receipt["effective"], &receipt["repeated"]), (&json!(true), &json!(false)));
    assert_eq!(receipt.get("user"), None);
    let service = receipt["service"].as_str().unwrap();
    let expected = json!({
        "service": service, "domain": "acme.example", "customer": "acme", "plan": plan,
        "usage": {"mailboxes": 0, "allotted_bytes": 0}, "revision": start + 1
    });
    assert_eq!(queries.get("/v1/services").await.is(200), json!({"services": [expected], "next": null}));

    let add = json!({
        "address": "Ann.Lee@Acme.example", "first_name": " Ann ", "last_name": "Lee", "quota_bytes": 10 * MIB,
        "password": FIRST
    });
    let users = format!("/v1/services/{service}/users");
    let receipt = panel.post(&users, &add).await.receipt(201, &["UserAdded", "PasswordChanged"]);
    assert_eq!((&receipt["position"], &receipt["revision"]), (&json!(start + 2), &json!(start + 2)));
    assert_eq!((&receipt["effective"], &receipt["service"]), (&json!(true), &json!(service)));
    let user = receipt["user"].as_str().unwrap().to_owned();

    let added_at = the_user(stack, &user, ("Ann", 10 * MIB), start + 2).await;
    let verified = stack.login("ann.lee@acme.example", FIRST).await.is(200);
    let expected = json!({
        "user": user, "service": service, "address": "ann.lee@acme.example", "first_name": "Ann", "last_name": "Lee",
        "quota_bytes": 10 * MIB, "revision": start + 2, "credential_revision": start + 2
    });
    assert_eq!(verified, expected);

    let save = json!({"first_name": "Annabel", "quota_bytes": 20 * MIB, "password": CHANGED});
    let receipt = panel.patch(&format!("{users}/{user}"), &save).await;
    let receipt = receipt.receipt(200, &["UserEdited", "PasswordChanged"]);
    assert_eq!((&receipt["position"], &receipt["revision"]), (&json!(start + 3), &json!(start + 3)));
    assert_eq!((&receipt["effective"], &receipt["user"]), (&json!(true), &json!(user)));
    stack.login("ann.lee@acme.example", FIRST).await.problem(401, "invalid_credentials");
    let verified = stack.login("ANN.LEE@acme.example", CHANGED).await.is(200);
    assert_eq!((&verified["revision"], &verified["credential_revision"]), (&json!(start + 3), &json!(start + 3)));
    assert_eq!((&verified["first_name"], &verified["quota_bytes"]), (&json!("Annabel"), &json!(20 * MIB)));
    let changed_at = the_user(stack, &user, ("Annabel", 20 * MIB), start + 3).await;
    assert!(changed_at.as_str() > added_at.as_str(), "{added_at} {changed_at}");

    let service = queries.get(&format!("/v1/services/{service}")).await.is(200);
    assert_eq!(service["usage"], json!({"mailboxes": 1, "allotted_bytes": 20 * MIB}));
    assert_eq!(stack.head().await, start + 3, "a command is one entry");
}

/// Checks the one user as the projection shows it; returns since when its password holds.
async fn the_user(stack: &Stack, user: &str, (first_name, quota): (&str, u64), revision: u64) -> Value {
    let queries = stack.queries_as("panel");
    let services = queries.get("/v1/services").await.is(200);
    let service = services["services"][0]["service"].as_str().unwrap();
    let one = queries.get(&format!("/v1/services/{service}/users/{user}")).await.is(200);
    let changed_at = one["credential_changed_at"].clone();
    assert!(is_instant(&changed_at), "{one}");
    let expected = json!({
        "user": user, "service": service, "address": "ann.lee@acme.example", "first_name": first_name,
        "last_name": "Lee", "quota_bytes": quota, "state": "active", "revision": revision,
        "credential_changed_at": changed_at
    });
    assert_eq!(one, expected);
    let all = queries.get(&format!("/v1/services/{service}/users")).await.is(200);
    assert_eq!(all, json!({"users": [expected], "next": null}));
    changed_at
}

async fn what_the_journey_left(stack: &Stack) {
    stack.login("ann.lee@acme.example", FIRST).await.problem(401, "invalid_credentials");
    let verified = stack.login("ann.lee@acme.example", CHANGED).await.is(200);
    assert_eq!(verified["first_name"], "Annabel");
    let service = &stack.queries_as("panel").get("/v1/services").await.is(200)["services"][0];
    assert_eq!(service["usage"], json!({"mailboxes": 1, "allotted_bytes": 20 * MIB}));
    assert_eq!(verified["revision"], stack.head().await);
}
