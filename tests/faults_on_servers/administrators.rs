//! What administrators do to a running system.

use std::time::Instant;

use async_nats::jetstream;
use futures::TryStreamExt;
use serde_json::json;
use servers::{Nats, NatsOptions, Postgres};
use stage::{Folder, PASSWORD, Scene, Separate, run, until};

use crate::weather::Weather;

pub async fn administrator(url: &str) -> jetstream::Context {
    let server: async_nats::ServerAddr = url.parse().unwrap();
    let (user, password) = (server.username().unwrap().to_owned(), server.password().unwrap().to_owned());
    let options = async_nats::ConnectOptions::with_user_and_password(user, password);
    jetstream::new(options.connect(server).await.unwrap())
}

#[tokio::test]
async fn a_stream_that_is_deleted_and_made_again_is_another_log() {
    let (folder, nats) = (Folder::new(), Nats::shared());
    let account = nats.account();
    let separate = Separate::at(&folder, &account, &nats.monitor_url(), Postgres::shared()).await;
    let scene = Scene::on(separate.start().await, folder).await;
    let administrator = administrator(&account).await;
    let mut stream = administrator.get_stream("POSTKEY").await.unwrap();
    let mut config = stream.info().await.unwrap().config.clone();
    administrator.delete_stream("POSTKEY").await.unwrap();
    let edit = json!({"first_name": "Annie"});
    let missing = scene.operator().patch(&scene.ann(), &edit).await;
    missing.problem(503, "log_unavailable");
    scene.stack.command().says("log", "NATS has no stream POSTKEY").await;
    scene.stack.projection().says("projector", "NATS has no stream POSTKEY").await;
    config.metadata.insert("postkey-log".to_owned(), "6d1f5c2e-7a0b-4f6e-9a53-0c5d6f1c2b3a".to_owned());
    administrator.create_stream(config).await.unwrap();
    until("the command service sees it", async || {
        let edit = scene.operator().patch(&scene.ann(), &edit).await;
        (edit.status == 503 && edit.body["code"] == "log_corrupt").then_some(())
    })
    .await;
    // Which one it is that is to be restored, is a person's business.
    let other = "6d1f5c2e-7a0b-4f6e-9a53-0c5d6f1c2b3a";
    for (service, check) in [(scene.stack.command(), "log"), (scene.stack.projection(), "projector")] {
        service.says(check, &format!("this is log {other}")).await;
        assert_eq!(service.get("/healthz").await.status, 503);
    }
    let count = administrator.get_stream("POSTKEY").await.unwrap().info().await.unwrap().state.messages;
    assert_eq!(count, 0, "nothing was appended to another log");
    let login = scene.ann_signs_in(PASSWORD).await;
    assert!(matches!(login.status, 401 | 503), "no verdict on rows of another log: {login:?}");
}

/// One of a projection's own is made again before anybody could ask after it: there is nothing that health should say.
#[tokio::test]
async fn a_consumer_that_is_deleted_is_made_again() {
    let (folder, nats) = (Folder::new(), Nats::shared());
    let account = nats.account();
    let separate = Separate::at(&folder, &account, &nats.monitor_url(), Postgres::shared()).await;
    let weather = Weather::fair(separate.several(1, 2).await).await;
    let stream = administrator(&account).await.get_stream("POSTKEY").await.unwrap();
    for _ in 0..3 {
        let fault = Instant::now();
        let names: Vec<String> = stream.consumer_names().try_collect().await.unwrap();
        let mut deleted = 0;
        for name in names {
            // One may have gone by itself meanwhile.
            deleted += usize::from(stream.delete_consumer(&name).await.is_ok());
        }
        assert!(deleted > 0, "the projection that leads follows by a consumer");
        weather.work_resumes(fault).await;
    }
    weather.clears().await;
}

/// One that projections are given, and may not make themselves.
#[tokio::test]
async fn a_durable_consumer_that_is_deleted_is_done_without_until_it_is_made_again() {
    let (folder, nats) = (Folder::new(), Nats::shared());
    let account = nats.account();
    let separate = Separate::at(&folder, &account, &nats.monitor_url(), Postgres::shared()).await;
    let set_up = async || {
        let mut command = separate.nats_setup();
        command.args(["--consumer", "projection-1"]);
        run(command).await.worked();
    };
    set_up().await;
    let follows = separate.clone().with_log_arguments(&["--nats-consumer", "projection-1"]);
    let services = Separate::beside_each_other(&[&separate], &[&follows]).await;
    let weather = Weather::fair(services).await;
    let stream = administrator(&account).await.get_stream("POSTKEY").await.unwrap();
    let fault = Instant::now();
    stream.delete_consumer("projection-1").await.unwrap();
    let projection = weather.services.projections[0].api();
    projection.says("stream", "the consumer projection-1 is missing, and the log is polled instead").await;
    weather.work_resumes(fault).await;
    set_up().await;
    projection.is_well().await;
    weather.clears().await;
}

#[tokio::test]
async fn settings_that_were_changed_show_in_health_until_they_are_set_back() {
    let (folder, nats) = (Folder::new(), Nats::shared());
    let account = nats.account();
    let separate = Separate::at(&folder, &account, &nats.monitor_url(), Postgres::shared()).await;
    let services = separate.several(1, 1).await;
    let administrator = administrator(&account).await;
    let config = administrator.get_stream("POSTKEY").await.unwrap().info().await.unwrap().config.clone();
    let mut changed = config.clone();
    changed.max_messages = 1_000_000;
    administrator.update_stream(changed).await.unwrap();
    services.all_say("stream", "max_msgs is 1000000").await;
    administrator.update_stream(config).await.unwrap();
    services.are_well().await;
}

/// A server that was restarted with a configuration that an administrator has made worse.
#[tokio::test]
async fn a_server_that_comes_back_with_lazy_sync_shows_in_health_until_it_is_set_right() {
    let (folder, mut nats) = (Folder::new(), Nats::start());
    let separate = Separate::at(&folder, &nats.account(), &nats.monitor_url(), Postgres::shared()).await;
    let weather = Weather::fair(separate.several(2, 2).await).await;
    for lazy in [true, false] {
        let fault = Instant::now();
        nats.stop();
        nats.sync_lazily(lazy);
        nats.start_again();
        weather.work_resumes(fault).await;
        if lazy {
            weather.services.all_say("stream", "acknowledges before it writes to its disk").await;
        }
    }
    weather.clears().await;
}

/// A server that no longer knows the services, until it does again.
#[tokio::test]
async fn credentials_are_revoked_while_the_services_run() {
    let accounts = |password: &str| {
        format!(
            "accounts {{ P {{ jetstream: enabled, users: [ {{ user: p, password: \"{password}\" }} ] }}, SYS {{}} }}\n\
             system_account: SYS\n"
        )
    };
    let options = NatsOptions { config: Some(accounts("first")), ..NatsOptions::default() };
    let (folder, mut nats) = (Folder::new(), Nats::with(options));
    let url = nats.url().replace("nats://", "nats://p:first@");
    let separate = Separate::at(&folder, &url, &nats.monitor_url(), Postgres::shared()).await;
    let weather = Weather::fair(separate.several(1, 1).await).await;
    nats.configure(&accounts("second"));
    weather.services.all_say("nats", "refuses these credentials").await;
    weather.services.commands[0].api().says("log", "refuses these credentials").await;
    weather.services.projections[0].api().says("projector", "refuses these credentials").await;
    nats.configure(&accounts("first"));
    weather.clears().await;
}
