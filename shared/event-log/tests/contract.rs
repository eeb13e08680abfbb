//! The contract, passed by each store of this crate.

mod memory {
    use std::sync::Arc;

    use postkey_event_log::{MemoryStore, contract, contract_tests};
    use uuid::Uuid;
    use wire::LogId;

    async fn fresh() -> (contract::Store, ()) {
        (Arc::new(MemoryStore::new(LogId::new(Uuid::from_u128(1)))), ())
    }

    contract_tests!(fresh);
}

mod sqlite {
    use std::sync::Arc;

    use postkey_event_log::{SqliteStore, contract, contract_tests};
    use tempfile::TempDir;
    use uuid::Uuid;
    use wire::LogId;

    async fn fresh() -> (contract::Store, TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("log.sqlite");
        let store = SqliteStore::create(&file, LogId::new(Uuid::from_u128(1))).await;
        (Arc::new(store.expect("a log")), folder)
    }

    contract_tests!(fresh);
}

/// Each test has an account of its own on a server, or a cluster, that all tests of this file share.
mod jet_stream {
    use std::sync::Arc;

    use postkey_event_log::{JetStreamStore, NatsConfig, contract, contract_tests};
    use servers::Nats;
    use uuid::Uuid;
    use wire::LogId;

    async fn fresh() -> (contract::Store, ()) {
        let config = NatsConfig::new(vec![Nats::shared().account()]);
        let store = JetStreamStore::create(&config, LogId::new(Uuid::from_u128(1)), 1).await;
        (Arc::new(store.expect("a log")), ())
    }

    contract_tests!(fresh);
}

mod jet_stream_on_three_servers {
    use std::sync::Arc;

    use postkey_event_log::{JetStreamStore, NatsConfig, contract, contract_tests};
    use servers::NatsCluster;
    use uuid::Uuid;
    use wire::LogId;

    async fn fresh() -> (contract::Store, ()) {
        let account = NatsCluster::shared().account();
        let config = NatsConfig::new(account.split(',').map(str::to_owned).collect());
        let store = JetStreamStore::create(&config, LogId::new(Uuid::from_u128(1)), 3).await;
        (Arc::new(store.expect("a log")), ())
    }

    contract_tests!(fresh);
}
