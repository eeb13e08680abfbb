//! Lists: in pages, in an order that stands still, without a row twice or none.

use serde_json::{Value, json};
use stage::{Api, MIB, Scene, new_user};

/// Walks a list to its end, in pages of `limit`.
async fn walked(api: &Api, path: &str, kind: &str, limit: usize) -> Vec<Value> {
    walked_while(api, &format!("{path}?limit={limit}"), kind, limit, async |_| {}).await
}

/// Walks a list to its end; before the second page, the third and so on, something happens.
async fn walked_while(api: &Api, path: &str, kind: &str, limit: usize, happens: impl AsyncFn(usize)) -> Vec<Value> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    for turned in 1.. {
        let page = api.get(&format!("{path}{after}")).await.is(200);
        let page_rows = page[kind].as_array().unwrap();
        assert!(page_rows.len() <= limit, "{page}");
        rows.extend(page_rows.iter().cloned());
        match page["next"].as_str() {
            Some(next) => {
                assert_eq!(page_rows.len(), limit, "a page that is not the last is full: {page}");
                after = format!("&after={next}");
                happens(turned).await;
            }
            None => {
                assert_eq!(page["next"], Value::Null);
                break;
            }
        }
    }
    rows
}

/// The texts that rows have of this name.
fn texts(rows: &[Value], name: &str) -> Vec<String> {
    rows.iter().map(|row| row[name].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn users_who_are_added_one_after_the_other_are_listed_in_that_order() {
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
async fn a_walk_over_users_comes_once_upon_each_who_stays_while_many_are_added_removed_and_erased() {
    let scene = Scene::set().await;
    let mut there = vec![scene.ann.clone()];
    for local in ["bob", "mia", "eve", "zoe"] {
        there.push(scene.added(&scene.service, &new_user(&format!("{local}@acme.example"))).await);
    }
    let operator = scene.operator().with("prefer", "wait=30");
    // Ann, who was seen, and Zoe, who was not, are erased; Eve is only removed.
    let gone = [&there[0], &there[4]];
    let path = format!("{}?limit=1", scene.users());
    let queries = scene.queries();
    let walk = walked_while(&queries, &path, "users", 1, async |turned| match turned {
        1 => {
            for user in gone {
                operator.delete(&scene.user(user)).await.is(200);
                operator.post_nothing(&format!("{}/erase", scene.user(user))).await.is(200);
            }
        }
        2 => drop(operator.delete(&scene.user(&there[3])).await.is(200)),
        _ => {}
    });
    let adds = |who: usize| {
        let scene = &scene;
        async move {
            scene.added(&scene.service, &new_user(&format!("new-{who}@acme.example"))).await;
        }
    };
    let (seen, _) = tokio::join!(walk, futures::future::join_all((0..4).map(adds)));
    let seen = texts(&seen, "user");
    assert!(seen.is_sorted_by(|one, next| one < next), "nobody twice, in the order of the ids: {seen:?}");
    let (stay, left): (Vec<_>, Vec<_>) = there.iter().partition(|user| !gone.contains(user));
    assert!(stay.iter().all(|user| seen.contains(user)), "{seen:?} without one of {stay:?}");
    assert!(seen.contains(left[0]) && !seen.contains(left[1]), "{seen:?}");
    let after = texts(&walked(&queries, &scene.users(), "users", 500).await, "user");
    assert_eq!(after.len(), stay.len() + 4);
    assert!(seen.iter().all(|user| after.contains(user) || gone.contains(&user)), "{seen:?}");
}

#[tokio::test]
async fn a_walk_over_services_comes_once_upon_each_that_was_there_and_upon_those_that_come_behind() {
    let scene = Scene::set().await;
    for domain in ["bison.example", "mole.example", "zebra.example"] {
        scene.provisioned(domain, "acme", 1, MIB).await;
    }
    let queries = scene.queries();
    let seen = walked_while(&queries, "/v1/services?limit=1", "services", 1, async |turned| {
        if turned == 2 {
            for domain in ["aardvark.example", "bear.example", "camel.example", "yak.example"] {
                scene.provisioned(domain, "acme", 1, MIB).await;
            }
        }
    });
    let expected = ["acme.example", "bison.example", "camel.example", "mole.example", "yak.example", "zebra.example"];
    assert_eq!(texts(&seen.await, "domain"), expected);
}

#[tokio::test]
async fn a_walk_over_what_is_searched_for_comes_once_upon_each_who_is_found_throughout() {
    let scene = Scene::set().await;
    let mut ids = Vec::new();
    for n in 0..8 {
        let mut user = new_user(&format!("user{n}@acme.example"));
        user["first_name"] = if n % 4 == 0 { "Other" } else { "Found" }.into();
        ids.push(scene.added(&scene.service, &user).await);
    }
    let path = format!("{}?search=found&limit=1", scene.users());
    let queries = scene.queries();
    let seen = walked_while(&queries, &path, "users", 1, async |turned| {
        // 1 and 2 were seen: one of them leaves the search and one leaves and comes back. 0 comes before them, 4 behind; and of
        // those that are still to be seen 5 leaves, and 6 leaves and comes back.
        let renamed: &[(usize, &str)] = match turned {
            2 => &[(1, "Other"), (2, "Other"), (0, "Found"), (4, "Found"), (5, "Other"), (6, "Other")],
            3 => &[(2, "Found"), (6, "Found")],
            _ => &[],
        };
        for (user, first_name) in renamed {
            let edit = json!({"first_name": first_name});
            scene.operator().patch(&scene.user(&ids[*user]), &edit).await.receipt(200, &["UserEdited"]);
        }
    });
    let expected: Vec<_> = [1, 2, 3, 4, 6, 7].map(|n: usize| ids[n].clone()).into();
    assert_eq!(texts(&seen.await, "user"), expected);
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
async fn a_cursor_is_taken_by_its_own_list_only() {
    let scene = Scene::set().await;
    let other = scene.provisioned("bison.example", "acme", 1, MIB).await;
    scene.added(&scene.service, &new_user("bob@acme.example")).await;
    let next = async |path: &str| {
        let page = scene.queries().get(&format!("{path}?limit=1")).await.is(200);
        page["next"].as_str().unwrap().to_owned()
    };
    let (of_services, of_users) = (next("/v1/services").await, next(&scene.users()).await);
    for (path, cursor) in [
        ("/v1/services", &of_users),
        (scene.users().as_str(), &of_services),
        (&format!("/v1/services/{other}/users"), &of_users),
        ("/v1/services?customer=acme", &of_services),
    ] {
        let query = if path.contains('?') { '&' } else { '?' };
        let refused = scene.queries().get(&format!("{path}{query}after={cursor}")).await;
        assert_eq!(refused.violations(422, "invalid_input"), ["after invalid"], "{path}");
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
