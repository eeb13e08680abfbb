//! Whether the services are well, as a load balancer and an operator ask.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stage::{Api, Finished, Folder, Running, Scene, Separate, listening, postkey, run, until};

#[tokio::test]
async fn services_that_are_well_say_so_to_anybody() {
    let scene = Scene::set().await;
    for service in [scene.stack.command(), scene.stack.projection()] {
        for path in ["/healthz", "/readyz"] {
            let health = service.get(path).await.is(200);
            assert_eq!(health["status"], "green", "{health}");
            let checks = health["checks"].as_array().unwrap();
            assert!(!checks.is_empty() && checks.iter().all(|check| check["status"] == "green"), "{health}");
        }
    }
}

#[tokio::test]
async fn a_projection_without_a_log_listens_red_and_goes_on_once_there_is_one() {
    let folder = Folder::new();
    let separate = Separate::init(&folder).await;
    let mut projection = separate.projection("127.0.0.1:0");
    let url = listening(&mut projection).await;
    let api = Api::new(&url);
    let health = api.get("/readyz").await;
    assert_eq!((health.status, &health.body["status"]), (503, &Value::from("red")), "{health:?}");
    assert!(health.text.contains("log.db"), "it says what it waits for: {health:?}");
    let mut command = separate.command(&url);
    listening(&mut command).await;
    until("the projection is ready", async || (api.get("/readyz").await.status == 200).then_some(())).await;
    command.stop().await;
    projection.stop().await;
}

/// What scrapers and people find at a service that waits: metrics that say so, and the document and its page as ever.
async fn answers_all_the_same(url: &str, own: &str) -> String {
    let api = Api::new(url);
    let scrape = api.get("/metrics").await;
    assert_eq!(scrape.status, 200, "{scrape:?}");
    for shown in [r#"postkey_health_check{check="start"} 2"#, "postkey_process_open_fds"] {
        assert!(scrape.text.contains(shown), "{shown} in {scrape:?}");
    }
    assert_eq!(api.get("/docs").await.status, 200);
    assert_eq!(api.get("/docs/start.js").await.status, 200);
    api.get("/nowhere").await.problem(404, "not_found");
    let document = api.get("/openapi.json").await;
    assert!(document.status == 200 && document.body["paths"][own].is_object(), "{document:?}");
    document.text
}

#[tokio::test]
async fn a_service_that_waits_is_dark_to_nobody() {
    let folder = Folder::new();
    let separate = Separate::init(&folder).await;
    let mut projection = separate.projection("127.0.0.1:0");
    let url = listening(&mut projection).await;
    let before = answers_all_the_same(&url, "/v1/auth/verify").await;
    let api = Api::new(&url);
    api.get("/v1/position").await.problem(503, "catching_up");

    let mut lost = separate.with_log("nats://127.0.0.1:1", "http://127.0.0.1:1").command(&url);
    let command = listening(&mut lost).await;
    answers_all_the_same(&command, "/v1/services").await;
    let waiting = Api::new(&command);
    let policy = waiting.get("/v1/password-policy").await;
    assert_eq!(policy.header("idempotency-key"), "", "no command: {policy:?}");
    policy.problem(503, "log_unavailable");
    // A command says by which key to ask again: the caller's, or another each time.
    let (path, mut keys) = ("/v1/services/x/users/y", BTreeSet::new());
    for own in ["mine", "", "two words"] {
        let refused = waiting.with("idempotency-key", own).patch(path, &json!({})).await;
        keys.insert(refused.header("idempotency-key").to_owned());
        refused.problem(503, "log_unavailable");
    }
    keys.insert(waiting.patch(path, &json!({})).await.header("idempotency-key").to_owned());
    assert!(keys.len() == 4 && keys.contains("mine") && !keys.contains(""), "{keys:?}");
    waiting.get("/v1/nowhere").await.problem(404, "not_found");
    lost.stop().await;

    let mut command = separate.command(&url);
    listening(&mut command).await;
    until("the projection is ready", async || (api.get("/readyz").await.status == 200).then_some(())).await;
    assert_eq!(api.get("/openapi.json").await.text, before, "it is the same document");
    let scrape = api.get("/metrics").await;
    assert!(scrape.text.contains("postkey_applied_position") && !scrape.text.contains("\"start\""), "{scrape:?}");
    command.stop().await;
    projection.stop().await;
}

#[tokio::test]
async fn a_command_service_that_misses_its_projection_is_yellow_and_still_ready() {
    let folder = Folder::new();
    let mut stack = Separate::init(&folder).await.start().await;
    stack.processes().iter_mut().skip(1).for_each(Running::kill);
    until("the health says that the projection is away", async || {
        let health = stack.command().get("/readyz").await.is(200);
        (health["status"] == "yellow").then_some(())
    })
    .await;
}

/// What a health check without a shell or curl runs.
async fn healthy(url: &str) -> Finished {
    run(postkey(["healthy", url])).await
}

#[tokio::test]
async fn a_health_check_needs_nothing_but_the_binary() {
    let folder = Folder::new();
    let separate = Separate::init(&folder).await;
    let mut projection = separate.projection("127.0.0.1:0");
    let url = listening(&mut projection).await;
    let red = healthy(&url).await;
    let why: Vec<_> = red.stdout.lines().collect();
    assert!(matches!(why[..], [why] if why.starts_with("red     start: ") && why.contains("log.db")), "{red:#?}");
    let red = red.failed_in_one_line();
    assert!(red.ends_with("/readyz answers 503"), "{red}");
    healthy(&format!("{url}/healthz")).await.worked();

    let mut command = separate.command(&url);
    listening(&mut command).await;
    until("the check is green", async || (healthy(&url).await.code == Some(0)).then_some(())).await;
    let well = healthy(&url).await.worked();
    assert_eq!(well.stdout, format!("{url}/readyz is well\n"));

    command.stop().await;
    projection.stop().await;
    let gone = healthy(&url).await.failed_in_one_line();
    assert!(gone.ends_with("can't be reached"), "{gone}");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = healthy(&format!("http://{}", silent.local_addr().unwrap())).await.failed_in_one_line();
    assert!(silent.ends_with("does not answer within 2 seconds"), "{silent}");
    for wrong in ["https://127.0.0.1:1", "http://user:secret@127.0.0.1:1", "127.0.0.1:8081", "nonsense"] {
        let finished = healthy(wrong).await;
        assert_eq!(finished.code, Some(2), "{finished:#?}");
        assert!(!finished.stderr.contains("secret"), "{finished:#?}");
    }
}
