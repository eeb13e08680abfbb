//! What a panel is told of what happened: its own services' events, in the order of the log.

use serde_json::{Value, json};
use stage::{Api, MIB, PASSWORD, Scene, is_instant, new_user};

/// Walks the events to their end, in pages of `limit`.
async fn walked(api: &Api, query: &str, limit: usize) -> Vec<Value> {
    walked_while(api, query, limit, async |_| {}).await
}

/// The same; before the second page, the third and so on, something happens.
async fn walked_while(api: &Api, query: &str, limit: usize, happens: impl AsyncFn(usize)) -> Vec<Value> {
    let (mut events, mut after) = (Vec::new(), String::new());
    for turned in 1.. {
        let page = api.get(&format!("/v1/audit/events?limit={limit}{query}{after}")).await.is(200);
        let found = page["events"].as_array().unwrap();
        assert!(found.len() <= limit, "{page}");
        events.extend(found.iter().cloned());
        match page["next"].as_str() {
            Some(next) => {
                after = format!("&after={next}");
                happens(turned).await;
            }
            None => break,
        }
    }
    events
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// The scene after some changes: by whom, and why, is said with each.
async fn lived() -> Scene {
    let scene = Scene::set().await;
    let operator = scene.operator().with("postkey-actor", "staff/17").with("postkey-origin", "203.0.113.77");
    let operator = operator.with("postkey-reason", "asked%20by%20phone");
    let edit = json!({"first_name": "Annie", "quota_bytes": 11 * MIB, "password": "Tundra-58-quiver"});
    operator.patch(&scene.ann(), &edit).await.receipt(200, &["UserEdited", "PasswordChanged"]);
    let plan = json!({"mailboxes": 11, "pool_bytes": 200 * MIB});
    let path = format!("/v1/services/{}/plan", scene.service);
    operator.put(&path, &plan).await.receipt(200, &["PlanChanged"]);
    operator.post_nothing(&format!("{}/suspend", scene.ann())).await.receipt(200, &["UserSuspended"]);
    scene.stack.commands_as("panel").delete(&scene.ann()).await.receipt(200, &["UserRemoved"]);
    scene
}

const HISTORY: [&str; 8] = [
    "ServiceProvisioned",
    "UserAdded",
    "PasswordChanged",
    "UserEdited",
    "PasswordChanged",
    "PlanChanged",
    "UserSuspended",
    "UserRemoved",
];

#[tokio::test]
async fn a_panel_is_told_who_did_what_and_when() {
    let scene = lived().await;
    let panel = scene.stack.queries_as("panel");
    let answer = panel.get("/v1/audit/events").await;
    for secret in ["argon2", "hash", "key", "203.0.113.77", "phone", "origin", "reason", "policy", PASSWORD, "Tundra"] {
        assert!(!answer.text.contains(secret), "{secret}: {answer:?}");
    }
    let page = answer.is(200);
    assert_eq!(page["next"], Value::Null);
    let events = page["events"].as_array().unwrap();
    assert_eq!(types(events), HISTORY);
    for event in events {
        let mut fields: Vec<_> = event.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        let expected = ["actor", "at", "client", "command", "data", "position", "service", "type", "user"];
        assert_eq!(fields, expected, "{event}");
        assert!(is_instant(&event["at"]) && event["position"].is_u64(), "{event}");
        assert_eq!(event["service"], json!(scene.service));
        let of_user = !matches!(event["type"].as_str().unwrap(), "ServiceProvisioned" | "PlanChanged");
        assert_eq!(event["user"], if of_user { json!(scene.ann) } else { Value::Null }, "{event}");
    }
    let by: Vec<_> = events.iter().map(|event| (&event["client"], &event["actor"])).collect();
    assert_eq!(by[3], (&json!("operator"), &json!("staff/17")));
    assert_eq!(by[7], (&json!("panel"), &Value::Null));
    let plan = json!({"mailboxes": 10, "pool_bytes": 100 * MIB});
    let data: Vec<_> = events.iter().map(|event| event["data"].clone()).collect();
    let password = json!({"by_user": false});
    let expected = [
        json!({"domain": "acme.example", "customer": "acme", "plan": plan}),
        json!({
            "address": "ann@acme.example", "first_name": "Ann", "last_name": "Lee", "quota_bytes": 10 * MIB
        }),
        password.clone(),
        json!({"first_name": "Annie", "quota_bytes": 11 * MIB}),
        password,
        json!({"plan": {"mailboxes": 11, "pool_bytes": 200 * MIB}}),
        json!({}),
        json!({}),
    ];
    assert_eq!(data, expected);
    // What one command did stands at one position, and by it a receipt is found again.
    assert_eq!((&events[3]["position"], &events[3]["command"]), (&events[4]["position"], &events[4]["command"]));
    assert_ne!(events[2]["position"], events[3]["position"]);
}

#[tokio::test]
async fn events_come_once_each_however_the_pages_cut_and_also_of_several_services() {
    let scene = lived().await;
    let other = scene.provisioned("second.example", "acme", 10, 100 * MIB).await;
    scene.provisioned("foreign.example", "other", 10, 100 * MIB).await;
    scene.added(&other, &new_user("bob@second.example")).await;
    scene.added(&scene.service, &new_user("bob@acme.example")).await;
    let panel = scene.stack.queries_as("panel");
    let all = walked(&panel, "", 500).await;
    let added = ["ServiceProvisioned", "UserAdded", "PasswordChanged", "UserAdded", "PasswordChanged"];
    assert_eq!(types(&all), [&HISTORY[..], &added].concat());
    assert!(all.is_sorted_by_key(|event| event["position"].as_u64()));
    for limit in [1, 2, 3, 12, 13] {
        assert_eq!(walked(&panel, "", limit).await, all, "in pages of {limit}");
    }
    for service in [&scene.service, &other] {
        let own: Vec<_> = all.iter().filter(|event| event["service"] == json!(service)).cloned().collect();
        assert_eq!(walked(&panel, &format!("&service={service}"), 2).await, own);
    }
}

#[tokio::test]
async fn a_walk_comes_once_upon_each_event_those_that_happen_meanwhile_too() {
    let scene = lived().await;
    let other = scene.provisioned("second.example", "acme", 10, 100 * MIB).await;
    let bob = scene.added(&other, &new_user("bob@second.example")).await;
    let path = format!("/v1/services/{other}/users/{bob}");
    let panel = scene.stack.queries_as("panel");
    let before = walked(&panel, "", 500).await;
    for limit in [1, 2, 5] {
        let seen = walked_while(&panel, "", limit, async |turned| {
            if turned < 4 {
                let edit = json!({"first_name": format!("Bob-{limit}-{turned}"), "password": format!("Tundra-{limit}{turned}-quiver")});
                scene.operator().patch(&path, &edit).await.receipt(200, &["UserEdited", "PasswordChanged"]);
            }
        })
        .await;
        assert_eq!(seen[..before.len()], before, "in pages of {limit}");
        assert!(seen.len() > before.len(), "in pages of {limit}");
        assert_eq!(seen, walked(&panel, "", 500).await, "in pages of {limit}");
    }
}

#[tokio::test]
async fn what_is_in_force_is_told_at_once() {
    let scene = Scene::set().await;
    let panel = scene.stack.queries_as("panel");
    for n in 0..10 {
        let edit = json!({"first_name": format!("Ann{n}")});
        let receipt = scene.operator().patch(&scene.ann(), &edit).await.receipt(200, &["UserEdited"]);
        assert_eq!(receipt["effective"], true);
        let events = walked(&panel, &format!("&service={}", scene.service), 500).await;
        let last = events.last().unwrap();
        assert_eq!((&last["position"], &last["data"]), (&receipt["position"], &edit));
    }
}

#[tokio::test]
async fn filters_are_taken_together_and_a_cursor_belongs_to_them() {
    let scene = lived().await;
    let bob = scene.added(&scene.service, &new_user("bob@acme.example")).await;
    let panel = scene.stack.queries_as("panel");
    let all = walked(&panel, "", 500).await;
    let at = |nth: usize| all[nth]["at"].as_str().unwrap();
    let [from, to] = [at(3), at(6)];
    let ann = &scene.ann;
    for (query, expected) in [
        (format!("&user={bob}"), &["UserAdded", "PasswordChanged"][..]),
        (format!("&user={ann}&type=PasswordChanged"), &["PasswordChanged", "PasswordChanged"]),
        ("&actor=staff/17".to_owned(), &HISTORY[3..7]),
        ("&actor=staff%2F17&type=PlanChanged".to_owned(), &["PlanChanged"]),
        ("&actor=staff".to_owned(), &[]),
        (format!("&user={ann}&actor=staff/17"), &["UserEdited", "PasswordChanged", "UserSuspended"]),
        (format!("&from={from}&to={to}"), &HISTORY[3..6]),
        (format!("&to={from}"), &HISTORY[..3]),
        ("&from=2100-01-01T00:00:00%2B01:00".to_owned(), &[]),
        ("&to=1999-12-31T00:00:00Z".to_owned(), &[]),
        ("&type=UserErased".to_owned(), &[]),
        (format!("&user={}", scene.service), &[]),
    ] {
        for limit in [1, 2, 500] {
            assert_eq!(types(&walked(&panel, &query, limit).await), expected, "{query}, in pages of {limit}");
        }
    }
    let first = panel.get("/v1/audit/events?type=PasswordChanged&limit=1").await.is(200);
    let next = first["next"].as_str().unwrap();
    for other in ["", "&type=UserAdded", "&type=PasswordChanged&actor=x", &format!("&service={}", scene.service)] {
        let refused = panel.get(&format!("/v1/audit/events?limit=1&after={next}{other}")).await;
        assert_eq!(refused.violations(422, "invalid_input"), ["after invalid"], "{other}");
    }
    let as_other = panel.with("postkey-customer", "other");
    let refused = as_other.get(&format!("/v1/audit/events?type=PasswordChanged&after={next}")).await;
    assert_eq!(refused.violations(422, "invalid_input"), ["after invalid"]);
}

#[tokio::test]
async fn a_panel_is_told_nothing_of_another_customers_services() {
    let scene = lived().await;
    let other = scene.provisioned("other.example", "other", 10, 100 * MIB).await;
    let eve = scene.added(&other, &new_user("eve@other.example")).await;
    let token = scene.stack.new_token(&scene.folder, "panel", "acme-panel", Some("acme")).await;
    let bearing = |token: &str| scene.stack.projection().bearing(token);
    for panel in [bearing(&token), scene.stack.queries_as("panel")] {
        assert_eq!(types(&walked(&panel, "", 500).await), HISTORY);
        panel.get(&format!("/v1/audit/events?service={other}")).await.problem(404, "not_found");
        let nowhere = "01997b5c-0000-5000-8000-000000000000";
        panel.get(&format!("/v1/audit/events?service={nowhere}")).await.problem(404, "not_found");
        assert_eq!(walked(&panel, &format!("&user={eve}"), 500).await, Vec::<Value>::new());
        assert_eq!(walked(&panel, &format!("&service={}&user={eve}", scene.service), 500).await, Vec::<Value>::new());
    }
    bearing(&token).with("postkey-customer", "other").get("/v1/audit/events").await.problem(403, "forbidden");
    let nameless = bearing(scene.stack.token("panel")).get("/v1/audit/events").await;
    assert_eq!(nameless.violations(422, "invalid_input"), ["Postkey-Customer missing"]);
    let as_other = scene.stack.queries_as("panel").with("postkey-customer", "other");
    let told = ["ServiceProvisioned", "UserAdded", "PasswordChanged"];
    assert_eq!(types(&walked(&as_other, "", 500).await), told);
    let as_nobody = scene.stack.queries_as("panel").with("postkey-customer", "nobody");
    let nothing = json!({"events": [], "next": null});
    assert_eq!(as_nobody.get("/v1/audit/events").await.is(200), nothing);
}
