//! Whose services a client may see: its own customer's, and nobody else's.

use serde_json::{Value, json};
use stage::{Api, MIB, PASSWORD, Scene, new_user};

/// The customer `acme` with Ann, and another customer's service.
struct Neighbours {
    scene: Scene,
    other: String,
    eve: String,
}

async fn neighbours() -> Neighbours {
    let scene = Scene::set().await;
    let other = scene.provisioned("other.example", "other", 10, 100 * MIB).await;
    let eve = scene.added(&other, &new_user("eve@other.example")).await;
    Neighbours { scene, other, eve }
}

/// Everything that can be asked about another's service and user, as (method, path, body).
fn everything(service: &str, user: &str) -> Vec<(reqwest::Method, String, Option<Value>)> {
    use reqwest::Method;
    let (users, user) = (format!("/v1/services/{service}/users"), format!("/v1/services/{service}/users/{user}"));
    vec![
        (Method::POST, users, Some(new_user("new@other.example"))),
        (Method::PATCH, user.clone(), Some(json!({"first_name": "Mallory"}))),
        (Method::PATCH, user.clone(), Some(json!({}))),
        (Method::PUT, format!("{user}/password"), Some(json!({"password": "Tundra-58-quiver"}))),
        (Method::POST, format!("{user}/suspend"), None),
        (Method::POST, format!("{user}/reactivate"), None),
        (Method::DELETE, user, None),
    ]
}

/// A problem without the request's id.
fn said(mut problem: Value) -> Value {
    problem["request_id"].take();
    problem
}

async fn finds_nothing_of(commands: &Api, queries: &Api, service: &str, user: &str) {
    // To the letter what is said of a service that does not exist: a domain's id can be computed by anybody.
    let nowhere = everything(&uuid::Uuid::from_u128(7).to_string(), user);
    for ((method, path, body), (_, nowhere, _)) in everything(service, user).into_iter().zip(nowhere) {
        let hidden = commands.send(method.clone(), &path, body.as_ref()).await.problem(404, "not_found");
        let absent = commands.send(method, &nowhere, body.as_ref()).await.problem(404, "not_found");
        assert_eq!(said(hidden), said(absent), "{path}");
    }
    queries.get(&format!("/v1/services/{service}")).await.problem(404, "not_found");
    queries.get(&format!("/v1/services/{service}/users")).await.problem(404, "not_found");
    queries.get(&format!("/v1/services/{service}/users/{user}")).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_panel_of_one_customer_finds_nothing_of_another() {
    let Neighbours { scene, other, eve } = neighbours().await;
    let token = scene.stack.new_token(&scene.folder, "panel", "acme-panel", Some("acme")).await;
    let (commands, queries) = (scene.stack.command().bearing(&token), scene.stack.projection().bearing(&token));
    let head = scene.stack.head().await;
    finds_nothing_of(&commands, &queries, &other, &eve).await;
    let listed = queries.get("/v1/services").await.is(200);
    assert_eq!(listed["services"].as_array().unwrap().len(), 1);
    assert_eq!(listed["services"][0]["service"], json!(scene.service));
    assert_eq!(queries.get("/v1/services?customer=other").await.is(200), json!({"services": [], "next": null}));
    let as_other = queries.with("postkey-customer", "other");
    as_other.get(&format!("/v1/services/{}", scene.service)).await.problem(403, "forbidden");
    as_other.get(&format!("/v1/services/{other}")).await.problem(403, "forbidden");
    let as_other = commands.with("postkey-customer", "other");
    as_other.patch(&scene.ann(), &json!({"first_name": "Annie"})).await.problem(403, "forbidden");
    as_other
        .patch(&format!("/v1/services/{other}/users/{eve}"), &json!({"first_name": "M"}))
        .await
        .problem(403, "forbidden");
    assert_eq!(scene.stack.head().await, head);
    scene.stack.login("eve@other.example", PASSWORD).await.is(200);

    commands.patch(&scene.ann(), &json!({"first_name": "Annie"})).await.receipt(200, &["UserEdited"]);
    let with_header = commands.with("postkey-customer", "acme");
    with_header.patch(&scene.ann(), &json!({"first_name": "Anna"})).await.receipt(200, &["UserEdited"]);
    assert_eq!(queries.get(&scene.ann()).await.is(200)["first_name"], "Anna");
}

#[tokio::test]
async fn another_customers_user_is_not_reached_through_ones_own_service() {
    let Neighbours { scene, eve, .. } = neighbours().await;
    let head = scene.stack.head().await;
    let panel = scene.stack.commands_as("panel");
    for (method, path, body) in everything(&scene.service, &eve).into_iter().skip(1) {
        panel.send(method, &path, body.as_ref()).await.problem(404, "not_found");
    }
    scene.stack.queries_as("panel").get(&scene.user(&eve)).await.problem(404, "not_found");
    assert_eq!(scene.stack.head().await, head);
}

#[tokio::test]
async fn a_panel_of_all_customers_is_held_to_the_one_that_it_names() {
    let Neighbours { scene, other, eve } = neighbours().await;
    let (commands, queries) = (scene.stack.commands_as("panel"), scene.stack.queries_as("panel"));
    let head = scene.stack.head().await;
    finds_nothing_of(&commands, &queries, &other, &eve).await;
    assert_eq!(queries.get("/v1/services?customer=other").await.is(200), json!({"services": [], "next": null}));
    assert_eq!(scene.stack.head().await, head);
    let as_other = queries.with("postkey-customer", "other");
    assert_eq!(as_other.get(&format!("/v1/services/{other}")).await.is(200)["customer"], "other");
    as_other.get(&scene.ann()).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_panel_of_all_customers_that_names_none_is_told_which_header_is_missing() {
    let Neighbours { scene, other, eve } = neighbours().await;
    let token = scene.stack.token("panel");
    let (commands, queries) = (scene.stack.command().bearing(token), scene.stack.projection().bearing(token));
    let missing = ["Postkey-Customer missing"];
    for (method, path, body) in everything(&other, &eve) {
        let answer = commands.send(method, &path, body.as_ref()).await;
        assert_eq!(answer.violations(422, "invalid_input"), missing);
    }
    let paths = [
        "/v1/services",
        &format!("/v1/services/{other}"),
        &format!("/v1/services/{other}/users"),
        &format!("/v1/services/{other}/users/{eve}"),
    ];
    for path in paths {
        assert_eq!(queries.get(path).await.violations(422, "invalid_input"), missing, "{path}");
    }
    for wrong in ["", "a b", "*", &"c".repeat(65)] {
        let answer = queries.with("postkey-customer", wrong).get("/v1/services").await;
        assert_eq!(answer.violations(422, "invalid_input"), ["Postkey-Customer invalid"], "{wrong}");
    }
}

#[tokio::test]
async fn an_operator_sees_all_customers_or_the_one_that_it_names() {
    let Neighbours { scene, other, eve } = neighbours().await;
    let domains = |listed: Value| -> Vec<String> {
        let services = listed["services"].as_array().unwrap();
        services.iter().map(|service| service["domain"].as_str().unwrap().to_owned()).collect()
    };
    let queries = scene.queries();
    assert_eq!(domains(queries.get("/v1/services").await.is(200)), ["acme.example", "other.example"]);
    assert_eq!(domains(queries.get("/v1/services?customer=other").await.is(200)), ["other.example"]);
    let held = queries.with("postkey-customer", "acme");
    assert_eq!(domains(held.get("/v1/services").await.is(200)), ["acme.example"]);
    held.get(&format!("/v1/services/{other}")).await.problem(404, "not_found");
    finds_nothing_of(&scene.operator().with("postkey-customer", "acme"), &held, &other, &eve).await;
    let plan = json!({"mailboxes": 1, "pool_bytes": MIB});
    let body = json!({"domain": "new.example", "customer": "other", "plan": plan});
    scene.operator().with("postkey-customer", "acme").post("/v1/services", &body).await.problem(403, "forbidden");
    queries.get(&format!("/v1/services/{other}")).await.is(200);
}

#[tokio::test]
async fn the_domain_of_another_customer_is_taken_without_saying_whose_it_is() {
    let Neighbours { scene, .. } = neighbours().await;
    let plan = json!({"mailboxes": 1, "pool_bytes": MIB});
    let body = json!({"domain": "other.example", "customer": "acme", "plan": plan});
    let problem = scene.operator().post("/v1/services", &body).await.problem(409, "domain_taken");
    assert!(!problem["detail"].as_str().unwrap().contains("customer other"), "{problem}");
}
