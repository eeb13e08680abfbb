//! A log moves, from a file to NATS and back; everything else stays where it is.

use serde_json::json;
use servers::{Nats, NatsCluster};
use stage::{Folder, PASSWORD, Scene, Separate, Stack, new_user, postkey, run, until};

/// `postkey copy` from one log to another.
async fn moved(from: &str, to: &str, more: &[&str]) -> String {
    let arguments = ["copy", "--from", from, "--to", to].into_iter().chain(more.iter().copied());
    run(postkey(arguments)).await.worked().stdout
}

/// The last word of what it says: the root.
fn root(said: &str) -> &str {
    said.trim().rsplit(' ').next().unwrap()
}

/// Ann's password changes, and is in force with the answer.
async fn changes_anns_password(stack: &Stack, ann: &str, from: &str, to: &str) {
    stack.login("ann@acme.example", from).await.is(200);
    let before = stack.head().await;
    let answer = stack.commands_as("operator").put(&format!("{ann}/password"), &json!({"password": to})).await;
    let receipt = answer.receipt(200, &["PasswordChanged"]);
    assert_eq!(receipt["position"].as_u64(), Some(before + 1), "the log goes on where it was");
    stack.login("ann@acme.example", to).await.is(200);
    stack.login("ann@acme.example", from).await.problem(401, "invalid_credentials");
}

async fn there_and_back(url: &str, monitors: &str) {
    let folder = Folder::new();
    let scene = Scene::on(Stack::up(&folder).await, folder).await;
    scene.added(&scene.service, &new_user("bob@acme.example")).await;
    let (ann, head) = (scene.ann(), scene.stack.head().await);
    let Scene { stack, folder, .. } = scene;
    stack.stop().await;

    let file = format!("sqlite:{}", folder.file("log.db").display());
    let said = moved(&file, url, &["--nats-monitor", monitors]).await;
    let first = root(&said).to_owned();
    assert!(first.len() == 64 && said.contains(&format!("the same {head} entries")), "{said}");

    // The old log is still read, and takes nothing; whoever starts on it is told before anybody's change is refused.
    let old = Stack::listening(&folder, &[]).await;
    let told = async || {
        let ready = old.command().get("/readyz").await;
        (ready.status == 503 && ready.text.contains("closed to changes")).then_some(())
    };
    until("the command service says that its log was closed", told).await;
    let ready = async || (old.projection().get("/readyz").await.status == 200).then_some(());
    until("logins are checked", ready).await;
    old.login("ann@acme.example", PASSWORD).await.is(200);
    let answer =
        old.commands_as("operator").put(&format!("{ann}/password"), &json!({"password": "Qwst7-plmNb2"})).await;
    let problem = answer.problem(503, "log_unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("closed"), "{problem}");
    let health = old.command().get("/healthz").await;
    assert!(health.text.contains("closed to changes"), "{health:?}");
    old.login("ann@acme.example", PASSWORD).await.is(200);
    old.stop().await;

    // Keys and read model go on with the copy as they are.
    let log = [url, "--nats-monitor", monitors];
    let stack = Separate::with_log_elsewhere(&folder, &log).start().await;
    assert_eq!(stack.head().await, head);
    changes_anns_password(&stack, &ann, PASSWORD, "Qwst7-plmNb2").await;
    stack.stop().await;

    // A run that comes late changes nothing.
    let late = moved(&file, url, &["--nats-monitor", monitors]).await;
    assert!(late.contains("finished already") && root(&late) == first, "{late}");

    let back = format!("sqlite:{}", folder.beside("log.db").display());
    let said = moved(url, &back, &[]).await;
    assert!(said.contains(&format!("the same {} entries", head + 1)) && root(&said) != first, "{said}");
    let stack = Separate::with_log_elsewhere(&folder, &[&back]).start().await;
    changes_anns_password(&stack, &ann, "Qwst7-plmNb2", "Hjtz4-vbxWe8").await;
    stack.login("bob@acme.example", PASSWORD).await.is(200);
    stack.stop().await;
}

#[tokio::test]
async fn a_log_moves_to_a_server_and_back() {
    let nats = Nats::shared();
    there_and_back(&nats.account(), &nats.monitor_url()).await;
}

#[tokio::test]
async fn a_log_moves_to_three_servers_and_back() {
    let nats = NatsCluster::shared();
    there_and_back(&nats.account(), &nats.monitor_urls()).await;
}
