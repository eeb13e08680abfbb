//! The read model made anew from the log while services run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use stage::{PASSWORD, Scene, new_user, until};

#[tokio::test]
async fn a_rebuild_finds_sound_rows_as_the_log_has_them() {
    let scene = Scene::set().await;
    let bob = scene.added(&scene.service, &new_user("bob@acme.example")).await;
    scene.operator().delete(&scene.user(&bob)).await.is(200);
    let none = scene.queries().get("/v1/rebuild").await.is(200);
    assert_eq!((none["state"].as_str(), none["started_at"].is_null()), (Some("none"), true), "{none}");

    let (before, head) = (scene.queries().get(&scene.users()).await.is(200), scene.stack.head().await);
    let state = scene.rebuilt(false).await;
    assert_eq!((state["state"].as_str(), state["position"].as_u64()), (Some("swapped"), Some(head)), "{state}");
    assert_eq!((&state["differences"], state["failure"].is_null()), (&json!([]), true), "{state}");
    assert_eq!(scene.queries().get(&scene.users()).await.is(200), before);
    scene.ann_signs_in(PASSWORD).await.is(200);
    scene.stack.projection().is_well().await;
}

#[tokio::test]
async fn rows_that_were_changed_by_hand_are_named_and_replaced_only_where_that_is_accepted() {
    let scene = Scene::set().await;
    scene.by_hand("UPDATE mailbox_user SET quota_mib = 77 WHERE address = 'ann@acme.example'").await;
    let named = json!([format!("user {}", scene.ann)]);
    let state = scene.rebuilt(false).await;
    assert_eq!((state["state"].as_str(), &state["differences"]), (Some("refused"), &named), "{state}");
    assert!(state["failure"].as_str().unwrap().contains("nothing was changed"), "{state}");
    assert_eq!(scene.ann_now().await["quota_bytes"], 77 * stage::MIB, "nothing was");
    scene.stack.projection().says("rebuild", &scene.ann).await;
    assert_eq!(scene.stack.projection().get("/readyz").await.status, 200, "and nobody is sent away");

    let state = scene.rebuilt(true).await;
    assert_eq!((state["state"].as_str(), &state["differences"]), (Some("swapped"), &named), "{state}");
    assert_eq!(scene.ann_now().await["quota_bytes"], 10 * stage::MIB);
    scene.stack.projection().is_well().await;
}

#[tokio::test]
async fn rebuilds_while_people_sign_in_and_save_give_nobody_a_wrong_verdict_and_lose_nothing() {
    let scene = Arc::new(Scene::set().await);
    for n in 0..3 {
        scene.added(&scene.service, &new_user(&format!("user{n}@acme.example"))).await;
    }
    let over = Arc::new(AtomicBool::new(false));
    let signing_in = {
        let (scene, over) = (Arc::clone(&scene), Arc::clone(&over));
        tokio::spawn(async move {
            for n in (0..3).cycle().take_while(|_| !over.load(Ordering::SeqCst)) {
                scene.stack.login(&format!("user{n}@acme.example"), PASSWORD).await.is(200);
            }
        })
    };
    let saving = {
        let (scene, over) = (Arc::clone(&scene), Arc::clone(&over));
        tokio::spawn(async move {
            let (mut saved, mut before) = (0, PASSWORD.to_owned());
            while !over.load(Ordering::SeqCst) {
                saved += 1;
                let password = format!("Vkd9-mnRt-{saved}");
                let save = json!({"password": password, "first_name": format!("Ann{saved}")});
                let receipt = scene.operator().with("prefer", "wait=20").patch(&scene.ann(), &save).await.is(200);
                assert_eq!(receipt["effective"], true, "{receipt}");
                scene.ann_signs_in(&password).await.is(200);
                // From elsewhere each time: nobody is throttled.
                let origin = format!("192.0.2.{}", saved % 250);
                if saved <= 4 {
                    let old = scene.stack.login_from(&origin, "ann@acme.example", &before).await;
                    old.problem(401, "invalid_credentials");
                }
                before = password;
            }
            saved
        })
    };
    for _ in 0..5 {
        let state = scene.rebuilt(false).await;
        assert_eq!(state["state"], "swapped", "{state}");
    }
    over.store(true, Ordering::SeqCst);
    signing_in.await.unwrap();
    let saved = saving.await.unwrap();
    assert!(saved > 0);
    scene.stack.caught_up().await;
    assert_eq!(scene.ann_now().await["first_name"], format!("Ann{saved}"), "and none is lost");
    assert_eq!(scene.rebuilt(false).await["state"], "swapped", "rows are as the log has them");
}

#[tokio::test]
async fn a_rebuild_is_an_operators_and_what_is_wrong_with_it_is_named() {
    let scene = Scene::set().await;
    for role in ["panel", "webmail", "auditor", "service"] {
        let api = scene.stack.queries_as(role);
        api.post_nothing("/v1/rebuild").await.problem(403, "forbidden");
        api.get("/v1/rebuild").await.problem(403, "forbidden");
    }
    let operator = scene.queries();
    for wrong in [json!({"accept_differences": "true"}), json!({"accept_differences": 1}), json!({"colour": "mauve"})] {
        operator.post("/v1/rebuild", &wrong).await.problem(422, "invalid_input");
    }
    assert_eq!(operator.get("/v1/rebuild").await.is(200)["state"], "none");
    operator.post_nothing("/v1/rebuild").await.is(202);
    until("the rebuild ends", async || {
        let state = operator.get("/v1/rebuild").await.is(200);
        (state["state"] == "swapped").then_some(())
    })
    .await;
}
