//! What a store has to do with others over NATS, beside the log: the server that greets it, and stores that wake each other.

mod jets;

use std::time::Duration;

use domain::Position;
use futures::StreamExt;
use jets::proxy::Proxy;
use jets::{Administrator, LOG, config, made, position, within};
use postkey_event_log::{Head, JetStreamError, JetStreamStore, LogStore, Scope};
use servers::Nats;
use tokio::task::block_in_place;
use tokio::time::timeout;

/// Within which a message over core NATS comes, on a busy machine too.
const SOON: Duration = Duration::from_secs(20);

/// Waits until the server has taken all that was handed to a store's connection: it answers a question behind it.
async fn flushed(store: &JetStreamStore) -> Head {
    within(20, async || store.head(Scope::All).await.ok()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_greets_as_one_that_is_too_old_gets_no_log_and_none_is_opened_on_it() {
    let url = Nats::shared().account();
    let proxy = Proxy::before(&url).await;
    JetStreamStore::create(&config(proxy.url()), LOG, 1).await.expect("it greets as what it is");
    proxy.greet_as("2.15.0");
    let refused = JetStreamError::Version("2.15.0".to_owned());
    assert_eq!(JetStreamStore::open(&config(proxy.url())).await.err(), Some(refused.clone()));
    assert_eq!(JetStreamStore::sensible_replicas(&config(proxy.url())).await.err(), Some(refused.clone()));

    let url = Nats::shared().account();
    let proxy = Proxy::before(&url).await;
    proxy.greet_as("2.15.0");
    assert_eq!(JetStreamStore::create(&config(proxy.url()), LOG, 1).await.err(), Some(refused));
    assert_eq!(JetStreamStore::open(&config(&url)).await.err(), Some(JetStreamError::Missing), "nothing was made");
}

/// By the subject that accounts permit: somebody who is not of postkey hears it there too.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_store_says_that_it_has_applied_another_hears_also_on_connections_that_were_made_again() {
    let mut nats = block_in_place(Nats::start);
    let url = nats.account();
    let speaks = made(&config(&url), 1).await;
    let hears = JetStreamStore::open(&config(&url)).await.expect("a log");
    let mut outside = Administrator::connect(&url).await.listens("wake.projection").await;
    let mut heard = hears.wakes().listen().await.expect("connected");
    flushed(&hears).await;
    speaks.wakes().wake(position(7)).await;
    assert_eq!(timeout(SOON, heard.next()).await, Ok(Some(position(7))));
    let message = timeout(SOON, outside.next()).await.expect("it is said on this subject").expect("connected");
    assert_eq!(message.payload, "7");

    block_in_place(|| nats.kill());
    for store in [&*speaks, &hears] {
        within(20, async || store.trouble().borrow().clone()).await;
    }
    block_in_place(|| nats.start_again());
    for store in [&*speaks, &hears] {
        assert_eq!(flushed(store).await.position, Position::START, "no wake-up is an entry");
    }
    speaks.wakes().wake(position(8)).await;
    assert_eq!(timeout(SOON, heard.next()).await, Ok(Some(position(8))));
}
