//! The contract of the event log, over NATS in containers of their own.

use std::sync::Arc;

use event_log::{JetStreamStore, NatsConfig, contract, contract_tests};
use uuid::Uuid;
use wire::LogId;

use crate::docker;
use crate::nats::Nats;

async fn fresh() -> Option<(contract::Store, Nats)> {
    docker::daemon().await?;
    let nats = Nats::start(None).await;
    let config = NatsConfig::new(vec![nats.url.clone()]);
    let store = JetStreamStore::create(&config, LogId::new(Uuid::from_u128(1)), 1).await;
    Some((Arc::new(store.expect("a log")), nats))
}

contract_tests!(fresh);
