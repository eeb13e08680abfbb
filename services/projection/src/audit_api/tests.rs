//! What is found of a log, in which order, and what stands in the way.

use std::collections::HashSet;
use std::sync::Arc;

use domain::{Position, ServiceId};
use event_log::{EventLog, FaultyStore, LogStore, MemoryStore, ReadFault, Scope};
use futures::TryStreamExt;
use keys::KeyStore;
use postkey_http::{Actor, Code, Problem};
use serde_json::{Value, json};
use wire::Stored;

use super::entries;
use super::filter::Filter;
use super::looking::{Among, Found, Looking, Told};
use super::place::Place;
use crate::staged::{Act, Following, LOG, World, flipped, id_of, user_of};

struct Asker<'w> {
    world: &'w World,
    store: Arc<dyn LogStore>,
    services: HashSet<ServiceId>,
    to: Position,
}

/// Who asks for these services, as far as they stand.
fn asking(world: &World, services: impl IntoIterator<Item = u8>) -> Asker<'_> {
    let services = services.into_iter().map(id_of).collect();
    Asker { world, store: Arc::clone(&world.store), services, to: world.author.position() }
}

impl Asker<'_> {
    async fn page(&self, filter: &Filter, after: Place, limit: usize) -> Result<Found, Problem> {
        let (log, vault) = (EventLog::new(Arc::clone(&self.store), LOG), self.world.vault());
        let entries = entries::of_services(&log, &self.services, after.read_after(), self.to);
        let (among, told) = (Among::Services(&self.services), Told::Panel);
        Looking { log: LOG, vault: &vault, filter, among, told, after, limit }.through(entries).await
    }

    /// Every event that there is, in pages; and how many pages it took.
    async fn all(&self, filter: &Filter, limit: usize) -> (Vec<Value>, usize) {
        let (mut found, mut after, mut pages) = (Vec::new(), Place::START, 0);
        loop {
            let page = self.page(filter, after, limit).await.unwrap();
            pages += 1;
            assert!(page.events.len() <= limit);
            found.extend(page.events.iter().map(|(_, event)| serde_json::to_value(event).unwrap()));
            match page.next {
                Some(next) => {
                    assert!(next > after);
                    after = next;
                }
                None => return (found, pages),
            }
        }
    }

    async fn refused(&self, after: Place) -> Code {
        self.page(&Filter::default(), after, 50).await.unwrap_err().code
    }
}

/// Position and type.
fn told(events: &[Value]) -> Vec<(u64, &str)> {
    events.iter().map(|event| (event["position"].as_u64().unwrap(), event["type"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_services_events_are_told_once_each_in_their_order_however_the_pages_cut_their_entries() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let asker = asking(&world, [1]);
    let (all, pages) = asker.all(&Filter::default(), 500).await;
    let expected = [
        (2, "ServiceProvisioned"),
        (3, "UserAdded"),
        (3, "PasswordChanged"),
        (4, "UserAdded"),
        (4, "PasswordChanged"),
        (5, "UserAdded"),
        (5, "PasswordChanged"),
        (6, "UserSuspended"),
        (7, "UserEdited"),
        (8, "UserRemoved"),
        (9, "PasswordChanged"),
    ];
    assert_eq!((told(&all), pages), (expected.to_vec(), 1));
    for (limit, pages) in [(1, 11), (2, 6), (3, 4), (10, 2), (11, 1), (12, 1)] {
        assert_eq!(asker.all(&Filter::default(), limit).await, (all.clone(), pages), "limit {limit}");
    }
}

#[tokio::test]
async fn events_of_several_services_are_merged_by_position_however_many_they_are() {
    let mut world = World::new().await;
    for service in 1..=20 {
        world.act(service, Act::Provision).await;
    }
    for service in (1..=20).rev() {
        world.act(service, Act::Add(1, 1)).await;
    }
    for service in 1..=20 {
        world.act(service, Act::Suspend(1)).await;
    }
    let (whole, _) = asking(&world, 1..=20).all(&Filter::default(), 500).await;
    assert_eq!(whole.len(), 20 * 4);
    assert!(told(&whole).is_sorted_by_key(|(position, _)| *position));
    for services in [vec![7], vec![3, 19], (1..=16).collect::<Vec<u8>>(), (1..=17).collect(), vec![]] {
        let own: Vec<_> = services.iter().map(|service| json!(id_of(*service).uuid())).collect();
        let expected: Vec<_> = whole.iter().filter(|event| own.contains(&event["service"])).cloned().collect();
        for limit in [1, 7, 500] {
            let (found, _) = asking(&world, services.clone()).all(&Filter::default(), limit).await;
            assert_eq!(found, expected, "{services:?} in pages of {limit}");
        }
    }
}

#[tokio::test]
async fn nothing_is_told_that_the_rows_do_not_know_yet() {
    let mut world = World::new().await;
    world.live_a_little().await;
    for services in [vec![1], vec![1, 2], (1..=20).collect::<Vec<_>>()] {
        let asker = Asker { to: Position::new(4), ..asking(&world, services) };
        let (found, _) = asker.all(&Filter::default(), 2).await;
        assert_eq!(found.last().map(|event| event["position"].clone()), Some(json!(4)));
        assert_eq!(found.len(), 5);
    }
}

#[tokio::test]
async fn filters_are_taken_together() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let mut suspended = world.author.change(1, &Act::Suspend(2)).unwrap();
    suspended.by.actor = Some("staff/17".to_owned());
    let suspended = world.write(suspended).await;
    world.act(1, Act::Password(2)).await;
    let asker = asking(&world, [1, 2]);
    let (all, _) = asker.all(&Filter::default(), 500).await;
    let asked = async |filter: Filter| {
        let (found, _) = asker.all(&filter, 2).await;
        assert!(found.iter().all(|event| all.contains(event)));
        found
    };
    let user = Some(user_of(1, 2));
    let of_user = asked(Filter { user, ..Filter::default() }).await;
    let names: Vec<_> = told(&of_user).into_iter().map(|(_, name)| name).collect();
    let expected =
        ["UserAdded", "PasswordChanged", "UserEdited", "PasswordChanged", "UserSuspended", "PasswordChanged"];
    assert_eq!(names, expected);
    let changed = asked(Filter { user, event: Some("PasswordChanged"), ..Filter::default() }).await;
    assert_eq!(changed.len(), 3);
    let actor = || Some(Actor::parse("staff/17").unwrap());
    let by_actor = asked(Filter { actor: actor(), ..Filter::default() }).await;
    assert_eq!(told(&by_actor), [(suspended.link.position.get(), "UserSuspended")]);
    assert_eq!(by_actor[0]["actor"], "staff/17");
    assert!(asked(Filter { actor: actor(), event: Some("UserAdded"), ..Filter::default() }).await.is_empty());
    let at = suspended.change.at;
    let later = asked(Filter { from: Some(at), ..Filter::default() }).await;
    assert_eq!(told(&later).first(), told(&by_actor).first(), "from is inclusive");
    let earlier = asked(Filter { to: Some(at), ..Filter::default() }).await;
    assert_eq!(earlier.len() + later.len(), all.len(), "to is exclusive");
    let one = Filter { from: Some(at), to: Some(at + chrono::TimeDelta::microseconds(1)), ..Filter::default() };
    assert_eq!(asked(one).await, by_actor);
}

#[tokio::test]
async fn a_page_looks_at_so_many_entries_and_no_more_and_the_next_goes_on_from_there() {
    let mut world = World::new().await;
    world.act(1, Act::Provision).await;
    world.act(1, Act::Add(1, 1)).await;
    world.act(1, Act::Add(2, 2)).await;
    for _ in 0..2_500 {
        world.act(1, Act::Suspend(1)).await;
        world.act(1, Act::Reactivate(1)).await;
    }
    world.act(1, Act::Suspend(2)).await;
    let rare = Filter { user: Some(user_of(1, 2)), event: Some("UserSuspended"), ..Filter::default() };
    let asker = asking(&world, [1]);
    let first = asker.page(&rare, Place::START, 50).await.unwrap();
    assert!(first.events.is_empty());
    let next = first.next.unwrap();
    assert!((Place::behind(Position::new(4_096))..Place::behind(Position::new(4_400))).contains(&next), "{next:?}");
    let second = asker.page(&rare, next, 50).await.unwrap();
    assert_eq!((second.events.len(), second.next), (1, None));
    // Who asks for what is long past does not wait for the rest.
    let mut past = Filter { to: Some(chrono::DateTime::UNIX_EPOCH), ..rare };
    assert_eq!(asker.page(&past, Place::START, 50).await.unwrap().next, None);
    past.to = None;
    assert_eq!(asker.all(&past, 50).await.1, 2);
}

#[tokio::test]
async fn what_was_erased_is_null_and_the_history_stays() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let (_, rows) = world.author.rows();
    let of = |user| rows.iter().find(|row| row.id == user_of(1, user)).unwrap().user.clone();
    let credential = of(2).credential.unwrap().hash.key;
    world.command_keys.destroy(&[of(2).person.key, credential], Position::new(1)).await.unwrap();
    let filter = Filter { user: Some(user_of(1, 2)), ..Filter::default() };
    let (events, _) = asking(&world, [1]).all(&filter, 50).await;
    let data: Vec<_> = events.iter().map(|event| event["data"].clone()).collect();
    let (quota, names) = (json!(3 * domain::MIB), Value::Null);
    let expected = [
        json!({"address": names, "first_name": names, "last_name": names, "quota_bytes": quota}),
        json!({"by_user": false}),
        json!({"first_name": names, "last_name": names, "quota_bytes": 5 * domain::MIB}),
        json!({"by_user": false}),
    ];
    assert_eq!(data, expected);
}

#[tokio::test]
async fn an_event_says_who_what_and_when_and_nothing_of_keys_or_credentials() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let (events, _) = asking(&world, [1]).all(&Filter::default(), 50).await;
    let expected = json!({
        "position": 7, "at": "2026-11-18T11:06:46.000000Z", "type": "UserEdited", "service": id_of(1).uuid(),
        "user": user_of(1, 2).uuid(), "client": "panel", "actor": null,
        "command": "00000000-0000-0000-0000-0000000c0007", "data": {"first_name": "Şeyma", "quota_bytes": 5 * domain::MIB}
    });
    assert_eq!(events[8], expected);
    assert_eq!(events[0]["user"], Value::Null);
    let plan = json!({"mailboxes": 4, "pool_bytes": 64 * domain::MIB});
    assert_eq!(events[0]["data"], json!({"domain": "s1.example", "customer": "acme", "plan": plan}));
    let added = json!({
        "address": "user1@s1.example", "first_name": "Ann", "last_name": "Lee", "quota_bytes": 2 * domain::MIB
    });
    assert_eq!(events[1]["data"], added);
    assert_eq!(events[7]["data"], json!({}));
    let text = Value::from(events).to_string();
    let (services, users) = world.author.rows();
    let keys = services.iter().map(|row| row.service.key).chain(users.iter().flat_map(|row| {
        std::iter::once(row.user.person.key).chain(row.user.credential.as_ref().map(|credential| credential.hash.key))
    }));
    for secret in
        keys.map(|key| key.to_string()).chain(["argon2", "hash", "\"box", "salt", "policy"].map(str::to_owned))
    {
        assert!(!text.contains(&secret), "{secret}");
    }
}

#[tokio::test]
async fn keys_that_cannot_be_asked_for_are_waited_for_and_lost_ones_end_the_page_before_their_entry() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let asker = asking(&world, [1]);
    world.keys.switch(false);
    assert_eq!(asker.refused(Place::START).await, Code::KeysUnavailable);
    world.keys.switch(true);
    world.keys.lose(true);
    let before = asker.page(&Filter::default(), Place::START, 50).await.unwrap();
    assert_eq!((before.events.len(), before.next), (1, Some(Place::behind(Position::new(2)))));
    assert_eq!(asker.refused(before.next.unwrap()).await, Code::KeysUnavailable);
    world.keys.lose(false);
    assert_eq!(asker.page(&Filter::default(), before.next.unwrap(), 50).await.unwrap().events.len(), 10);
}

#[tokio::test]
async fn a_log_that_is_away_or_corrupt_is_named_as_such() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let on = |store: Arc<dyn LogStore>| Asker { store, ..asking(&world, [1, 2]) };
    let away = (1..10)
        .fold(FaultyStore::new(Arc::clone(&world.store)), |store, nth| store.on_read(nth, ReadFault::Unavailable));
    assert_eq!(on(Arc::new(away)).refused(Place::START).await, Code::LogUnavailable);
    let changed = world.copied(|at, entry| Some(if at == Position::new(6) { flipped(entry) } else { entry })).await;
    assert_eq!(on(changed).refused(Place::START).await, Code::LogCorrupt);
    // An entry is taken out, and the position is filled by one of another service's.
    let entries: Vec<Stored> = world.store.read(Scope::All, Position::START).try_collect().await.unwrap();
    let without = Arc::new(MemoryStore::new(LOG));
    for stored in entries.iter().filter(|stored| stored.position != Position::new(9)) {
        let head = without.head(Scope::Subject(stored.entry.subject.clone())).await.unwrap().position;
        without.try_append(&stored.entry, head).await;
    }
    assert_eq!(on(without).refused(Place::START).await, Code::LogCorrupt);
}

/// The entries about a user, by the ledger of a read model that has applied all.
#[tokio::test]
async fn entries_about_a_user_are_found_by_the_ledger_and_held_against_it() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let model = world.model().await;
    let mut following = Following::start(world.follower(&model));
    following.reached(world.author.position()).await;
    following.stop().await;
    let (user, end) = (user_of(2, 2), world.author.position());
    let filter = Filter { user: Some(user), ..Filter::default() };
    let (expected, _) = asking(&world, [2]).all(&filter, 500).await;
    let (sound, vault) = (world.log(), world.vault());
    let among = |only| Looking {
        log: LOG,
        vault: &vault,
        filter: &filter,
        among: Among::User(only),
        told: Told::Auditor { personal: true },
        after: Place::START,
        limit: 500,
    };
    let entries = || entries::about(&sound, &*model, user, Position::START, end);
    let found = among(None).through(entries()).await.unwrap();
    let found: Vec<_> = found.events.iter().map(|(_, event)| serde_json::to_value(event).unwrap()).collect();
    assert_eq!(found, expected);
    let (own, others) = ([id_of(2)].into(), [id_of(1)].into());
    assert_eq!(among(Some(&own)).through(entries()).await.unwrap().events.len(), expected.len());
    assert!(among(Some(&others)).through(entries()).await.unwrap().events.is_empty(), "another customer's user");
    let before = Position::new(expected[2]["position"].as_u64().unwrap() - 1);
    let rest = among(None).through(entries::about(&sound, &*model, user, before, end)).await.unwrap();
    assert_eq!(rest.events.len(), expected.len() - 2);

    // An entry with a good MAC that stands where another stood, as one that was appended again would.
    let own: Vec<Stored> = sound.read(Scope::service(id_of(2)), Position::START).try_collect().await.unwrap();
    let (first, last) = (own[2].entry.clone(), own.last().unwrap().position);
    let swapped = world.copied(|at, entry| Some(if at == last { first.clone() } else { entry })).await;
    let swapped = EventLog::new(swapped, LOG);
    let refused = among(None).through(entries::about(&swapped, &*model, user, Position::START, end)).await;
    assert_eq!(refused.unwrap_err().code, Code::LogCorrupt);
}
