//! What auditors and operators are told beyond panels: everybody's events, with origins and reasons, and how a user stood.

use serde_json::{Value, json};
use stage::{Api, MIB, Scene, new_user, until};

/// Changes of Ann's, each with an origin and a reason of its own.
async fn lived(scene: &Scene) -> Vec<Value> {
    let mut receipts = Vec::new();
    let by = |origin: &str, reason: &str| {
        let operator = scene.operator().with("postkey-origin", origin).with("postkey-reason", reason);
        operator.with("postkey-actor", "staff/17")
    };
    let edit = json!({"first_name": "Annie", "quota_bytes": 11 * MIB, "password": "Tundra-58-quiver"});
    let edited = by("203.0.113.77", "asked%20by%20phone").patch(&scene.ann(), &edit).await;
    receipts.push(edited.receipt(200, &["UserEdited", "PasswordChanged"]));
    let suspended = by("2001:db8::7", "%C5%9Fikayet").post_nothing(&format!("{}/suspend", scene.ann())).await;
    receipts.push(suspended.receipt(200, &["UserSuspended"]));
    let quiet = scene.operator().post_nothing(&format!("{}/reactivate", scene.ann())).await;
    receipts.push(quiet.receipt(200, &["UserReactivated"]));
    receipts
}

/// Somebody who may read the history, with addresses and names.
async fn entitled(scene: &Scene) -> Api {
    let clients = scene.folder.file("clients.json");
    let mut new = stage::postkey(["token", "new", "--role", "auditor", "--name", "dpo", "--personal"]);
    new.arg("--clients-file").arg(clients);
    let token = stage::run(new).await.worked().stdout.trim().to_owned();
    let api = scene.stack.projection().bearing(&token);
    until("the new token is known", async || (api.get("/v1/position").await.status == 200).then_some(())).await;
    api
}

async fn events(api: &Api, query: &str) -> Vec<Value> {
    let (mut events, mut after) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/v1/audit/events?limit=3{query}{after}")).await.is(200);
        events.extend(page["events"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return events,
        }
    }
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn operators_and_auditors_are_told_of_every_customer_with_origins_and_reasons() {
    let scene = Scene::set().await;
    lived(&scene).await;
    let other = scene.provisioned("other.example", "other", 10, 100 * MIB).await;
    let eve = scene.added(&other, &new_user("eve@other.example")).await;
    let (operator, auditor, entitled) = (scene.queries(), scene.stack.queries_as("auditor"), entitled(&scene).await);
    let all = events(&operator, "").await;
    let expected = [
        "ServiceProvisioned",
        "UserAdded",
        "PasswordChanged",
        "UserEdited",
        "PasswordChanged",
        "UserSuspended",
        "UserReactivated",
        "ServiceProvisioned",
        "UserAdded",
        "PasswordChanged",
    ];
    assert_eq!(types(&all), expected);
    assert!(all.is_sorted_by_key(|event| event["position"].as_u64()));
    for edit in &all[3..5] {
        assert_eq!((&edit["origin"], &edit["reason"]), (&json!("203.0.113.77"), &json!("asked by phone")));
        assert_eq!(edit["actor"], "staff/17");
    }
    assert_eq!((&all[5]["origin"], &all[5]["reason"]), (&json!("2001:db8::7"), &json!("şikayet")));
    for quiet in [&all[2], &all[6]] {
        assert!(quiet.get("origin").is_none() && quiet.get("reason").is_none(), "{quiet}");
    }
    assert!(all.iter().all(|event| event.get("redacted").is_none()), "an operator sees what there is");
    assert_eq!(events(&entitled, "").await, all, "and so does an auditor with the right to it");

    let told = events(&auditor, "").await;
    assert_eq!(types(&told), expected);
    for (event, full) in told.iter().zip(&all) {
        let personal: Vec<_> = ["address", "first_name", "last_name"]
            .into_iter()
            .filter(|name| full["data"].get(name).is_some())
            .collect();
        let mut expected = full.clone();
        for name in &personal {
            expected["data"][name] = Value::Null;
        }
        if !personal.is_empty() {
            expected["redacted"] = json!(true);
        }
        assert_eq!(*event, expected);
    }
    let text = Value::from(told).to_string();
    for personal in ["ann@", "eve@", "Ann", "Lee"] {
        assert!(!text.contains(personal), "{personal}");
    }

    // By service, by user, and for one customer.
    assert_eq!(events(&operator, &format!("&service={other}")).await, all[7..]);
    assert_eq!(events(&operator, &format!("&user={}", scene.ann)).await, all[1..7]);
    assert_eq!(events(&operator, &format!("&user={eve}&type=UserAdded")).await, all[8..9]);
    assert_eq!(events(&operator, &format!("&user={eve}&service={}", scene.service)).await, Vec::<Value>::new());
    let nobody = "019ab6f2-7c40-7d3e-9a51-3f0c5b8e2d17";
    assert_eq!(events(&auditor, &format!("&user={nobody}")).await, Vec::<Value>::new());
    operator.get(&format!("/v1/audit/events?service={nobody}")).await.problem(404, "not_found");
    let held = operator.with("postkey-customer", "other");
    assert_eq!(events(&held, "").await, all[7..]);
    assert_eq!(events(&held, &format!("&user={}", scene.ann)).await, Vec::<Value>::new());
    held.get(&format!("/v1/audit/events?service={}", scene.service)).await.problem(404, "not_found");
}

#[tokio::test]
async fn what_was_erased_is_null_in_the_history_and_the_history_stays() {
    let scene = Scene::set().await;
    lived(&scene).await;
    let ann = scene.ann();
    scene.operator().delete(&ann).await.receipt(200, &["UserRemoved"]);
    let operator = scene.operator().with("prefer", "wait=30");
    let reason = json!({"reason": "asked to be forgotten"});
    operator.post(&format!("{ann}/erase"), &reason).await.receipt(200, &["UserErased"]);
    let told = events(&scene.queries(), &format!("&user={}", scene.ann)).await;
    let expected = [
        "UserAdded",
        "PasswordChanged",
        "UserEdited",
        "PasswordChanged",
        "UserSuspended",
        "UserReactivated",
        "UserRemoved",
        "UserErased",
    ];
    assert_eq!(types(&told), expected);
    assert_eq!(
        told[0]["data"],
        json!({"address": null, "first_name": null, "last_name": null, "quota_bytes": 10 * MIB})
    );
    for event in &told[2..5] {
        assert_eq!((event.get("origin"), event.get("reason")), (Some(&Value::Null), Some(&Value::Null)), "{event}");
        assert_eq!(event["actor"], "staff/17");
    }
    let then = scene.queries().get(&format!("/v1/audit/users/{}", scene.ann)).await.is(200);
    assert_eq!((&then["state"], &then["erased"], &then["address"]), (&json!("erased"), &json!(true), &Value::Null));
    assert_eq!((&then["quota_bytes"], &then["credential_changed_at"]), (&Value::Null, &Value::Null));
    let suspended = told[4]["position"].as_u64().unwrap();
    let then = scene.queries().get(&format!("/v1/audit/users/{}?as_of={suspended}", scene.ann)).await.is(200);
    assert_eq!((&then["state"], &then["erased"], &then["address"]), (&json!("suspended"), &json!(true), &Value::Null));
    assert_eq!(then["quota_bytes"], 11 * MIB);
}

#[tokio::test]
async fn a_user_is_told_as_it_stood_at_any_position_and_instant() {
    let scene = Scene::set().await;
    let receipts = lived(&scene).await;
    let operator = scene.queries();
    let path = format!("/v1/audit/users/{}", scene.ann);
    let told = events(&operator, &format!("&user={}", scene.ann)).await;
    let instant = |nth: usize| told[nth]["at"].as_str().unwrap();
    let as_of = async |moment: &str| operator.get(&format!("{path}?as_of={moment}")).await.is(200);
    let full = |first: &str, quota: u64, state: &str, nth: usize, password: usize| {
        json!({
            "user": scene.ann, "service": scene.service, "address": "ann@acme.example", "first_name": first,
            "last_name": "Lee", "quota_bytes": quota * MIB, "state": state, "revision": told[nth]["position"],
            "at": told[nth]["at"], "credential_changed_at": told[password]["at"], "erased": false,
        })
    };
    let position = |nth: usize| told[nth]["position"].to_string();
    let edited = full("Annie", 11, "active", 2, 3);
    assert_eq!(as_of(&position(0)).await, full("Ann", 10, "active", 0, 0));
    assert_eq!(as_of(instant(0)).await, full("Ann", 10, "active", 0, 0));
    assert_eq!(as_of(&position(2)).await, edited);
    assert_eq!(as_of(instant(2)).await, edited);
    assert_eq!(as_of(&position(4)).await, full("Annie", 11, "suspended", 4, 3));
    let now = full("Annie", 11, "active", 5, 3);
    assert_eq!(operator.get(&path).await.is(200), now);
    assert_eq!(as_of("2100-01-01T00:00:00Z").await, now);
    assert_eq!(receipts[2]["position"], now["revision"]);
    for hash in ["argon2", "hash", "key"] {
        assert!(!now.to_string().contains(hash), "{hash}");
    }

    let before = told[0]["position"].as_u64().unwrap() - 1;
    for moment in [before.to_string(), "0".to_owned(), "1999-12-31T00:00:00Z".to_owned(), "1999-12-31".to_owned()] {
        let refused = operator.get(&format!("{path}?as_of={moment}")).await.problem(404, "not_found");
        assert_eq!(refused["detail"], "the user was not there yet", "{moment}");
    }
    let head = scene.stack.head().await;
    let beyond = operator.get(&format!("{path}?as_of={}", head + 1)).await;
    assert_eq!(beyond.violations(422, "invalid_input"), ["as_of beyond"]);
    for wrong in ["yesterday", "-1", "2026-13-01", "2026-11-24T12:03:04+01:00", ""] {
        let refused = operator.get(&format!("{path}?as_of={wrong}")).await;
        assert_eq!(refused.violations(422, "invalid_input"), ["as_of invalid"], "{wrong}");
    }
    let nobody = "/v1/audit/users/019ab6f2-7c40-7d3e-9a51-3f0c5b8e2d17";
    operator.get(nobody).await.problem(404, "not_found");
    operator.with("postkey-customer", "other").get(&path).await.problem(404, "not_found");
    assert_eq!(operator.with("postkey-customer", "acme").get(&path).await.is(200), now);

    let redacted = scene.stack.queries_as("auditor").get(&path).await.is(200);
    let mut expected = now.clone();
    for name in ["address", "first_name", "last_name"] {
        expected[name] = Value::Null;
    }
    expected["redacted"] = json!(true);
    assert_eq!(redacted, expected);
    assert_eq!(entitled(&scene).await.get(&path).await.is(200), now);
}

#[tokio::test]
async fn the_right_to_personal_data_is_an_auditors_alone() {
    let scene = Scene::set().await;
    let clients = scene.folder.file("clients.json");
    let mut new = stage::postkey(["token", "new", "--role", "webmail", "--name", "w", "--personal"]);
    new.arg("--clients-file").arg(clients);
    let refused = stage::run(new).await;
    assert!(refused.stderr.contains("--personal goes with --role auditor"), "{}", refused.stderr);
}
