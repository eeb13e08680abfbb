//! A byte of the log that is not what it was, and a log that is cut short.

use std::fs;

use serde_json::{Value, json};
use stage::{Answer, Api, Folder, MIB, PASSWORD, Scene, Stack, new_user, run, up};

/// Acme with Ann and Bob; and, written before Bob, another service with Eve.
struct Histories {
    folder: Folder,
    acme: String,
    ann: String,
    bob: String,
    other: String,
    eve: String,
}

async fn histories() -> Histories {
    let scene = Scene::set().await;
    let other = scene.provisioned("other.example", "acme", 10, 100 * MIB).await;
    let eve = scene.added(&other, &new_user("eve@other.example")).await;
    let bob = scene.added(&scene.service, &new_user("bob@acme.example")).await;
    let edit = json!({"first_name": "Bobby"});
    scene.operator().patch(&scene.user(&bob), &edit).await.receipt(200, &["UserEdited"]);
    // So that the last entry of the log, which every start looks at, is not one of Acme's.
    let edit = json!({"first_name": "Evita"});
    scene.operator().patch(&format!("/v1/services/{other}/users/{eve}"), &edit).await.receipt(200, &["UserEdited"]);
    let (acme, ann) = (scene.service.clone(), scene.ann.clone());
    let folder = scene.stopped().await.folder;
    assert!(!folder.file("log.db-wal").exists() || fs::metadata(folder.file("log.db-wal")).unwrap().len() == 0);
    Histories { folder, acme, ann, bob, other, eve }
}

impl Histories {
    /// Flips a bit in the first of the entries about Bob, where it names him.
    fn flip_a_bit(&self) {
        let (path, mut bytes) = (self.folder.file("log.db"), self.folder.bytes("log.db"));
        let named = format!("\"user\":\"{}\"", self.bob).into_bytes();
        let places: Vec<_> = (0..bytes.len() - named.len()).filter(|at| bytes[*at..].starts_with(&named)).collect();
        assert!(places.len() >= 2, "entries stand in the file as they were written: {places:?}");
        for at in places {
            bytes[at + named.len() - 2] ^= 1;
        }
        fs::write(path, bytes).unwrap();
    }

    fn user(&self, service: &str, user: &str) -> String {
        format!("/v1/services/{service}/users/{user}")
    }
}

/// Expects red health with a reason of one line that names the check, also for whoever only asks whether it lives; `ready`:
/// whether there is somebody whom it can serve.
async fn needs_a_person(service: &Api, ready: bool) -> String {
    let health = stage::until("health is red", async || {
        let health = service.get("/healthz").await;
        (health.status == 503).then_some(health.body)
    })
    .await;
    assert_eq!(service.get("/readyz").await.status, if ready { 200 } else { 503 });
    assert_eq!(health["status"], "red");
    let reasons: Vec<_> = health["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["status"] == "red")
        .map(|check| check["reason"].as_str().unwrap().to_owned())
        .collect();
    assert!(!reasons.is_empty(), "{health}");
    assert!(reasons.iter().all(|reason| reason.len() > 10 && !reason.contains('\n')), "{health}");
    reasons.join("; ")
}

/// Expects a 503 by a reader that has found the log corrupt.
#[track_caller]
fn corrupt(answer: Answer) -> Value {
    answer.problem(503, "log_corrupt")
}

#[tokio::test]
async fn a_flipped_bit_that_the_read_model_must_read_stops_it_red_and_no_login_of_that_service_is_answered() {
    let histories = histories().await;
    histories.flip_a_bit();
    histories.folder.remove_database("read-model.db");
    let stack = Stack::listening(&histories.folder, &[]).await;
    let reason = needs_a_person(stack.projection(), true).await;
    assert!(reason.contains("position"), "{reason}");
    for (address, password) in [
        ("ann@acme.example", PASSWORD),
        ("bob@acme.example", PASSWORD),
        ("ann@acme.example", "wrong"),
        ("x@acme.example", "x"),
    ] {
        corrupt(stack.login(address, password).await);
    }
    let before = histories.folder.bytes("log.db");
    let position = stack.queries_as("service").get("/v1/position").await.is(200);
    assert_eq!(position["stopped"], "log_corrupt", "{position}");
    let reason = needs_a_person(stack.command(), false).await;
    assert!(reason.contains("the projection has stopped at position"), "{reason}");
    // Nor does any other service's change, which would never be in force.
    for user in [histories.user(&histories.acme, &histories.ann), histories.user(&histories.other, &histories.eve)] {
        corrupt(stack.commands_as("operator").patch(&user, &json!({"first_name": "Annie"})).await);
    }
    stack.stop().await;
    assert_eq!(histories.folder.bytes("log.db"), before, "nothing was appended");
}

#[tokio::test]
async fn a_flipped_bit_that_the_command_service_must_read_refuses_that_service_and_no_other() {
    let histories = histories().await;
    histories.flip_a_bit();
    let stack = Stack::up(&histories.folder).await;
    let head = stack.head().await;
    let operator = stack.commands_as("operator");
    let (ann, eve) =
        (histories.user(&histories.acme, &histories.ann), histories.user(&histories.other, &histories.eve));
    for _ in 0..2 {
        corrupt(operator.patch(&ann, &json!({"first_name": "Annie"})).await);
        corrupt(operator.put(&format!("{ann}/password"), &json!({"password": "Tundra-58-quiver"})).await);
        corrupt(operator.post(&format!("/v1/services/{}/users", histories.acme), &new_user("new@acme.example")).await);
    }
    let health = stack.command().get("/healthz").await.is(503);
    let log = health["checks"].as_array().unwrap().iter().find(|check| check["name"] == "log").unwrap();
    assert!(log["reason"].as_str().unwrap().contains("position"), "{log}");
    stack.command().get("/readyz").await.is(200);
    assert_eq!(stack.head().await, head);
    operator.patch(&eve, &json!({"first_name": "Eva"})).await.receipt(200, &["UserEdited"]);
    assert_eq!(stack.head().await, head + 1);
    stack.login("ann@acme.example", "Tundra-58-quiver").await.problem(401, "invalid_credentials");
}

#[tokio::test]
async fn a_flipped_bit_that_only_whoever_asks_what_happened_reads_is_said_to_a_person_too() {
    let histories = histories().await;
    histories.flip_a_bit();
    let stack = Stack::up(&histories.folder).await;
    let panel = stack.queries_as("panel").with("postkey-customer", "acme");
    corrupt(panel.get("/v1/audit/events?limit=200").await);
    assert!(needs_a_person(stack.projection(), true).await.contains("log says where"));
    stack.login("ann@acme.example", PASSWORD).await.is(200);
}

#[tokio::test]
async fn a_flipped_bit_in_the_last_entry_is_found_at_the_start() {
    let histories = histories().await;
    let (path, mut bytes) = (histories.folder.file("log.db"), histories.folder.bytes("log.db"));
    let named = format!("\"user\":\"{}\"", histories.eve).into_bytes();
    let places: Vec<_> = (0..bytes.len() - named.len()).filter(|at| bytes[*at..].starts_with(&named)).collect();
    assert!(places.len() >= 2);
    for at in places {
        bytes[at + named.len() - 2] ^= 1;
    }
    fs::write(path, bytes).unwrap();
    let stack = Stack::listening(&histories.folder, &[]).await;
    needs_a_person(stack.projection(), false).await;
    let head = histories.folder.bytes("log.db");
    let eve = histories.user(&histories.other, &histories.eve);
    corrupt(stack.commands_as("operator").patch(&eve, &json!({"first_name": "Eva"})).await);
    stack.stop().await;
    assert_eq!(histories.folder.bytes("log.db"), head, "nothing was appended");
}

#[tokio::test]
async fn a_log_that_is_cut_short_is_refused() {
    let Histories { folder, .. } = histories().await;
    let whole = folder.bytes("log.db");
    for keep in [0, 1, 100, 4_096, whole.len() / 2, whole.len() - 4_096] {
        fs::write(folder.file("log.db"), &whole[..keep]).unwrap();
        let line = run(up(&folder.data(), &[])).await.failed_in_one_line();
        assert!(line.contains("log.db"), "{keep} of {}: {line}", whole.len());
        assert_eq!(folder.bytes("log.db"), &whole[..keep], "it is left as it is");
    }
    fs::write(folder.file("log.db"), &whole).unwrap();
    Stack::up(&folder).await.login("bob@acme.example", PASSWORD).await.is(200);
}
