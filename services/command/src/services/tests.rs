//! What is read of the log, and when.

use event_log::LogStore;
use postkey_http::{Health, Status};

use super::*;
use crate::staged::{Hooked, LOG, World, service_of};

const DOMAIN: &str = "acme.example";

struct Loading {
    world: World,
    store: Arc<Hooked>,
    services: Services,
    health: Health,
}

/// A log with some services, and a process that has loaded none of them.
async fn loading() -> Loading {
    let world = World::new().await;
    let writer = world.instance();
    for domain in [DOMAIN, "beta.example", "gamma.example"] {
        writer.provision(domain).send().await.done(201);
        writer.add(&format!("ann@{domain}")).send().await.done(201);
    }
    writer.add("bob@acme.example").send().await.done(201);
    let (store, health) = (Arc::new(Hooked::new(Arc::clone(&world.log) as _)), Health::new());
    let log = Arc::new(EventLog::new(Arc::clone(&store) as Arc<dyn LogStore>, LOG));
    let guard = LogGuard::new(health.check("log"), health.check("closed"));
    let services = Services::new(log, world.vault(), guard, KeysAtHand::new(world.vault(), health.check("keys")));
    Loading { world, store, services, health }
}

#[tokio::test]
async fn a_service_is_loaded_on_a_miss_with_one_read() {
    let loading = loading().await;
    let slot = loading.services.slot(service_of(DOMAIN)).await.unwrap();
    let head = loading.world.head().await;
    assert_eq!(slot.folded().position().get(), head);
    assert_eq!(slot.folded().state.provisioned().map(|found| found.users.len()), Ok(2));
    assert_eq!(loading.store.read_after(), [0]);
    let again = loading.services.slot(service_of(DOMAIN)).await.unwrap();
    assert!(Arc::ptr_eq(&slot, &again));
    assert_eq!(loading.store.read_after(), [] as [u64; 0], "it is at hand");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_looked_for_and_not_kept() {
    let loading = loading().await;
    for _ in 0..2 {
        let slot = loading.services.slot(service_of("nobody.example")).await.unwrap();
        assert_eq!(slot.folded().state, domain::EmailService::Unprovisioned);
    }
    assert_eq!(loading.store.read_after(), [0, 0]);
}

#[tokio::test]
async fn catching_up_reads_what_is_new_and_nothing_else() {
    let loading = loading().await;
    let slot = loading.services.slot(service_of(DOMAIN)).await.unwrap();
    let known = slot.folded().position();
    loading.store.read_after();

    let writer = loading.world.instance();
    writer.add("cem@acme.example").send().await.done(201);
    writer.add("cem@beta.example").send().await.done(201);
    let last = writer.add("dan@acme.example").send().await.done(201).position();
    assert_eq!(slot.folded().position(), known, "nothing is read unasked");
    let turn = slot.turn().await.unwrap();
    loading.services.catch_up(&slot).await.unwrap();
    assert_eq!(slot.folded().position().get(), last);
    loading.services.catch_up(&slot).await.unwrap();
    drop(turn);
    assert_eq!(loading.store.read_after(), [known.get(), last]);
    assert_eq!(slot.folded().state.provisioned().map(|found| found.users.len()), Ok(4));
}

#[tokio::test]
async fn of_two_misses_at_once_one_loads() {
    let loading = loading().await;
    let (one, two) = tokio::join!(loading.services.slot(service_of(DOMAIN)), loading.services.slot(service_of(DOMAIN)));
    assert!(Arc::ptr_eq(&one.unwrap(), &two.unwrap()));
    assert_eq!(loading.store.read_after(), [0]);
}

#[tokio::test]
async fn a_load_that_failed_is_made_again() {
    let loading = loading().await;
    loading.store.switch(false);
    for _ in 0..2 {
        let refused = loading.services.slot(service_of(DOMAIN)).await.map(|_| ()).unwrap_err();
        assert_eq!(refused.code, Code::LogUnavailable);
    }
    loading.store.switch(true);
    loading.world.keys.switch(false);
    let refused = loading.services.slot(service_of(DOMAIN)).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code, Code::KeysUnavailable);
    assert!(matches!(loading.health.check("keys").status(), Status::Red(_)));
    loading.world.keys.switch(true);
    let slot = loading.services.slot(service_of(DOMAIN)).await.unwrap();
    let head = loading.world.head().await;
    assert_eq!(slot.folded().position().get(), head);
}

#[tokio::test]
async fn a_service_that_could_not_catch_up_is_loaded_anew() {
    let loading = loading().await;
    let slot = loading.services.slot(service_of(DOMAIN)).await.unwrap();
    loading.world.scribble(DOMAIN).await;
    loading.store.read_after();
    let refused = loading.services.catch_up(&slot).await.unwrap_err();
    assert_eq!(refused.code, Code::LogCorrupt);
    assert!(matches!(loading.health.check("log").status(), Status::NeedsPerson(_)));
    let refused = loading.services.slot(service_of(DOMAIN)).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code, Code::LogCorrupt);
    assert_eq!(loading.store.read_after().last(), Some(&0), "from its beginning");
    assert!(loading.services.slot(service_of("beta.example")).await.is_ok(), "the others go on");
}

#[tokio::test]
async fn an_entry_is_read_as_it_was_written() {
    let loading = loading().await;
    let slot = loading.services.slot(service_of(DOMAIN)).await.unwrap();
    for opened in loading.world.history(DOMAIN).await {
        assert_eq!(loading.services.entry(&slot, opened.link.position).await, Ok(opened));
    }
    let elsewhere = loading.world.history("beta.example").await[0].link.position;
    let refused = loading.services.entry(&slot, elsewhere).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code, Code::LogCorrupt, "another service's entry is not this one's");
}
