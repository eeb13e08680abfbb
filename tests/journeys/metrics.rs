//! What an operator sees of it: metrics.

use serde_json::json;
use stage::{Answer, MIB, PASSWORD, Scene, new_user, until};

#[track_caller]
fn counts(scrape: &Answer, name: &str, labels: &[(&str, &str)], expected: f64) {
    assert_eq!(scrape.metric(name, labels), Some(expected), "{name} {labels:?} in {}", scrape.text);
}

#[tokio::test]
async fn commands_are_counted_by_what_became_of_them() {
    let scene = Scene::set().await;
    let operator = scene.operator();
    let save = operator.with("idempotency-key", "save-1");
    let renamed = json!({"first_name": "Anna"});
    save.patch(&scene.ann(), &renamed).await.is(200);
    save.patch(&scene.ann(), &renamed).await.is(200);
    operator.patch(&scene.ann(), &renamed).await.is(200);
    operator
        .with("if-match", "\"1\"")
        .patch(&scene.ann(), &json!({"first_name": "Ann"}))
        .await
        .problem(412, "stale_revision");
    operator.patch(&scene.ann(), &json!({"quota_bytes": 1000 * MIB})).await.problem(409, "pool_exceeded");

    let scrape = scene.stack.command().get("/metrics").await;
    assert_eq!(scrape.status, 200);
    for (outcome, times) in
        [("effective", 1.0), ("repeated", 1.0), ("unchanged", 1.0), ("stale_revision", 1.0), ("pool_exceeded", 1.0)]
    {
        counts(&scrape, "postkey_commands_total", &[("command", "EditUser"), ("outcome", outcome)], times);
    }
    let route = ("route", "/v1/services/{service}/users/{user}");
    let refused = [("method", "PATCH"), route, ("status", "409"), ("code", "pool_exceeded")];
    counts(&scrape, "postkey_http_requests_total", &refused, 1.0);
    counts(&scrape, "postkey_http_request_duration_seconds_count", &[("method", "PATCH"), route], 5.0);
    // Provisioned, added, edited: three appends, and one hash.
    counts(&scrape, "postkey_append_duration_seconds_count", &[], 3.0);
    counts(&scrape, "postkey_hash_duration_seconds_count", &[], 1.0);
    counts(&scrape, "postkey_append_conflicts_total", &[], 0.0);
    counts(&scrape, "postkey_health_check", &[("check", "log")], 0.0);
    assert!(scrape.metric("postkey_process_resident_memory_bytes", &[]).unwrap() > 1e6, "{}", scrape.text);
    for personal in ["ann@acme.example", "Anna", PASSWORD, &scene.service, &scene.ann] {
        assert!(!scrape.text.contains(personal), "{personal} in {}", scrape.text);
    }
}

#[tokio::test]
async fn every_refusal_of_a_command_is_counted_by_its_code() {
    let scene = Scene::set().await;
    let (operator, webmail) = (scene.operator(), scene.stack.commands_as("webmail"));
    let (ann, users, rename) = (scene.ann(), scene.users(), json!({"first_name": "Anna"}));
    // What cannot be read, and who may not ask.
    operator.patch(&ann, &json!({"first_name": "", "colour": "mauve"})).await.problem(422, "invalid_input");
    operator.with("if-match", "mauve").patch(&ann, &rename).await.problem(422, "invalid_input");
    operator.with("idempotency-key", "two words").patch(&ann, &rename).await.problem(422, "invalid_input");
    operator.patch("/v1/services/mauve/users/mauve", &rename).await.problem(404, "not_found");
    operator.patch(&ann, &json!({"first_name": "x".repeat(70_000)})).await.problem(413, "too_large");
    let text = operator.with("content-type", "text/mauve");
    text.send_bytes(reqwest::Method::PATCH, &ann, "{}").await.problem(415, "unsupported_media_type");
    webmail.patch(&ann, &rename).await.problem(403, "forbidden");
    scene.stack.command().patch(&ann, &rename).await.problem(401, "unauthenticated");
    scene.stack.command().bearing("mauve").patch(&ann, &rename).await.problem(401, "unauthenticated");
    // What its route refuses before it takes the path of all.
    let insisting = operator.with("if-match", "\"1\"");
    insisting.post(&users, &new_user("bob@acme.example")).await.problem(412, "stale_revision");
    let own = |current, new| json!({"address": "ann@acme.example", "current_password": current, "new_password": new});
    webmail.post("/v1/self/password", &own(PASSWORD, "short")).await.problem(422, "weak_password");
    let form = [("user", "ann@acme.example"), ("curpass", "mauve"), ("newpass", "Tundra-58-quiver")];
    let (mut wrong, mut throttled) = (0.0, 0.0);
    while throttled < 2.0 {
        let guessed = webmail.post("/v1/self/password", &own("mauve", "Tundra-58-quiver")).await;
        for answer in [guessed, webmail.post_form("/v1/self/password/roundcube", &form).await] {
            if answer.status == 429 {
                throttled += 1.0;
            } else {
                answer.problem(403, "wrong_current_password");
                wrong += 1.0;
            }
        }
    }

    let scrape = scene.stack.command().get("/metrics").await;
    for (command, outcome, times) in [
        ("EditUser", "invalid_input", 3.0),
        ("EditUser", "not_found", 1.0),
        ("EditUser", "too_large", 1.0),
        ("EditUser", "unsupported_media_type", 1.0),
        ("EditUser", "forbidden", 1.0),
        ("EditUser", "unauthenticated", 2.0),
        ("AddUser", "stale_revision", 1.0),
        ("ChangeOwnPassword", "weak_password", 1.0),
        ("ChangeOwnPassword", "wrong_current_password", wrong),
        ("ChangeOwnPassword", "throttled", throttled),
    ] {
        counts(&scrape, "postkey_commands_total", &[("command", command), ("outcome", outcome)], times);
    }
    // Every refusal that a request was answered with is there, and no other: all of these were commands.
    let total = |name: &str, has: &dyn Fn(&str) -> bool| -> f64 {
        let lines = scrape.text.lines().filter(|line| line.starts_with(&format!("{name}{{")) && has(line));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    };
    let refused = total("postkey_http_requests_total", &|line| line.contains("status=\"4"));
    let done = ["effective", "stored", "repeated", "unchanged"].map(|outcome| format!("outcome=\"{outcome}\""));
    let counted = total("postkey_commands_total", &|line| !done.iter().any(|done| line.contains(done)));
    assert_eq!((refused, counted), (11.0 + wrong + throttled, refused), "{}", scrape.text);
    assert!(!scrape.text.contains("mauve"), "{}", scrape.text);
}

#[tokio::test]
async fn logins_are_counted_by_their_verdicts_and_the_lag_is_shown() {
    let scene = Scene::set().await;
    scene.ann_signs_in(PASSWORD).await.is(200);
    scene.ann_signs_in(PASSWORD).await.is(200);
    scene.ann_signs_in("Wrong-Horse-1").await.problem(401, "invalid_credentials");
    let scrape = scene.stack.projection().get("/metrics").await;
    for (verdict, times) in [("right", 1.0), ("cached", 1.0), ("wrong", 1.0), ("throttled", 0.0)] {
        counts(&scrape, "postkey_logins_total", &[("verdict", verdict)], times);
    }
    counts(&scrape, "postkey_projection_lag_seconds", &[], 0.0);
    counts(&scrape, "postkey_projection_stopped", &[], 0.0);
    counts(&scrape, "postkey_hasher_queue_depth", &[("lane", "logins")], 0.0);
    assert_eq!(scrape.metric("postkey_applied_position", &[]), scrape.metric("postkey_log_seen_position", &[]));
    let head = scene.stack.head().await as f64;
    counts(&scrape, "postkey_applied_position", &[], head);
    // The cached one took no argon2id.
    counts(&scrape, "postkey_login_hash_duration_seconds_count", &[], 2.0);
    assert!(scrape.metric("postkey_login_hash_duration_seconds_sum", &[]).unwrap() > 0.0, "{}", scrape.text);
    // All of them came from nowhere.
    for (table, entries) in [("accounts", 1.0), ("origins", 0.0), ("owners", 0.0)] {
        counts(&scrape, "postkey_throttle_entries", &[("table", table)], entries);
    }
    counts(&scrape, "postkey_projection_leads", &[], 1.0);
    counts(&scrape, "postkey_entries_applied_total", &[], head);
}

#[tokio::test]
async fn whom_the_throttle_knows_and_what_the_projection_applies_and_destroys_is_shown_as_it_grows() {
    let scene = Scene::set().await;
    for (origin, password) in [("198.51.100.7", PASSWORD), ("203.0.113.1", "Wrong-1"), ("203.0.113.2", "Wrong-2")] {
        let status = if password == PASSWORD { 200 } else { 401 };
        assert_eq!(scene.stack.login_from(origin, "ann@acme.example", password).await.status, status);
    }
    let projection = scene.stack.projection();
    let scrape = projection.get("/metrics").await;
    for (table, entries) in [("accounts", 1.0), ("origins", 2.0), ("owners", 1.0)] {
        counts(&scrape, "postkey_throttle_entries", &[("table", table)], entries);
    }
    let applied = scrape.metric("postkey_entries_applied_total", &[]).unwrap();
    let password = json!({"password": "Tundra-58-quiver"});
    scene.operator().put(&format!("{}/password", scene.ann()), &password).await.receipt(200, &["PasswordChanged"]);
    counts(&projection.get("/metrics").await, "postkey_entries_applied_total", &[], applied + 1.0);
    let head = scene.stack.head().await as f64;
    until("the old password's key is destroyed", async || {
        let scrape = projection.get("/metrics").await;
        let destroyed = scrape.metric("postkey_destroyed_position", &[]) == Some(head);
        (destroyed && scrape.metric("postkey_destruction_lag_entries", &[]) == Some(0.0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_a_long_poll_was_asked_to_wait_is_no_latency() {
    let scene = Scene::set().await;
    let beyond = scene.stack.head().await + 1;
    scene.queries().get(&format!("/v1/position?at_least={beyond}&wait=3")).await.is(200);
    let scrape = scene.stack.projection().get("/metrics").await;
    let polls = [("method", "GET"), ("route", "/v1/position")];
    assert!(scrape.metric("postkey_http_request_duration_seconds_count", &polls).unwrap() >= 1.0, "{}", scrape.text);
    let took = scrape.metric("postkey_http_request_duration_seconds_sum", &polls).unwrap();
    assert!(took < 2.0, "{took} s in {}", scrape.text);
}

#[tokio::test]
async fn a_client_makes_no_labels_up() {
    let scene = Scene::set().await;
    let api = scene.stack.projection();
    api.get("/made/up/ann@acme.example").await.problem(404, "not_found");
    let method = reqwest::Method::from_bytes(b"MADEUP").unwrap();
    api.send(method, "/v1/position", None).await.problem(405, "method_not_allowed");
    let scrape = api.get("/metrics").await;
    counts(&scrape, "postkey_http_requests_total", &[("route", "none"), ("status", "404")], 1.0);
    counts(&scrape, "postkey_http_requests_total", &[("method", "other"), ("status", "405")], 1.0);
    assert!(!scrape.text.contains("made") && !scrape.text.contains("MADEUP"), "{}", scrape.text);
}

#[tokio::test]
async fn metrics_can_be_switched_off() {
    let scene = Scene::set_with(&[("POSTKEY_METRICS", "off")]).await;
    scene.stack.command().get("/metrics").await.problem(404, "not_found");
    scene.stack.projection().get("/metrics").await.problem(404, "not_found");
    scene.added(&scene.service, &new_user("bob@acme.example")).await;
}

#[tokio::test]
async fn alerts_and_the_scrape_of_the_example_name_what_there_is() {
    let scene = Scene::set().await;
    let rules =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/monitoring/alerts.yaml")).unwrap();
    let mut shown = String::new();
    for api in [scene.stack.command(), scene.stack.projection()] {
        shown += &api.get("/metrics").await.text;
    }
    let word = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let named: Vec<_> = rules.split(word).filter(|word| word.starts_with("postkey_")).collect();
    assert!(named.len() > 6, "{named:?}");
    for name in named {
        let there = shown.lines().any(|line| !line.starts_with('#') && line.starts_with(name));
        assert!(there, "the alerts name {name}, which no service shows");
    }
}
