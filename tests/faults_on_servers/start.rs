//! What a start refuses, and what it waits for.

use servers::{Nats, NatsCluster, NatsOptions, Postgres};
use stage::{Folder, PASSWORD, Running, Scene, Separate, run, until};

#[tokio::test]
async fn a_server_that_acknowledges_before_it_writes_is_refused_unless_told_so_in_so_many_words() {
    let (folder, nats) = (Folder::new(), Nats::with(NatsOptions { lazy_sync: true, ..NatsOptions::default() }));
    let separate = Separate::at(&folder, &nats.account(), &nats.monitor_url(), Postgres::shared()).await;
    let line = separate.command("http://127.0.0.1:1").finished().await.failed_in_one_line();
    assert!(line.contains("sync_interval: always") && line.contains("--allow-lazy-sync"), "{line}");
    let stack = separate.with_log_arguments(&["--allow-lazy-sync"]).start().await;
    let scene = Scene::on(stack, folder).await;
    scene.ann_signs_in(PASSWORD).await.is(200);
}

#[tokio::test]
async fn servers_whose_disks_nobody_can_ask_after_are_refused() {
    let (folder, nats) = (Folder::new(), Nats::shared());
    let separate = Separate::at(&folder, &nats.account(), "", Postgres::shared()).await;
    let line = separate.command("http://127.0.0.1:1").finished().await.failed_in_one_line();
    assert!(line.contains("--nats-monitor"), "{line}");
}

/// Two of three are enough to start. Whether the third keeps what it acknowledges is looked at as soon as it is there.
#[tokio::test]
async fn a_server_that_was_down_at_the_start_and_comes_back_with_lazy_sync_makes_command_services_not_ready() {
    let (folder, mut cluster) = (Folder::new(), NatsCluster::start());
    let separate = Separate::at(&folder, &cluster.account(), &cluster.monitor_urls(), Postgres::shared()).await;
    run(separate.nats_setup()).await.worked();
    cluster.nodes()[2].kill();
    let services = separate.several(1, 1).await;
    let unseen = format!("the monitoring of these servers does not answer: {}", cluster.nodes()[2].monitor_url());
    let (command, projection) = (services.commands[0].api(), services.projections[0].api());
    for service in [&command, &projection] {
        service.is_in("stream", "yellow", &unseen).await;
    }

    cluster.nodes()[2].sync_lazily(true);
    cluster.nodes()[2].start_again();
    command.is_in("stream", "red", "n2 acknowledges before it writes to its disk").await;
    assert_eq!(command.get("/readyz").await.status, 503);
    // It appends nothing, and logins go on.
    projection.is_in("stream", "yellow", "n2 acknowledges before it writes to its disk").await;
    assert_eq!(projection.get("/readyz").await.status, 200);

    cluster.nodes()[2].stop();
    cluster.nodes()[2].sync_lazily(false);
    cluster.nodes()[2].start_again();
    services.ready().await;
    services.are_well().await;
}

/// A monitor's URL that was mistyped looks like a server that is down.
#[tokio::test]
async fn a_monitor_that_never_answers_is_named_as_long_as_it_does_not() {
    let (folder, nats) = (Folder::new(), Nats::shared());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let monitors = format!("{},http://{nobody}", nats.monitor_url());
    let services = Separate::at(&folder, &nats.account(), &monitors, Postgres::shared()).await.several(1, 1).await;
    services.all_say("stream", &format!("does not answer: http://{nobody}")).await;
}

#[tokio::test]
async fn another_number_of_replicas_than_asked_for_is_refused() {
    let (folder, nats) = (Folder::new(), Nats::shared());
    let separate = Separate::at(&folder, &nats.account(), &nats.monitor_url(), Postgres::shared()).await;
    separate.start().await.stop().await;
    let three = separate.with_log_arguments(&["--nats-replicas", "3"]);
    let line = three.command("http://127.0.0.1:1").finished().await.failed_in_one_line();
    assert!(line.contains("--replicas 3"), "{line}");
}

/// The log was lost, and somebody has prepared an empty one in its place: what was made from the lost one says so.
#[tokio::test]
async fn an_empty_stream_in_the_place_of_a_lost_one_is_not_begun() {
    let (folder, nats) = (Folder::new(), Nats::shared());
    let separate = Separate::at(&folder, &nats.account(), &nats.monitor_url(), Postgres::shared()).await;
    let scene = Scene::on(separate.start().await, folder).await;
    scene.stack.stop().await;
    // The same keys and rows, on an account that has no stream yet; then on one that was prepared.
    let moved = separate.with_log(&nats.account(), &nats.monitor_url());
    let line = moved.command("http://127.0.0.1:1").finished().await.failed_in_one_line();
    assert!(line.contains("restore the log"), "{line}");
    run(moved.nats_setup()).await.worked();
    let line = moved.command("http://127.0.0.1:1").finished().await.failed_in_one_line();
    assert!(line.contains("restore the log"), "{line}");
    let shown = run(moved.nats_show()).await.worked().stdout;
    assert!(shown.lines().any(|line| line.split_whitespace().eq(["head", "0"])), "nothing was begun: {shown}");
}

/// As by `make up` after `make down`: until the servers have elected who leads, they don't answer.
#[tokio::test]
async fn a_setup_waits_for_a_cluster_that_is_starting() {
    let (folder, mut cluster) = (Folder::new(), NatsCluster::start());
    let separate = Separate::at(&folder, &cluster.account(), &cluster.monitor_urls(), Postgres::shared()).await;
    let setup = || {
        let mut setup = separate.nats_setup();
        setup.args(["--consumer", "projection-1", "--consumer", "projection-2"]);
        setup
    };
    run(setup()).await.worked();
    cluster.nodes().iter_mut().for_each(Nats::kill);
    let again = Running::start(setup(), &folder.beside("."));
    until("it finds nobody", async || again.stderr().contains("not yet").then_some(())).await;
    cluster.nodes().iter_mut().for_each(Nats::start_again);
    again.finished().await.worked();
}

/// Everything is down when the services start: they listen, red, and say what they wait for; then all goes by itself.
#[tokio::test]
async fn what_is_down_at_the_start_is_waited_for() {
    let folder = Folder::new();
    let (mut nats, mut postgres) = (Nats::start(), Postgres::start());
    let separate = Separate::at(&folder, &nats.account(), &nats.monitor_url(), &postgres).await;
    nats.kill();
    postgres.kill();
    let stack = separate.start_unready().await;
    for (service, word) in
        [(stack.command(), "the log can't be reached"), (stack.projection(), "the read model can't be reached")]
    {
        service.says("start", word).await;
        assert_eq!(service.get("/readyz").await.status, 503);
    }
    postgres.start_again();
    nats.start_again();
    stack.ready().await;
    for service in [stack.command(), stack.projection()] {
        service.is_well().await;
    }
    let scene = Scene::on(stack, folder).await;
    scene.ann_signs_in(PASSWORD).await.is(200);
}
