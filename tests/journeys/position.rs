//! How far the log is applied, and waiting for it.

use std::time::{Duration, Instant};

use serde_json::json;
use stage::Scene;

#[tokio::test]
async fn the_position_says_how_far_the_log_is_applied() {
    let scene = Scene::set().await;
    let receipt = scene.operator().patch(&scene.ann(), &json!({"first_name": "Annie"})).await;
    let receipt = receipt.receipt(200, &["UserEdited"]);
    let position = scene.queries().get("/v1/position").await.is(200);
    assert_eq!((&position["position"], &position["head"]), (&receipt["position"], &receipt["position"]));
    assert_eq!(position["lag_seconds"].as_f64(), Some(0.0), "{position}");
}

#[tokio::test]
async fn a_position_that_is_waited_for_is_answered_once_it_is_reached() {
    let scene = Scene::set().await;
    let next = scene.stack.head().await + 1;
    let queries = scene.queries();
    let waiting = tokio::spawn(async move {
        let position = queries.get(&format!("/v1/position?at_least={next}&wait=30")).await.is(200);
        (position, Instant::now())
    });
    scene.operator().patch(&scene.ann(), &json!({"first_name": "Annie"})).await.is(200);
    let changed = Instant::now();
    let (position, answered) = waiting.await.unwrap();
    assert_eq!(position["position"], next);
    assert!(answered.saturating_duration_since(changed) < Duration::from_secs(5));
}

#[tokio::test]
async fn a_position_that_is_not_reached_in_time_is_answered_with_the_present_one() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    for query in [format!("at_least={}&wait=1", head + 1), format!("at_least={}", head + 100), "wait=5".to_owned()] {
        let asked = Instant::now();
        let position = scene.queries().get(&format!("/v1/position?{query}")).await.is(200);
        assert_eq!((&position["position"], &position["head"]), (&json!(head), &json!(head)), "{query}");
        assert!(asked.elapsed() < Duration::from_secs(4), "{query}");
    }
}

#[tokio::test]
async fn a_position_that_cannot_be_one_is_refused() {
    let scene = Scene::set().await;
    let refused = scene.queries().get("/v1/position?at_least=-1&wait=soon&color=red").await;
    let expected = ["at_least malformed", "color unknown", "wait malformed"];
    assert_eq!(refused.violations(422, "invalid_input"), expected);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_those_who_wait() {
    let scene = Scene::set().await;
    let queries = scene.queries();
    let waiting = tokio::spawn(async move { queries.get("/v1/position?at_least=1000&wait=30").await });
    scene.queries().get("/v1/position").await.is(200);
    let begun = Instant::now();
    scene.stack.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    // It was answered, or had not arrived yet and was refused a connection.
    if let Ok(answer) = waiting.await {
        answer.is(200);
    }
}
