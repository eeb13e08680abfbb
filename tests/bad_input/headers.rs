//! Headers of commands that can't be read.

use serde_json::json;
use stage::Scene;

#[tokio::test]
async fn headers_that_cannot_be_read_are_named() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    let edit = json!({"first_name": "Annie"});
    for (header, value, field) in [
        ("postkey-actor", "", "Postkey-Actor"),
        ("postkey-actor", "two words", "Postkey-Actor"),
        ("postkey-actor", &"a".repeat(129), "Postkey-Actor"),
        ("postkey-origin", "example.com", "Postkey-Origin"),
        ("postkey-origin", "192.0.2.1:80", "Postkey-Origin"),
        ("postkey-reason", "%zz", "Postkey-Reason"),
        ("postkey-reason", "%ff", "Postkey-Reason"),
        ("postkey-reason", "a%0Ab", "Postkey-Reason"),
        ("postkey-reason", &"a".repeat(501), "Postkey-Reason"),
        ("if-match", "7", "If-Match"),
    ] {
        let refused = scene.operator().with(header, value).patch(&scene.ann(), &edit).await;
        assert_eq!(refused.violations(422, "invalid_input"), [format!("{field} invalid")], "{header}: {value}");
    }
    assert_eq!(scene.stack.head().await, head);
    let good = scene.operator().with("postkey-actor", "user-4711").with("postkey-origin", "2001:db8::1");
    let good = good.with("postkey-reason", "asked%20by%20phone%20%C3%BC").with("prefer", "wait=999999, respond-async");
    good.patch(&scene.ann(), &edit).await.receipt(200, &["UserEdited"]);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_and_the_service_goes_on() {
    let scene = Scene::set().await;
    let answer = scene.operator().with("x-padding", &"x".repeat(100_000)).get("/v1/password-policy").await;
    assert_eq!(answer.status, 431, "{answer:?}");
    scene.operator().get("/v1/password-policy").await.is(200);
}
