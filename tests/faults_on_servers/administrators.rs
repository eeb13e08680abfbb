//! What administrators do to a running system.

use async_nats::jetstream;
use serde_json::json;
use servers::{Nats, NatsOptions, Postgres};
use stage::{Folder, PASSWORD, Scene, Separate, until};

use crate::weather::Weather;

async fn administrator(url: &str) -> jetstream::Context {
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
    config.metadata.insert("postkey-log".to_owned(), "6d1f5c2e-7a0b-4f6e-9a53-0c5d6f1c2b3a".to_owned());
    administrator.create_stream(config).await.unwrap();
    until("the command service sees it", async || {
        let edit = scene.operator().patch(&scene.ann(), &edit).await;
        (edit.status == 503 && edit.body["code"] == "log_corrupt").then_some(())
    })
    .await;
    for service in [scene.stack.command(), scene.stack.projection()] {
        until("health says so", async || service.get("/healthz").await.text.contains("this is log").then_some(()))
            .await;
    }
    let count = administrator.get_stream("POSTKEY").await.unwrap().info().await.unwrap().state.messages;
    assert_eq!(count, 0, "nothing was appended to another log");
    let login = scene.ann_signs_in(PASSWORD).await;
    assert!(matches!(login.status, 401 | 503), "no verdict on rows of another log: {login:?}");
}

#[tokio::test]
async fn a_consumer_that_is_deleted_is_made_again() {
    let (folder, nats) = (Folder::new(), Nats::shared());
    let account = nats.account();
    let separate = Separate::at(&folder, &account, &nats.monitor_url(), Postgres::shared()).await;
    let weather = Weather::fair(separate.several(1, 2).await).await;
    let stream = administrator(&account).await.get_stream("POSTKEY").await.unwrap();
    for _ in 0..3 {
        use futures::TryStreamExt;
        let names: Vec<String> = stream.consumer_names().try_collect().await.unwrap();
        let mut deleted = 0;
        for name in names {
            // One may have gone by itself meanwhile.
            deleted += usize::from(stream.delete_consumer(&name).await.is_ok());
        }
        assert!(deleted > 0, "the projection that leads follows by a consumer");
        weather.work_goes_on().await;
    }
    weather.clears().await;
}

#[tokio::test]
async fn settings_that_were_changed_show_in_health_until_they_are_set_back() {
    let (folder, nats) = (Folder::new(), Nats::shared());
    let account = nats.account();
    let separate = Separate::at(&folder, &account, &nats.monitor_url(), Postgres::shared()).await;
    let scene = Scene::on(separate.start().await, folder).await;
    let administrator = administrator(&account).await;
    let config = administrator.get_stream("POSTKEY").await.unwrap().info().await.unwrap().config.clone();
    let mut changed = config.clone();
    changed.max_messages = 1_000_000;
    administrator.update_stream(changed).await.unwrap();
    for service in [scene.stack.command(), scene.stack.projection()] {
        until("health says so", async || service.get("/healthz").await.text.contains("max_msgs").then_some(())).await;
    }
    administrator.update_stream(config).await.unwrap();
    for service in [scene.stack.command(), scene.stack.projection()] {
        until("it is over", async || (!service.get("/healthz").await.text.contains("max_msgs")).then_some(())).await;
    }
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
    let (folder, nats) = (Folder::new(), Nats::with(options));
    let url = nats.url().replace("nats://", "nats://p:first@");
    let separate = Separate::at(&folder, &url, &nats.monitor_url(), Postgres::shared()).await;
    let weather = Weather::fair(separate.several(1, 1).await).await;
    nats.configure(&accounts("second"));
    for seat in weather.services.commands.iter().chain(&weather.services.projections) {
        let says = async || seat.health().await.text.contains("refuses these credentials").then_some(());
        until("health says so", says).await;
    }
    nats.configure(&accounts("first"));
    weather.clears().await;
}
