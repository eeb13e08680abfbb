//! What a caller may ask for in headers: to wait for the effect or not, and to change only what it has seen.

use serde_json::{Value, json};
use stage::{Folder, PASSWORD, Running, Scene, Separate, until};

#[tokio::test]
async fn a_caller_that_does_not_wait_is_told_the_truth_and_the_change_comes_into_force() {
    let scene = Scene::set().await;
    let path = format!("{}/password", scene.ann());
    let hasty = scene.operator().with("prefer", "wait=0");
    let answer = hasty.put(&path, &json!({"password": "Tundra-58-quiver"})).await;
    assert!(matches!(answer.status, 200 | 202), "{answer:?}");
    assert_eq!(answer.body["effective"], answer.status == 200, "{answer:?}");
    let status = answer.status;
    let receipt = answer.receipt(status, &["PasswordChanged"]);
    let asked = format!("/v1/position?at_least={}&wait=10", receipt["position"]);
    let position = scene.queries().get(&asked).await.is(200);
    assert!(position["position"].as_u64() >= receipt["position"].as_u64(), "{position}");
    scene.ann_signs_in(PASSWORD).await.problem(401, "invalid_credentials");
    scene.ann_signs_in("Tundra-58-quiver").await.is(200);
}

#[tokio::test]
async fn without_a_projection_a_change_is_stored_and_answered_202_until_there_is_one() {
    let folder = Folder::new();
    let separate = Separate::init(&folder).await;
    let mut stack = separate.start().await;
    stack.processes().iter_mut().skip(1).for_each(Running::kill);
    let operator = stack.commands_as("operator").with("idempotency-key", "k").with("prefer", "wait=1");
    let plan = json!({"mailboxes": 1, "pool_bytes": stage::MIB});
    let body = json!({"domain": "acme.example", "customer": "acme", "plan": plan});
    let receipt = operator.post("/v1/services", &body).await.receipt(202, &["ServiceProvisioned"]);
    assert_eq!((&receipt["effective"], &receipt["effective_at"]), (&json!(false), &Value::Null));
    stack.kill();
    let stack = separate.start().await;
    stack.caught_up().await;
    let operator = stack.commands_as("operator").with("idempotency-key", "k");
    let again = operator.post("/v1/services", &body).await.receipt(201, &["ServiceProvisioned"]);
    assert_eq!((&again["position"], &again["repeated"]), (&receipt["position"], &json!(true)));
}

#[tokio::test]
async fn an_edit_of_an_older_revision_is_refused_and_changes_nothing() {
    let scene = Scene::set().await;
    let seen = scene.ann_now().await["revision"].as_u64().unwrap();
    let holding = |revision: u64| scene.operator().with("if-match", &format!("\"{revision}\""));
    let current = holding(seen).patch(&scene.ann(), &json!({"first_name": "Annie"})).await;
    let current = current.receipt(200, &["UserEdited"])["revision"].as_u64().unwrap();
    let head = scene.stack.head().await;
    let path = format!("{}/password", scene.ann());
    let change = json!({"password": "Tundra-58-quiver"});
    holding(seen).patch(&scene.ann(), &json!({"first_name": "Anna"})).await.problem(412, "stale_revision");
    holding(seen).patch(&scene.ann(), &json!({"first_name": "Annie"})).await.problem(412, "stale_revision");
    holding(seen).put(&path, &change).await.problem(412, "stale_revision");
    holding(current + 1).put(&path, &change).await.problem(412, "stale_revision");
    assert_eq!(scene.stack.head().await, head);
    holding(current).put(&path, &change).await.receipt(200, &["PasswordChanged"]);
    scene.operator().with("if-match", "*").patch(&scene.ann(), &json!({"first_name": "Anna"})).await.is(200);
}

#[tokio::test]
async fn a_change_of_state_or_plan_heeds_the_revision_too() {
    let scene = Scene::set().await;
    let stale = scene.operator().with("if-match", "\"1\"");
    let plan = json!({"mailboxes": 11, "pool_bytes": 200 * stage::MIB});
    stale.put(&format!("/v1/services/{}/plan", scene.service), &plan).await.problem(412, "stale_revision");
    stale.post_nothing(&format!("{}/suspend", scene.ann())).await.problem(412, "stale_revision");
    stale.delete(&scene.ann()).await.problem(412, "stale_revision");
    assert_eq!(scene.ann_now().await["state"], "active");
}

#[tokio::test]
async fn what_a_caller_has_already_is_not_sent_again_and_its_tag_guards_an_edit() {
    let scene = Scene::set().await;
    let shown = scene.queries().get(&scene.ann()).await;
    let tag = shown.header("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", shown.body["revision"]));
    for had in [tag.clone(), format!("W/{tag}"), format!("\"1\", {tag}"), "*".to_owned()] {
        let same = scene.queries().with("if-none-match", &had).get(&scene.ann()).await;
        assert_eq!((same.status, same.text.as_str(), same.header("etag")), (304, "", tag.as_str()), "{had}");
    }
    let guarded = scene.operator().with("if-match", &tag);
    guarded.patch(&scene.ann(), &json!({"first_name": "Annie"})).await.receipt(200, &["UserEdited"]);
    guarded.patch(&scene.ann(), &json!({"first_name": "Anna"})).await.problem(412, "stale_revision");
    let now = scene.queries().with("if-none-match", &tag).get(&scene.ann()).await;
    assert_ne!(now.header("etag"), tag);
    assert_eq!(now.is(200)["first_name"], "Annie");
    for unreadable in ["4711", "\"x", "", "W/"] {
        scene.queries().with("if-none-match", unreadable).get(&scene.ann()).await.is(200);
    }
}

#[tokio::test]
async fn a_services_tag_guards_its_plan_and_what_is_in_use_is_told_all_the_same() {
    let scene = Scene::set().await;
    let path = format!("/v1/services/{}", scene.service);
    let shown = scene.queries().get(&path).await;
    let tag = shown.header("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", shown.body["revision"]));
    scene.added(&scene.service, &stage::new_user("bob@acme.example")).await;
    let now = scene.queries().with("if-none-match", &tag).get(&path).await;
    assert_eq!(now.header("etag"), tag, "the plan is the same");
    assert_eq!(now.is(200)["usage"]["mailboxes"], 2);
    let guarded = scene.operator().with("if-match", &tag);
    let plan = json!({"mailboxes": 11, "pool_bytes": 200 * stage::MIB});
    guarded.put(&format!("{path}/plan"), &plan).await.receipt(200, &["PlanChanged"]);
    guarded.put(&format!("{path}/plan"), &plan).await.problem(412, "stale_revision");
    assert_ne!(scene.queries().get(&path).await.header("etag"), tag);
}

#[tokio::test]
async fn what_is_yet_to_be_made_has_no_revision_to_insist_on() {
    let scene = Scene::set().await;
    let plan = json!({"mailboxes": 1, "pool_bytes": stage::MIB});
    let provision = json!({"domain": "new.example", "customer": "acme", "plan": plan});
    let head = scene.stack.head().await;
    for tag in ["*", "\"1\"", &format!("\"{head}\"")] {
        let insisting = scene.operator().with("if-match", tag);
        insisting.post("/v1/services", &provision).await.problem(412, "stale_revision");
        let refused = insisting.post(&scene.users(), &stage::new_user("bob@acme.example")).await;
        refused.problem(412, "stale_revision");
    }
    assert_eq!(scene.stack.head().await, head);
}

#[tokio::test]
async fn a_revision_that_cannot_be_one_is_refused() {
    let scene = Scene::set().await;
    for tag in ["4", "\"x\"", "W/\"4\"", "\"4\", \"5\"", "\"007\""] {
        let refused = scene.operator().with("if-match", tag).patch(&scene.ann(), &json!({"first_name": "Annie"})).await;
        assert_eq!(refused.violations(422, "invalid_input"), ["If-Match invalid"], "{tag}");
    }
}

#[tokio::test]
async fn an_answer_names_the_request_by_the_callers_own_id() {
    let scene = Scene::set().await;
    let mine = scene.operator().with("x-request-id", "my-request.1");
    let refused = mine.patch(&scene.ann(), &json!({"first_name": ""})).await;
    assert_eq!(refused.header("x-request-id"), "my-request.1");
    assert_eq!(refused.problem(422, "invalid_input")["request_id"], "my-request.1");
    let theirs = scene.operator().with("x-request-id", "not a good id").get("/v1/password-policy").await;
    assert_ne!(theirs.header("x-request-id"), "not a good id");
    let own = mine.patch(&scene.ann(), &json!({"first_name": "Annie"})).await;
    assert_eq!(own.header("x-request-id"), "my-request.1");
    until("the log line names the request", async || {
        let path = scene.folder.beside(".");
        let logged = std::fs::read_dir(path).unwrap().any(|entry| {
            let path = entry.unwrap().path();
            path.is_file() && stage::text_of(&path).contains("my-request.1")
        });
        logged.then_some(())
    })
    .await;
}
