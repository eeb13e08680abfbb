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
