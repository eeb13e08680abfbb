//! Lists: in pages, in an order that stands still, without a row twice or none.

use serde_json::{Value, json};
use stage::{Api, MIB, Scene, new_user};

/// Walks a list to its end, in pages of `limit`.
async fn walked(api: &Api, path: &str, kind: &str, limit: usize) -> Vec<Value> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{path}?limit={limit}{after}")).await.is(200);
        let page_rows = page[kind].as_array().unwrap();
        assert!(page_rows.len() <= limit, "{page}");
        rows.extend(page_rows.iter().cloned());
        match page["next"].as_str() {
            Some(next) => {
                assert_eq!(page_rows.len(), limit, "a page that is not the last is full: {page}");
                after = format!("&after={next}");
            }
            None => {
                assert_eq!(page["next"], Value::Null);
                return rows;
            }
        }
    }
}

#[tokio::test]
async fn users_are_listed_in_the_order_in_which_they_were_added() {
    let scene = Scene::set().await;
    let mut added = vec![json!(scene.ann)];
    for local in ["zoe", "bob", "mia", "eve"] {
        added.push(json!(scene.added(&scene.service, &new_user(&format!("{local}@acme.example"))).await));
    }
    for limit in [1, 2, 3, 5, 500] {
        let rows = walked(&scene.queries(), &scene.users(), "users", limit).await;
        let ids: Vec<_> = rows.into_iter().map(|row| row["user"].clone()).collect();
        assert_eq!(ids, added, "in pages of {limit}");
    }
    let all = scene.queries().get(&scene.users()).await.is(200);
    assert_eq!((all["users"].as_array().unwrap().len(), &all["next"]), (5, &Value::Null));
}

#[tokio::test]
async fn a_walk_is_not_upset_by_changes_on_the_way() {
    let scene = Scene::set().await;
    let bob = scene.added(&scene.service, &new_user("bob@acme.example")).await;
    let first = scene.queries().get(&format!("{}?limit=1", scene.users())).await.is(200);
    scene.operator().delete(&scene.ann()).await.is(200);
    let eve = scene.added(&scene.service, &new_user("eve@acme.example")).await;
    let path = format!("{}?after={}", scene.users(), first["next"].as_str().unwrap());
    let rest = scene.queries().get(&path).await.is(200);
    let ids: Vec<_> = rest["users"].as_array().unwrap().iter().map(|row| row["user"].clone()).collect();
    assert_eq!(ids, [json!(bob), json!(eve)]);
}

#[tokio::test]
async fn services_are_listed_in_the_order_of_their_domains() {
    let scene = Scene::set().await;
    for domain in ["zebra.example", "bison.example", "aardvark.example"] {
        scene.provisioned(domain, "acme", 1, MIB).await;
    }
    scene.provisioned("camel.example", "other", 1, MIB).await;
    for limit in [1, 2, 3, 500] {
        let rows = walked(&scene.stack.queries_as("panel"), "/v1/services", "services", limit).await;
        let domains: Vec<_> = rows.iter().map(|row| row["domain"].as_str().unwrap()).collect();
        assert_eq!(domains, ["aardvark.example", "acme.example", "bison.example", "zebra.example"]);
    }
}

#[tokio::test]
async fn a_list_has_fifty_rows_by_default_and_the_next_page_the_rest() {
    let scene = Scene::set().await;
    for number in 0..50 {
        scene.provisioned(&format!("d{number:02}.example"), "acme", 1, MIB).await;
    }
    let first = scene.queries().get("/v1/services").await.is(200);
    assert_eq!(first["services"].as_array().unwrap().len(), 50);
    let path = format!("/v1/services?after={}", first["next"].as_str().unwrap());
    let rest = scene.queries().get(&path).await.is(200);
    assert_eq!((rest["services"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
}

#[tokio::test]
async fn a_limit_or_cursor_that_cannot_be_one_is_refused_with_everything_else_that_is_wrong() {
    let scene = Scene::set().await;
    for (query, expected) in [
        ("limit=0", &["limit invalid"][..]),
        ("limit=501", &["limit invalid"]),
        ("limit=-1", &["limit malformed"]),
        ("limit=x&after=%21&color=red", &["after invalid", "color unknown", "limit malformed"]),
        ("limit=1&limit=2", &["limit repeated"]),
    ] {
        for path in ["/v1/services", &scene.users()] {
            let refused = scene.queries().get(&format!("{path}?{query}")).await;
            assert_eq!(refused.violations(422, "invalid_input"), expected, "{path}?{query}");
        }
    }
}

#[tokio::test]
async fn a_list_of_a_service_that_does_not_exist_is_not_found() {
    let scene = Scene::set().await;
    let nowhere = "/v1/services/01997b5c-0000-5000-8000-000000000000";
    scene.queries().get(nowhere).await.problem(404, "not_found");
    scene.queries().get(&format!("{nowhere}/users")).await.problem(404, "not_found");
    scene.queries().get(&format!("{nowhere}/users/{}", scene.ann)).await.problem(404, "not_found");
    scene.queries().get(&scene.user("01997b5c-0000-7000-8000-000000000000")).await.problem(404, "not_found");
}

#[tokio::test]
async fn no_answer_about_a_user_holds_a_hash() {
    let scene = Scene::set().await;
    for path in [scene.ann(), scene.users()] {
        let answer = scene.queries().get(&path).await;
        assert!(!answer.text.contains("argon2") && !answer.text.contains("hash"), "{answer:?}");
        answer.is(200);
    }
}
