//! What the event log can't tell: refusals, sign-ins, reads of the history. An auditor finds them, and nothing that was typed.

use serde_json::{Value, json};
use stage::{Answer, Folder, PASSWORD, Scene, Separate, new_user, until};

const TYPED: [&str; 3] = ["nobody-has-this@acme.example", "Zyzzyva-17-Tryst", "qwxshort"];

/// The records that a query finds, once there are so many.
async fn kept(scene: &Scene, query: &str, times: usize) -> Vec<Value> {
    let auditor = scene.stack.queries_as("auditor");
    until(&format!("{times} records of {query}"), async || {
        let page = auditor.get(&format!("/v1/audit/activity?{query}&limit=500")).await;
        for typed in TYPED {
            assert!(!page.text.contains(typed), "{typed} in {page:?}");
        }
        let records = page.is(200)["activity"].as_array().unwrap().clone();
        assert!(records.len() <= times, "{records:?}");
        (records.len() == times).then_some(records)
    })
    .await
}

/// What was asked for and what came of it, of each.
fn told(records: &[Value]) -> Vec<(&str, &str)> {
    records.iter().map(|record| (record["what"].as_str().unwrap(), record["code"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_refused_command_is_kept_with_its_rules_and_who_asked() {
    let scene = Scene::set().await;
    let operator = scene.operator().with("postkey-actor", "op-1").with("postkey-origin", "203.0.113.7");
    let refused = operator.patch(&scene.ann(), &json!({"password": TYPED[2]})).await;
    let rules: Vec<_> = refused.body["violations"].as_array().unwrap().iter().map(|one| one["code"].clone()).collect();
    let request_id = refused.problem(422, "weak_password")["request_id"].clone();
    let users = scene.users();
    operator.post(&users, &new_user("ann@acme.example")).await.problem(409, "address_taken");
    operator.with("if-match", "\"1\"").delete(&scene.ann()).await.problem(412, "stale_revision");
    let unknown = json!({"first_name": "Ann", (TYPED[1]): TYPED[0]});
    assert_eq!(operator.patch(&scene.ann(), &unknown).await.status, 422);
    scene.stack.queries_as("webmail").get(&users).await.problem(403, "forbidden");
    scene.stack.commands_as("webmail").post(&users, &new_user("eve@acme.example")).await.problem(403, "forbidden");
    // A stranger's, and what was carried out, is not kept.
    scene.stack.command().delete(&scene.ann()).await.problem(401, "unauthenticated");
    operator.patch(&scene.ann(), &json!({"first_name": "Anna"})).await.receipt(200, &["UserEdited"]);

    let records = kept(&scene, "kind=refused", 5).await;
    let expected = [
        ("EditUser", "weak_password"),
        ("AddUser", "address_taken"),
        ("RemoveUser", "stale_revision"),
        ("EditUser", "invalid_input"),
        ("AddUser", "forbidden"),
    ];
    assert_eq!(told(&records), expected);
    let first = &records[0];
    assert_eq!((&first["service"], &first["user"]), (&json!(scene.service), &json!(scene.ann)));
    assert_eq!((&first["client"], &first["actor"]), (&json!("operator"), &json!("op-1")));
    assert_eq!((&first["origin"], &first["request_id"]), (&json!("203.0.113.7"), &request_id));
    assert_eq!((&first["rules"], &first["lost"]), (&json!(rules), &json!(0)));
    assert!(stage::is_instant(&first["at"]), "{first}");
    assert_eq!((&records[1]["service"], &records[1]["user"]), (&json!(scene.service), &Value::Null));
    assert_eq!(records[3]["rules"], json!(["unknown"]), "the field's name was typed");
    assert_eq!((&records[4]["client"], &records[4]["service"]), (&json!("webmail"), &json!(scene.service)));
}

#[tokio::test]
async fn each_verdict_of_a_login_is_kept_and_no_answer_tells_it() {
    let scene = Scene::set().await;
    let bob = scene.added(&scene.service, &new_user("bob@acme.example")).await;
    scene.operator().post_nothing(&format!("{}/suspend", scene.user(&bob))).await.receipt(200, &["UserSuspended"]);
    let login = async |address: &str, password: &str| scene.stack.login_from("203.0.113.7", address, password).await;
    login("ann@acme.example", PASSWORD).await.is(200);
    let said = |answer: Answer| {
        let mut said = answer.problem(401, "invalid_credentials");
        said["request_id"].take();
        said
    };
    let wrong = said(login("ann@acme.example", TYPED[1]).await);
    for (address, password) in [(TYPED[0], PASSWORD), ("bob@acme.example", PASSWORD), ("no address", TYPED[1])] {
        assert_eq!(said(login(address, password).await), wrong, "{address}");
    }
    let held = scene.stack.queries_as("webmail").with("postkey-customer", "other");
    let asked = json!({"address": "ann@acme.example", "password": PASSWORD});
    assert_eq!(said(held.post("/v1/auth/verify", &asked).await), wrong);

    let records = kept(&scene, "kind=sign_in", 6).await;
    let users: Vec<_> = records.iter().map(|record| record["user"].as_str()).collect();
    let (ann, bob) = (scene.ann.as_str(), bob.as_str());
    assert_eq!(users, [Some(ann), Some(ann), None, Some(bob), None, Some(ann)]);
    let codes: Vec<_> = told(&records).into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["ok", "wrong", "unknown", "suspended", "unknown", "foreign"]);
    assert!(records[..5].iter().all(|record| record["origin"] == "203.0.113.7" && record["client"] == "webmail"));
    assert_eq!((&records[0]["service"], &records[2]["service"]), (&json!(scene.service), &Value::Null));

    // Whoever guesses at a user's own change is found by the user, too.
    let wrong = scene.changes_own("ann@acme.example", TYPED[1], "Tundra-58-quiver").await;
    wrong.problem(403, "wrong_current_password");
    scene.changes_own(TYPED[0], PASSWORD, "Tundra-58-quiver").await.problem(403, "wrong_current_password");
    let own = kept(&scene, "kind=refused", 2).await;
    assert_eq!(told(&own), [("ChangeOwnPassword", "wrong_current_password"); 2]);
    assert_eq!((&own[0]["user"], &own[1]["user"]), (&json!(ann), &Value::Null));
}

#[tokio::test]
async fn who_reads_entries_beside_the_ledgers_tiles_has_read_the_history() {
    let scene = Scene::set().await;
    let entries = "/ledger/tile/entries/000.p/1";
    let auditor = scene.stack.queries_as("auditor").with("postkey-actor", "person-8");
    assert_eq!(auditor.get("/ledger/tile/0/000.p/1").await.status, 200);
    assert_eq!(auditor.get(entries).await.status, 200);
    scene.stack.queries_as("panel").get(entries).await.problem(403, "forbidden");
    let read = kept(&scene, "kind=audit_read&actor=person-8", 1).await;
    assert_eq!((told(&read), &read[0]["client"]), (vec![("entries", "ok")], &json!("auditor")));
    assert_eq!(told(&kept(&scene, "kind=refused", 1).await), [("entries", "forbidden")]);
}

#[tokio::test]
async fn who_reads_the_history_is_kept_and_who_may_not() {
    let scene = Scene::set().await;
    let panel = scene.stack.queries_as("panel").with("postkey-actor", "person-7");
    panel.get(&format!("/v1/audit/events?service={}&user={}", scene.service, scene.ann)).await.is(200);
    panel.get("/v1/audit/activity").await.problem(403, "forbidden");
    scene.stack.projection().get("/v1/audit/activity").await.problem(401, "unauthenticated");
    scene.stack.queries_as("operator").get("/v1/audit/activity?limit=0").await.problem(422, "invalid_input");
    let held = scene.stack.queries_as("auditor").with("postkey-customer", "acme");
    held.get("/v1/audit/activity").await.problem(403, "forbidden");

    let read = kept(&scene, "kind=audit_read&actor=person-7", 1).await;
    assert_eq!(told(&read), [("events", "ok")]);
    assert_eq!((&read[0]["service"], &read[0]["user"]), (&json!(scene.service), &json!(scene.ann)));
    assert_eq!((&read[0]["client"], &read[0]["actor"]), (&json!("panel"), &json!("person-7")));
    let refused = kept(&scene, "kind=refused", 3).await;
    assert_eq!(told(&refused), [("activity", "forbidden"), ("activity", "invalid_input"), ("activity", "forbidden")]);
    // So is who reads this.
    let auditor = scene.stack.queries_as("auditor");
    until("the auditor's own reads are kept", async || {
        let page = auditor.get("/v1/audit/activity?kind=audit_read&limit=500").await.is(200);
        let own = |record: &Value| record["what"] == "activity" && record["client"] == "auditor";
        page["activity"].as_array().unwrap().iter().any(own).then_some(())
    })
    .await;
}

#[tokio::test]
async fn records_come_in_pages_by_what_is_asked_for() {
    let scene = Scene::set().await;
    let auditor = scene.stack.queries_as("auditor");
    for n in 0..5 {
        scene.stack.login("ann@acme.example", &format!("Wrong-{n}")).await.problem(401, "invalid_credentials");
    }
    let all = kept(&scene, "kind=sign_in", 5).await;
    let page = async |query: String| auditor.get(&format!("/v1/audit/activity?{query}")).await;
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let found = page(format!("kind=sign_in&limit=2{after}")).await.is(200);
        seen.extend(found["activity"].as_array().unwrap().clone());
        let Some(next) = found["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen, all, "the newest last, and each once");
    page(format!("kind=refused{after}")).await.problem(422, "invalid_input");

    let (third, ann) = (all[2]["at"].as_str().unwrap().to_owned(), &scene.ann);
    for (query, expected) in [
        (format!("kind=sign_in&from={third}"), &all[2..]),
        (format!("kind=sign_in&to={third}"), &all[..2]),
        (format!("user={ann}&kind=sign_in"), &all[..]),
        (format!("user={}", scene.service), &[]),
        (format!("service={}&from={third}&kind=sign_in", scene.service), &all[2..]),
        ("actor=nobody&kind=sign_in".to_owned(), &[]),
    ] {
        assert_eq!(page(query.clone()).await.is(200)["activity"], json!(expected), "{query}");
    }
    for (query, wrong) in [
        ("kind=refusals", "kind invalid"),
        ("service=acme.example", "service invalid"),
        ("type=UserAdded", "type unknown"),
        ("after=%21", "after invalid"),
    ] {
        assert_eq!(page(query.to_owned()).await.violations(422, "invalid_input"), [wrong]);
    }
}

#[tokio::test]
async fn without_an_activity_log_whoever_asks_for_it_is_told_so_and_all_else_works() {
    let folder = Folder::new();
    let separate = Separate::init(&folder).await.without_activity();
    let scene = Scene::on(separate.start().await, folder).await;
    scene.ann_signs_in(PASSWORD).await.is(200);
    scene.ann_signs_in(TYPED[1]).await.problem(401, "invalid_credentials");
    let absent = scene.queries().get("/v1/audit/activity").await.problem(404, "not_found");
    assert!(absent["detail"].as_str().unwrap().contains("--activity"), "{absent}");
    for api in [scene.stack.command(), scene.stack.projection()] {
        assert!(!api.get("/healthz").await.text.contains("activity"));
    }
}
