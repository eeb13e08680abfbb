//! A nats-server starts, ends and comes back as the tests ask.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::time::{Duration, Instant};

use async_nats::ConnectOptions;
use async_nats::jetstream::{self, Context, stream};
use servers::{Nats, NatsOptions};

/// A client with short deadlines. async-nats takes no login from a URL.
async fn connect(url: &str) -> Result<async_nats::Client, async_nats::ConnectError> {
    let options = match url.strip_prefix("nats://").unwrap().split_once('@') {
        Some((login, _)) => {
            let (user, password) = login.split_once(':').unwrap();
            ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
        }
        None => ConnectOptions::new(),
    };
    options.request_timeout(Some(Duration::from_secs(1))).connect(url).await
}

async fn jetstream(url: &str) -> Context {
    jetstream::new(connect(url).await.unwrap())
}

fn stream() -> stream::Config {
    stream::Config { name: "S".to_owned(), subjects: vec!["s.>".to_owned()], ..Default::default() }
}

async fn count(url: &str) -> u64 {
    jetstream(url).await.get_stream("S").await.unwrap().cached_info().state.messages
}

async fn publish(jetstream: &Context) -> Result<u64, async_nats::Error> {
    Ok(jetstream.publish("s.1", "text".into()).await?.await?.sequence)
}

#[tokio::test]
async fn a_killed_server_comes_back_with_what_it_acknowledged() {
    let mut nats = Nats::start();
    let url = nats.account();
    let client = jetstream(&url).await;
    client.create_stream(stream()).await.unwrap();
    publish(&client).await.unwrap();
    drop(client);
    nats.kill();
    assert!(!nats.healthy());
    nats.start_again();
    assert_eq!(count(&url).await, 1);
    nats.stop();
    assert!(!nats.healthy());
    nats.start_again();
    assert_eq!(count(&url).await, 1);
}

#[tokio::test]
async fn a_paused_server_answers_nobody_until_it_is_resumed() {
    let nats = Nats::start();
    let client = jetstream(&nats.account()).await;
    client.create_stream(stream()).await.unwrap();
    nats.pause();
    let paused = client.query_account().await;
    nats.resume();
    assert!(paused.is_err(), "{paused:?}");
    assert_eq!(client.query_account().await.unwrap().streams, 1);
}

#[tokio::test]
async fn accounts_do_not_see_each_other() {
    let nats = Nats::shared();
    let [one, other] = [nats.account(), nats.account()];
    jetstream(&one).await.create_stream(stream()).await.unwrap();
    assert_eq!(jetstream(&one).await.query_account().await.unwrap().streams, 1);
    assert_eq!(jetstream(&other).await.query_account().await.unwrap().streams, 0);
    let stranger = connect(&nats.url()).await;
    assert!(stranger.is_err(), "a login is asked for");
    let system = connect(&nats.system_account()).await.unwrap();
    system.request("$SYS.REQ.SERVER.PING", "".into()).await.unwrap();
}

#[tokio::test]
async fn synchronous_is_the_default_and_lazy_on_request() {
    let varz = |nats: &Nats| {
        let url = nats.monitor_url();
        let address = url.strip_prefix("http://").unwrap().to_owned();
        async move {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /varz HTTP/1.0\r\n\r\n").await.unwrap();
            let mut page = String::new();
            stream.read_to_string(&mut page).await.unwrap();
            page
        }
    };
    let usual = varz(Nats::shared()).await;
    assert!(usual.contains("\"sync_always\": true"), "{usual}");
    let mut nats = Nats::with(NatsOptions { lazy_sync: true, config: None });
    let lazy = varz(&nats).await;
    assert!(lazy.contains("\"sync_interval\"") && !lazy.contains("sync_always"), "{lazy}");
    nats.sync_lazily(false);
    nats.stop();
    nats.start_again();
    let again = varz(&nats).await;
    assert!(again.contains("\"sync_always\": true"), "{again}");
}

#[tokio::test]
async fn a_configuration_of_ones_own_replaces_the_accounts() {
    let config = |password| format!("authorization {{ user: only, password: {password} }}");
    let mut nats = Nats::with(NatsOptions { config: Some(config("one")), ..Default::default() });
    assert!(connect(&nats.url()).await.is_err());
    let url = |password| nats.url().replace("//", &format!("//only:{password}@"));
    let (one, two) = (url("one"), url("two"));
    let client = jetstream(&one).await;
    client.create_stream(stream()).await.unwrap();
    nats.configure(&config("two"));
    let deadline = Instant::now() + Duration::from_secs(30);
    while connect(&two).await.is_err() {
        assert!(Instant::now() < deadline, "it does not take another configuration");
    }
    assert!(connect(&one).await.is_err(), "another one took its place");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let config = Some("no_such_setting {".to_owned());
    let start = || Nats::with(NatsOptions { config, ..Default::default() });
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(start)).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("nats-server is not ready") && message.contains("Parse error"), "{message}");
}
