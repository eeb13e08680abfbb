//! Rows that are changed behind our back are found while services run, and named.

use serde_json::json;
use stage::{PASSWORD, Scene, new_user, until};

/// Fast enough that a round takes no time.
const FAST: [(&str, &str); 1] = [("POSTKEY_DRIFT_ENTRIES_PER_SECOND", "1000000")];

#[tokio::test]
async fn rows_that_are_changed_by_hand_are_found_and_named_until_they_are_right_again() {
    let scene = Scene::set_with(&FAST).await;
    let bob = scene.added(&scene.service, &new_user("bob@acme.example")).await;
    let (ann, service) = (format!("user {}", scene.ann), format!("service {}", scene.service));
    let of_ann = "WHERE address = 'ann@acme.example'";
    let hash = "(SELECT password_hash FROM mailbox_user WHERE address = 'bob@acme.example')";
    let stray = "019e0000-0000-7000-8000-000000000001";
    let copied = "profile_key, quota_mib, state, revision FROM mailbox_user WHERE address = 'bob@acme.example'";
    let strange = if scene.is_on_servers() {
        format!(
            "INSERT INTO mailbox_user (generation, \"user\", service, address, first_name, last_name, profile_key, quota_mib, \
             state, revision) SELECT generation, '{stray}', '{stray}', 'eve@acme.example', 'Eve', 'Eve', {copied}"
        )
    } else {
        let id = stray.replace('-', "");
        format!(
            "INSERT INTO mailbox_user (generation, user, service, address, first_name, last_name, profile_key, quota_mib, \
             state, revision) SELECT generation, x'{id}', x'{id}', 'eve@acme.example', 'Eve', 'Eve', {copied}"
        )
    };
    let bob = format!("user {bob}");
    for (edit, named) in [
        (format!("UPDATE mailbox_user SET password_hash = {hash} {of_ann}"), &ann),
        (format!("UPDATE mailbox_user SET state = 'suspended' {of_ann}"), &ann),
        (format!("UPDATE mailbox_user SET quota_mib = 77 {of_ann}"), &ann),
        (format!("UPDATE mailbox_user SET state = 'mauve' {of_ann}"), &ann),
        ("UPDATE service SET customer = 'stranger'".to_owned(), &service),
        ("DELETE FROM mailbox_user WHERE address = 'bob@acme.example'".to_owned(), &bob),
        ("DELETE FROM service".to_owned(), &service),
        (strange, &format!("user {stray}")),
    ] {
        scene.stack.projection().is_in("drift", "green", "").await;
        scene.by_hand(&edit).await;
        scene.stack.projection().says("drift", named).await;
        let health = scene.stack.projection().get("/healthz").await;
        assert_eq!(health.status, 503, "a person is called: {health:?}");
        assert!(!health.text.contains("argon2") && !health.text.contains("eve@"), "no value: {health:?}");
        assert_eq!(scene.stack.projection().get("/readyz").await.status, 200, "{edit}: nobody is sent away");
        let state = scene.rebuilt(true).await;
        assert_eq!(state["state"], "swapped", "{edit}: {state}");
    }
    scene.stack.projection().is_well().await;
    scene.ann_signs_in(PASSWORD).await.is(200);
}

#[tokio::test]
async fn rows_that_nobody_has_touched_stay_well_while_everything_changes() {
    let scene = Scene::set_with(&FAST).await;
    let rounds = async || {
        let scrape = scene.stack.projection().get("/metrics").await;
        scrape.metric("postkey_drift_services_checked_total", &[]).unwrap_or(0.0)
    };
    let operator = scene.operator();
    for n in 0..12 {
        let before = rounds().await;
        let user = scene.added(&scene.service, &new_user(&format!("user{n}@acme.example"))).await;
        operator.patch(&scene.user(&user), &json!({"password": format!("Vkd9-mnRt-{n}")})).await.is(200);
        operator.patch(&scene.ann(), &json!({"first_name": format!("Ann{n}")})).await.is(200);
        operator.delete(&scene.user(&user)).await.is(200);
        operator.post_nothing(&format!("{}/erase", scene.user(&user))).await;
        if n % 4 == 0 {
            until("it is looked at", async || (rounds().await > before).then_some(())).await;
        }
        let health = scene.stack.projection().get("/healthz").await;
        let drift = health.body["checks"].as_array().unwrap().iter().find(|check| check["name"] == "drift").unwrap();
        assert_eq!(drift["status"], "green", "{health:?}");
    }
    let scrape = scene.stack.projection().get("/metrics").await;
    assert!(scrape.metric("postkey_drift_last_round_seconds", &[]).is_some(), "{}", scrape.text);
}

#[tokio::test]
async fn where_it_is_switched_off_nobody_looks() {
    let scene = Scene::set_with(&[("POSTKEY_DRIFT_ENTRIES_PER_SECOND", "0")]).await;
    let health = scene.stack.projection().get("/healthz").await;
    assert!(!health.text.contains("drift"), "{health:?}");
    let scrape = scene.stack.projection().get("/metrics").await;
    assert_eq!(scrape.metric("postkey_drift_services_checked_total", &[]), None);
}
