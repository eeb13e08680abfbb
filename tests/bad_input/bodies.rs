//! Bodies that are no JSON object, or too much of one.

use reqwest::Method;
use serde_json::json;
use stage::{Api, PASSWORD, Scene};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Every call that takes a body, with a body that it would take.
fn calls(scene: &Scene) -> Vec<(Api, Method, String, String)> {
    let (operator, webmail) = (scene.operator(), scene.stack.queries_as("webmail"));
    let own = json!({"address": "ann@acme.example", "current_password": PASSWORD, "new_password": "Tundra-58-quiver"});
    let plan = json!({"mailboxes": 10, "pool_bytes": 100 * stage::MIB});
    let provision = json!({"domain": "new.example", "customer": "acme", "plan": plan});
    let user = stage::new_user("new@acme.example");
    let verify = json!({"address": "ann@acme.example", "password": PASSWORD});
    let commands = [
        (Method::POST, "/v1/services".to_owned(), provision),
        (Method::PUT, format!("/v1/services/{}/plan", scene.service), plan),
        (Method::POST, scene.users(), user),
        (Method::PATCH, scene.ann(), json!({"first_name": "Annie"})),
        (Method::PUT, format!("{}/password", scene.ann()), json!({"password": "Tundra-58-quiver"})),
        (Method::POST, format!("{}/suspend", scene.ann()), json!({"reason": "left"})),
        (Method::POST, format!("{}/reactivate", scene.ann()), json!({"reason": "back"})),
        (Method::POST, format!("{}/erase", scene.ann()), json!({"reason": "asked for it"})),
        (Method::POST, "/v1/passwords/suggest".to_owned(), json!({})),
        (Method::POST, "/v1/passwords/check".to_owned(), json!({"password": PASSWORD})),
    ];
    let mut calls: Vec<_> =
        commands.into_iter().map(|(method, path, body)| (operator.clone(), method, path, body.to_string())).collect();
    calls.push((webmail, Method::POST, "/v1/auth/verify".to_owned(), verify.to_string()));
    calls.push((scene.stack.commands_as("webmail"), Method::POST, "/v1/self/password".to_owned(), own.to_string()));
    calls
        .into_iter()
        .map(|(api, method, path, body)| (api.with("content-type", "application/json"), method, path, body))
        .collect()
}

#[tokio::test]
async fn what_is_no_json_object_is_refused_everywhere() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    let malformed: [&[u8]; 12] = [
        b"{",
        b"nonsense",
        b"{\"password\":}",
        b"{'password':'x'}",
        b"{\"password\":\"x\"} {}",
        b"{\"password\":\"x\",}",
        b"\xff\xfe",
        b"{\"password\":\"\xff\"}",
        b"{\"password\":\"a\x00b\"}",
        b"{\"password\":\"a\nb\"}",
        br#"{"password":"\ud800"}"#,
        br#"{"password":"\udc00\ud800"}"#,
    ];
    for (api, method, path, _) in calls(&scene) {
        for body in malformed {
            let answer = api.send_bytes(method.clone(), &path, body).await;
            assert_eq!(
                answer.violations(422, "invalid_input"),
                ["body malformed"],
                "{}",
                String::from_utf8_lossy(body)
            );
        }
        for body in ["[]", "null", "\"text\"", "7", "true", "[{\"password\":\"x\"}]"] {
            let answer = api.send_bytes(method.clone(), &path, body).await;
            assert_eq!(answer.violations(422, "invalid_input"), ["body wrong_type"], "{body}");
        }
    }
    assert_eq!(scene.stack.head().await, head);
}

#[tokio::test]
async fn a_body_that_is_missing_is_refused_where_one_is_needed() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    for (api, method, path, _) in calls(&scene) {
        if ["suspend", "reactivate", "erase"].iter().any(|change| path.ends_with(change)) {
            continue;
        }
        let answer = api.send_bytes(method, &path, "").await;
        if path.ends_with("suggest") && answer.status == 200 {
            continue;
        }
        assert_eq!(answer.violations(422, "invalid_input"), ["body malformed"]);
    }
    assert_eq!(scene.stack.head().await, head);
}

#[tokio::test]
async fn a_body_of_64_kib_is_read_and_one_more_byte_is_too_large() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    for (api, method, path, body) in calls(&scene) {
        for bytes in [64 * 1024 + 1, 200_000, 900_000] {
            let padded = format!("{body}{}", " ".repeat(bytes - body.len()));
            api.send_bytes(method.clone(), &path, padded).await.problem(413, "too_large");
        }
        let nonsense = format!("{{{}", " ".repeat(64 * 1024 - 1));
        let answer = api.send_bytes(method, &path, nonsense).await;
        assert_eq!(answer.violations(422, "invalid_input"), ["body malformed"]);
    }
    assert_eq!(scene.stack.head().await, head);
    let edit = json!({"first_name": "Annie"}).to_string();
    let padded = format!("{edit}{}", " ".repeat(64 * 1024 - edit.len()));
    let api = scene.operator().with("content-type", "application/json");
    api.send_bytes(Method::PATCH, &scene.ann(), padded).await.receipt(200, &["UserEdited"]);
}

#[tokio::test]
async fn a_body_that_is_announced_as_far_too_large_is_refused_before_it_is_sent() {
    let scene = Scene::set().await;
    let address = scene.stack.command().address().to_owned();
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PATCH {} HTTP/1.1\r\nhost: postkey\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: 3000000000\r\n\r\n",
        scene.ann(),
        scene.stack.token("operator")
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    scene.operator().get("/v1/password-policy").await.is(200);
}

#[tokio::test]
async fn deep_nesting_is_refused_and_not_recursed_into() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    for (api, method, path, _) in calls(&scene) {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let depth = 30_000 / open.len();
            let nested = format!("{{\"first_name\":{}1{}}}", open.repeat(depth), close.repeat(depth));
            let answer = api.send_bytes(method.clone(), &path, nested).await;
            answer.problem(422, "invalid_input");
        }
    }
    assert_eq!(scene.stack.head().await, head);
    scene.ann_signs_in(PASSWORD).await.is(200);
}

#[tokio::test]
async fn a_body_that_does_not_say_that_it_is_json_is_not_read() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    for (api, method, path, body) in calls(&scene) {
        for other in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "json"] {
            let answer = api.with("content-type", other).send_bytes(method.clone(), &path, body.as_str()).await;
            answer.problem(415, "unsupported_media_type");
        }
    }
    assert_eq!(scene.stack.head().await, head);
    let api = scene.operator().with("content-type", "Application/JSON; charset=\"UTF-8\"");
    let body = json!({"first_name": "Annie"}).to_string();
    api.send_bytes(Method::PATCH, &scene.ann(), body).await.receipt(200, &["UserEdited"]);
}

#[tokio::test]
async fn every_call_refuses_fields_that_it_does_not_know_by_their_names() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    for (api, method, path, body) in calls(&scene) {
        let rest = body.strip_prefix('{').unwrap();
        let separator = if rest == "}" { "" } else { "," };
        let with_more = format!("{{\"admin\":true,\"Password\":\"x\"{separator}{rest}");
        let answer = api.send_bytes(method, &path, with_more).await;
        assert_eq!(answer.violations(422, "invalid_input"), ["Password unknown", "admin unknown"]);
    }
    assert_eq!(scene.stack.head().await, head);
}
