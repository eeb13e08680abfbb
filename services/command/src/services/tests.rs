//! What is read of the log, and when.

use event_log::LogStore;
use futures::future::{join_all, poll_immediate};
use postkey_http::{Health, Status};

use super::*;
use crate::app::MOST_USERS;
use crate::staged::{Hooked, LOG, World, service_of};

const DOMAIN: &str = "acme.example";

struct Loading {
    world: World,
    store: Arc<Hooked>,
    services: Arc<Services>,
    health: Health,
}

/// A log with some services, and a process that has loaded none of them.
async fn loading() -> Loading {
    loading_at_most(MOST_USERS).await
}

async fn loading_at_most(most_users: usize) -> Loading {
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
    let keys = KeysAtHand::new(world.vault(), health.check("keys"));
    let services = Arc::new(Services::new(log, world.vault(), guard, keys, most_users));
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
    assert!(loading.services.slots().is_empty());
}

#[tokio::test]
async fn what_could_not_be_loaded_is_not_kept() {
    let loading = loading().await;
    loading.store.switch(false);
    for n in 0..3 {
        assert!(loading.services.slot(service_of(&format!("n{n}.example"))).await.is_err());
    }
    assert!(loading.services.slots().is_empty(), "while the log is down");
}

#[tokio::test]
async fn whoever_gives_up_waiting_leaves_it_to_be_read() {
    let loading = loading().await;
    loading.store.hold_reads(true);
    for (given_up, domain) in [DOMAIN, "nobody.example"].into_iter().enumerate() {
        let mut asked = Box::pin(loading.services.slot(service_of(domain)));
        assert!(poll_immediate(&mut asked).await.is_none());
        while loading.store.reads() <= given_up {
            tokio::task::yield_now().await;
        }
        let mut others = [(); 2].map(|()| Box::pin(loading.services.slot(service_of(domain))));
        for other in &mut others {
            assert!(poll_immediate(other).await.is_none());
        }
    }
    loading.store.hold_reads(false);
    let slot = loading.services.slot(service_of(DOMAIN)).await.unwrap();
    let head = loading.world.head().await;
    assert_eq!(slot.folded().position().get(), head);
    assert_eq!(loading.store.read_after(), [0, 0], "each was read once");
    loading.services.slot(service_of("nobody.example")).await.unwrap();
    assert_eq!(loading.services.slots().kept().len(), 1);
}

#[tokio::test]
async fn whoever_waits_in_vain_is_told_so_and_nothing_is_read_again() {
    let loading = loading().await;
    tokio::time::pause();
    loading.store.hold_reads(true);
    let reading = tokio::spawn({
        let services = Arc::clone(&loading.services);
        async move { services.slot(service_of(DOMAIN)).await.map(drop) }
    });
    while loading.store.reads() == 0 {
        tokio::task::yield_now().await;
    }
    let refused = loading.services.slot(service_of(DOMAIN)).await.map(drop).unwrap_err();
    assert_eq!(refused.code, Code::Overloaded);
    assert!(format!("{refused:?}").contains("still being read"), "{refused:?}");
    loading.store.hold_reads(false);
    reading.await.unwrap().unwrap();
    loading.services.slot(service_of(DOMAIN)).await.unwrap();
    assert_eq!(loading.store.read_after(), [0]);
}

#[tokio::test]
async fn those_that_wait_for_the_newest_share_a_read() {
    let loading = loading().await;
    let slot = loading.services.slot(service_of(DOMAIN)).await.unwrap();
    let known = slot.folded().position().get();
    loading.store.read_after();
    loading.store.hold_reads(true);
    let mut asked: Vec<_> = (0..10).map(|_| Box::pin(loading.services.newest(service_of(DOMAIN)))).collect();
    for asked in &mut asked {
        assert!(poll_immediate(asked).await.is_none());
    }
    let last = loading.world.instance().add("cem@acme.example").send().await.done(201).position();
    loading.store.hold_reads(false);
    for slot in join_all(asked).await {
        assert_eq!(slot.unwrap().folded().position().get(), last);
    }
    assert_eq!(loading.store.read_after(), [known, last], "the others came when the first had begun");
}

#[tokio::test]
async fn what_is_known_stays_known_while_nothing_newer_can_be_had() {
    let loading = loading().await;
    let slot = loading.services.slot(service_of(DOMAIN)).await.unwrap();
    let known = slot.folded().position();
    for switch in
        [|loading: &Loading, on| loading.store.switch(on), |loading: &Loading, on| loading.world.keys.switch(on)]
    {
        loading.world.instance().add("cem@acme.example").key("cem").send().await.done(201);
        switch(&loading, false);
        assert!(loading.services.newest(service_of(DOMAIN)).await.is_err());
        assert_eq!((slot.is_loaded(), slot.folded().position()), (true, known));
        switch(&loading, true);
    }
    loading.store.read_after();
    loading.services.newest(service_of(DOMAIN)).await.unwrap();
    assert_eq!(loading.store.read_after(), [known.get()], "and is not read again");
}

#[tokio::test]
async fn the_newest_is_had_by_one_read_whatever_was_at_hand() {
    let loading = loading().await;
    for known in [0, loading.world.history(DOMAIN).await.last().unwrap().link.position.get()] {
        let slot = loading.services.newest(service_of(DOMAIN)).await.unwrap();
        assert_eq!(slot.folded().state.provisioned().map(|found| found.users.len()), Ok(2));
        assert_eq!(loading.store.read_after(), [known]);
    }
    let last = loading.world.instance().add("cem@acme.example").send().await.done(201).position();
    let slot = loading.services.newest(service_of(DOMAIN)).await.unwrap();
    assert_eq!(slot.folded().position().get(), last);
    loading.store.read_after();
    loading.services.newest(service_of("nobody.example")).await.unwrap();
    assert_eq!(loading.store.read_after(), [0], "also of one that is not there");
}

#[tokio::test]
async fn those_that_were_asked_for_longest_ago_make_room() {
    let loading = loading_at_most(5).await;
    for domain in [DOMAIN, "beta.example", "gamma.example", "beta.example", DOMAIN] {
        let slot = loading.services.slot(service_of(domain)).await.unwrap();
        assert!(slot.folded().position() > domain::Position::START);
    }
    // Acme weighs 3, the others 2 each.
    assert_eq!(loading.store.read_after(), [0, 0, 0, 0], "beta was at hand the second time");
    assert_eq!(loading.services.slots().kept(), [(service_of(DOMAIN), 3), (service_of("beta.example"), 2)]);
}

#[tokio::test]
async fn those_that_grow_while_they_are_at_hand_make_no_more_room_than_there_is() {
    let loading = loading_at_most(7).await;
    let kept = || loading.services.slots().kept();
    for domain in ["beta.example", "gamma.example", DOMAIN] {
        loading.services.slot(service_of(domain)).await.unwrap();
    }
    let [acme, beta, gamma] = [DOMAIN, "beta.example", "gamma.example"].map(service_of);
    assert_eq!(kept(), [(acme, 3), (gamma, 2), (beta, 2)]);
    loading.world.instance().add("cem@acme.example").send().await.done(201);
    let slot = loading.services.newest(acme).await.unwrap();
    assert_eq!(kept(), [(acme, 4), (gamma, 2)], "by what others wrote");
    for (name, expected) in [("dan", vec![(acme, 5), (gamma, 2)]), ("eve", vec![(acme, 6)])] {
        loading.world.instance().add(&format!("{name}@acme.example")).send().await.done(201);
        let _turn = slot.turn().await.unwrap();
        let opened = loading.world.history(DOMAIN).await.pop().unwrap();
        loading.services.apply(&slot, &opened).unwrap();
        assert_eq!(kept(), expected, "by what was appended here");
    }
    assert_eq!(kept().iter().map(|(_, weight)| weight).sum::<usize>(), slot.weight());
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
