//! The OpenAPI documents, and the page to read them with.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use stage::{Answer, Api, Document, Scene, Sent};

async fn both(scene: &Scene) -> [Api; 2] {
    [scene.stack.command().clone(), scene.stack.projection().clone()]
}

/// Every object in a document, wherever it stands.
fn objects<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            found.push(value);
            fields.values().for_each(|field| objects(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| objects(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn both_services_say_of_each_route_what_it_takes_and_answers() {
    let scene = Scene::set().await;
    for api in both(&scene).await {
        let document = api.document().await;
        assert_eq!(document.json()["openapi"], "3.1.0");
        let mut ids = HashSet::new();
        let operations = document.operations();
        assert!(operations.len() > 7, "{operations:#?}");
        for (method, path, operation) in operations {
            let named = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{named}");
            assert!(operation["summary"].as_str().is_some_and(|summary| summary.len() > 5), "{named}");
            assert!(operation["responses"]["500"].is_object(), "{named}");
            let open = operation["security"].as_array().unwrap().is_empty();
            assert_eq!(operation["responses"]["401"].is_null(), open, "{named}");
            // It is there, and wants to know who asks where it says so.
            let id = "02e9e262-7249-52a8-8184-8d09f0203163";
            let target = path.replace("{service}", id).replace("{user}", id);
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let status = api.send(method, &target, None).await.status;
            assert_eq!(status, if open { 200 } else { 401 }, "{named}");
        }
    }
}

#[tokio::test]
async fn references_lead_somewhere_and_examples_are_what_the_schemas_say() {
    let scene = Scene::set().await;
    for api in both(&scene).await {
        let document = api.document().await;
        let mut found = Vec::new();
        objects(document.json(), &mut found);
        let mut examples = 0;
        for object in found {
            if object["$ref"].is_string() {
                assert!(document.resolve(object).is_object(), "{object}");
            }
            let named = object["examples"].as_object().into_iter().flatten().map(|(_, example)| &example["value"]);
            for example in named.chain(object.get("example").filter(|_| object.get("schema").is_some())) {
                fits(document, example, &object["schema"]);
                examples += 1;
            }
        }
        assert!(examples > 50, "{examples}");
    }
}

#[track_caller]
fn fits(document: &Document, example: &Value, schema: &Value) {
    document.fits(example, schema).unwrap_or_else(|why| panic!("{why}: {example} is not {schema}"));
}

#[tokio::test]
async fn the_page_loads_everything_from_the_service_itself() {
    let scene = Scene::set().await;
    for api in both(&scene).await {
        let page = api.get("/docs").await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!page.text.contains("://"), "{page:?}");
        let named: Vec<_> = page.text.split(['=', ' ', '>']).filter(|word| word.starts_with("docs/")).collect();
        assert_eq!(named.len(), 3, "{named:?}");
        for file in named {
            let answer = api.get(&format!("/{file}")).await;
            assert_eq!(answer.status, 200, "{file}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{file}");
        }
        api.get("/docs/oauth2-redirect.html").await.problem(404, "not_found");
    }
}

/// Whether the document has something against it.
fn is_found(document: &Document, sent: Sent<'_>, answer: &Answer) -> bool {
    catch_unwind(AssertUnwindSafe(|| document.check(sent, answer))).is_err()
}

/// Whatever can be got can be asked for without its body: the same status, the same headers.
#[tokio::test]
async fn head_is_answered_as_get_is_without_a_body() {
    let scene = Scene::set().await;
    let (ann, acme) = (scene.ann(), format!("/v1/services/{}", scene.service));
    let with_a_document = [
        (scene.operator(), vec!["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/v1/password-policy"]),
        (scene.queries(), vec!["/healthz", "/v1/position", "/v1/services", "/v1/audit/events", &acme, &ann]),
        (scene.queries(), vec!["/v1/services?limit=0", "/v1/services/none", "/v1/nowhere", "/v1/auth/verify"]),
        (scene.stack.projection().clone(), vec!["/v1/services"]),
    ];
    for (api, paths) in with_a_document {
        for path in paths {
            let (got, head) = (api.get(path).await, api.send(Method::HEAD, path, None).await);
            assert_eq!((head.status, head.text.as_str()), (got.status, ""), "{head:?}");
            for name in ["content-type", "etag", "allow", "cache-control", "www-authenticate"] {
                assert_eq!(head.header(name), got.header(name), "{name}: {head:?}");
            }
        }
    }
    let (queries, bearing) = (scene.queries(), headers(&[BEARING]));
    let (document, mut head) = (queries.document().await, queries.send(Method::HEAD, &ann, None).await);
    let sent = Sent { method: "HEAD", ..asked(&ann, &bearing) };
    document.check(sent, &head);
    for change in [|head: &mut Answer| "{}".clone_into(&mut head.text), |head: &mut Answer| head.status = 201] {
        let mut wrong = head.clone();
        change(&mut wrong);
        assert!(is_found(document, sent, &wrong), "{wrong:?}");
    }
    head.headers.remove("x-request-id");
    assert!(is_found(document, sent, &head), "{head:?}");
}

fn asked<'a>(target: &'a str, headers: &'a HeaderMap) -> Sent<'a> {
    Sent { method: "GET", target, headers, body: None }
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

const BEARING: (&str, &str) = ("authorization", "Bearer x");

#[tokio::test]
async fn an_answer_that_the_document_does_not_know_is_found() {
    let scene = Scene::set().await;
    let (api, ann) = (scene.queries(), scene.ann());
    let document = api.document().await;
    let (user, refused) = (api.get(&ann).await, scene.stack.projection().get(&ann).await);
    let bearing = headers(&[BEARING]);
    let wrong = |path: &str, change: &dyn Fn(&mut Answer), answer: &Answer| {
        let mut answer = answer.clone();
        change(&mut answer);
        assert!(is_found(document, asked(path, &bearing), &answer), "{answer:?}");
    };
    document.check(asked(&ann, &bearing), &user);
    document.check(asked(&ann, &bearing), &refused);
    wrong("/v1/unknown", &|_| {}, &user);
    wrong(&ann, &|answer| answer.status = 201, &user);
    wrong(&ann, &|answer| answer.body["hash"] = json!("x"), &user);
    wrong(&ann, &|answer| answer.body["revision"] = json!("1"), &user);
    wrong(&ann, &|answer| answer.body["revision"] = json!(-1), &user);
    wrong(&ann, &|answer| answer.body["address"] = json!(1), &user);
    wrong(&ann, &|answer| answer.body["user"] = json!("ann"), &user);
    wrong(&ann, &|answer| answer.body["credential_changed_at"] = json!("today"), &user);
    wrong(&ann, &|answer| drop(answer.body.as_object_mut().unwrap().remove("state")), &user);
    wrong(&ann, &|answer| drop(answer.headers.remove("x-request-id")), &user);
    wrong(&ann, &|answer| drop(answer.headers.insert("x-request-id", HeaderValue::from_static("a b"))), &user);
    wrong(&ann, &|answer| answer.body["code"] = json!("throttled"), &refused);
    wrong(&ann, &|answer| drop(answer.headers.remove("www-authenticate")), &refused);
}

#[tokio::test]
async fn what_is_taken_and_the_document_says_is_wrong_is_found() {
    let scene = Scene::set().await;
    let queries = scene.stack.queries_as("panel");
    let (projection, events) = (queries.document().await, queries.get("/v1/audit/events").await);
    let bearing = headers(&[BEARING]);
    for good in ["limit=500", "from=2026-11-24T08:00:00%2B01:00", "type=UserAdded&limit=1", "&%6cimit=1"] {
        projection.check(asked(&format!("/v1/audit/events?{good}"), &bearing), &events);
    }
    for wrong in [
        "limit=501",
        "limit=x",
        "limit=1&limit=1",
        "type=LogCreated",
        "user=ann",
        "from=2026-11-24",
        "actor=two+words",
        "after=%21",
        "search=x",
    ] {
        assert!(is_found(projection, asked(&format!("/v1/audit/events?{wrong}"), &bearing), &events), "{wrong}");
    }
    let (ann, user) = (scene.ann(), queries.get(&scene.ann()).await);
    assert!(is_found(projection, asked(&ann, &HeaderMap::new()), &user), "nobody has said who asks");
    assert!(is_found(projection, asked(&scene.user("ann"), &bearing), &user), "a path without an id");

    let operator = scene.operator();
    let (command, edit) = (operator.document().await, json!({"first_name": "Ann"}));
    let receipt = operator.patch(&ann, &edit).await;
    let taken = |lines: &[(&'static str, &'static str)], body: &str| {
        let headers = headers(&[&[BEARING], lines].concat());
        !is_found(
            command,
            Sent { method: "PATCH", target: &ann, headers: &headers, body: Some(body.as_bytes()) },
            &receipt,
        )
    };
    let (json, edit) = (("content-type", "application/json; charset=utf-8"), edit.to_string());
    let good = [("if-match", "\"7\""), ("postkey-reason", "%c3%bcber"), ("postkey-origin", "2001:db8::1")];
    assert!(taken(&[&[json], &good[..]].concat(), &edit));
    for wrong in [
        ("if-match", "7"),
        ("postkey-reason", "%zz"),
        ("postkey-origin", "here"),
        ("postkey-actor", "two words"),
        ("postkey-customer", "*"),
        ("idempotency-key", ""),
    ] {
        assert!(!taken(&[json, wrong], &edit), "{wrong:?}");
    }
    for wrong in ["", "{", r#"{"first_name":"\u0000"}"#, r#"{"quota_bytes":1}"#, r#"{"nickname":"x"}"#] {
        assert!(!taken(&[json], wrong), "{wrong}");
    }
    assert!(!taken(&[("content-type", "text/plain")], &edit) && !taken(&[], &edit));
}
