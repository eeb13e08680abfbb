//! Whether the services are well, as a load balancer and an operator ask.

use serde_json::Value;
use stage::{Finished, Folder, Running, Scene, Separate, listening, postkey, run, until};

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
    let api = stage::Api::new(&url);
    let health = api.get("/readyz").await;
    assert_eq!((health.status, &health.body["status"]), (503, &Value::from("red")), "{health:?}");
    assert!(health.text.contains("log.db"), "it says what it waits for: {health:?}");
    let mut command = separate.command(&url);
    listening(&mut command).await;
    until("the projection is ready", async || (api.get("/readyz").await.status == 200).then_some(())).await;
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
