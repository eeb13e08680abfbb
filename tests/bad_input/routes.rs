//! Routes, methods and ids that there are not.

use reqwest::Method;
use serde_json::{Value, json};
use stage::Scene;

#[tokio::test]
async fn an_unknown_route_is_not_found_on_either_service_by_whoever_asks() {
    let scene = Scene::set().await;
    let strangers = [scene.stack.command().clone(), scene.stack.projection().clone()];
    for api in [scene.operator(), scene.queries()].iter().chain(&strangers) {
        for path in ["/", "/v1", "/v1/", "/v2/services", "/v1/services/", "/v1/nothing", "/V1/services", "/%00"] {
            api.get(path).await.problem(404, "not_found");
        }
    }
}

#[tokio::test]
async fn another_method_is_refused_and_the_allowed_ones_are_named() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    let ann = scene.ann();
    for (method, path, allowed) in [
        (Method::GET, "/v1/services".to_owned(), "POST"),
        (Method::DELETE, "/v1/services".to_owned(), "POST"),
        (Method::GET, format!("{ann}/suspend"), "POST"),
        (Method::POST, format!("{ann}/password"), "PUT"),
        (Method::POST, "/v1/password-policy".to_owned(), "GET"),
        (Method::GET, "/v1/passwords/suggest".to_owned(), "POST"),
    ] {
        let answer = scene.operator().send(method, &path, Some(&json!({}))).await;
        assert!(answer.header("allow").contains(allowed), "{answer:?}");
        answer.problem(405, "method_not_allowed");
    }
    for (method, path, allowed) in [
        (Method::GET, "/v1/auth/verify", "POST"),
        (Method::POST, "/v1/position", "GET"),
        (Method::DELETE, "/v1/services", "GET"),
        (Method::PATCH, &ann, "GET"),
        (Method::POST, "/healthz", "GET"),
    ] {
        let answer = scene.queries().send(method, path, Some(&json!({}))).await;
        assert!(answer.header("allow").contains(allowed), "{answer:?}");
        answer.problem(405, "method_not_allowed");
    }
    assert_eq!(scene.stack.head().await, head);
}

#[tokio::test]
async fn an_id_that_cannot_be_one_is_not_found() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    let (service, ann) = (scene.service.clone(), scene.ann.clone());
    let wrong = |id: &str| {
        vec![
            "x".to_owned(),
            "0".to_owned(),
            "%20".to_owned(),
            "%ff".to_owned(),
            "ann@acme.example".to_owned(),
            id.replace('-', ""),
            format!("{id}0"),
            format!("%7B{id}%7D"),
            format!("urn:uuid:{id}"),
            id.replace('-', "_"),
        ]
    };
    let edit = json!({"first_name": "Annie"});
    for user in wrong(&ann) {
        scene.operator().patch(&scene.user(&user), &edit).await.problem(404, "not_found");
        scene.operator().delete(&scene.user(&user)).await.problem(404, "not_found");
        scene.queries().get(&scene.user(&user)).await.problem(404, "not_found");
    }
    for service in wrong(&service) {
        let path = format!("/v1/services/{service}");
        scene.operator().patch(&format!("{path}/users/{ann}"), &edit).await.problem(404, "not_found");
        scene
            .operator()
            .post(&format!("{path}/users"), &stage::new_user("b@acme.example"))
            .await
            .problem(404, "not_found");
        scene.queries().get(&path).await.problem(404, "not_found");
        scene.queries().get(&format!("{path}/users")).await.problem(404, "not_found");
        scene.queries().get(&format!("{path}/users/{ann}")).await.problem(404, "not_found");
    }
    assert_eq!(scene.stack.head().await, head);
}

#[tokio::test]
async fn a_query_parameter_that_a_list_does_not_know_is_refused_by_name() {
    let scene = Scene::set().await;
    for (path, parameter) in [("/v1/services", "color"), (&scene.users(), "color"), ("/v1/position", "color")] {
        let refused = scene.queries().get(&format!("{path}?{parameter}=red")).await;
        assert_eq!(refused.violations(422, "invalid_input"), [format!("{parameter} unknown")]);
    }
    let refused = scene.queries().get("/v1/services?customer=a%20b").await;
    assert_eq!(refused.violations(422, "invalid_input"), ["customer invalid"]);
    let refused = scene.queries().get("/v1/services?customer=%ff").await;
    assert_eq!(refused.violations(422, "invalid_input"), ["customer malformed"]);
}

#[tokio::test]
async fn answers_are_not_to_be_cached_or_sniffed() {
    let scene = Scene::set().await;
    for answer in [scene.queries().get(&scene.ann()).await, scene.queries().get("/nowhere").await] {
        assert_eq!((answer.header("cache-control"), answer.header("x-content-type-options")), ("no-store", "nosniff"));
        assert_ne!(answer.body, Value::Null);
    }
}
