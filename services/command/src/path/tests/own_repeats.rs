//! A user's own change asked for again: the key, the current password that died by the change itself, and whoever guesses.

use domain::{KeyId, Position};
use keys::KeyStore;
use serde_json::json;

use super::DOMAIN;
use crate::staged::{Instance, World, own_hasher};

const ANN: &str = "ann@acme.example";
const OLD: &str = "Tr0ub4dor&3-x";
const NEW: &str = "C0rrect-horse-battery";
const OTHER: &str = "Marmot-77-lantern";

/// A world in which Ann has changed her password from `OLD` to `NEW` with the key `k`, at position 4.
async fn changed() -> (World, Instance, String) {
    let mut world = World::new().await;
    world.hasher = own_hasher();
    let one = world.instance();
    one.provision(DOMAIN).send().await.done(201);
    let ann = one.add(ANN).send().await.done(201).user();
    assert_eq!(one.change_own(ANN, OLD, NEW).key("k").send().await.done(200).position(), 4);
    (world, one, ann)
}

/// As the projection does once the entry after is applied.
async fn destroy_the_key_of(world: &World, position: u64) {
    let opened = world.history(DOMAIN).await.into_iter().find(|opened| opened.link.position.get() == position).unwrap();
    let key: Vec<KeyId> = opened
        .change
        .events()
        .iter()
        .filter_map(|event| match event {
            domain::Event::User(_, domain::event::UserEvent::PasswordChanged { hash, .. }) => Some(hash.key),
            _ => None,
        })
        .collect();
    assert_eq!(key.len(), 1);
    world.keys.destroy(&key, Position::new(world.head().await)).await.unwrap();
}

#[tokio::test]
async fn a_repeat_is_answered_though_its_current_password_is_dead() {
    let (world, one, ann) = changed().await;
    for instance in [&one, &world.instance()] {
        let again = instance.change_own("ANN@acme.example", OLD, NEW).key("k").send().await.done(200);
        assert_eq!((again.position(), again.user(), &again.json["repeated"]), (4, ann.clone(), &json!(true)));
        assert_eq!(again.json["events"], json!(["PasswordChanged"]));
    }
    assert_eq!(world.head().await, 4);
}

#[tokio::test]
async fn a_repeat_is_as_long_as_an_attempt_and_whoever_guesses_the_key_hears_what_anybody_hears() {
    let (world, one, _) = changed().await;
    let with_key = |current, new, key: &str| one.change_own(ANN, current, new).key(key).send();
    let mut jobs = world.hasher.taken().logins;
    let mut once = async |what: &str| {
        let before = std::mem::replace(&mut jobs, world.hasher.taken().logins);
        assert_eq!(world.hasher.taken().logins - before, 1, "{what}");
    };
    let unused = with_key("Wr0ng-1", NEW, "unused").await.refused(403, "wrong_current_password").said();
    once("an unused key").await;
    for (current, new) in [("Wr0ng-1", NEW), (OLD, OTHER), (OLD, "C0rrect-horse-batterz")] {
        let guessed = with_key(current, new, "k").await.refused(403, "wrong_current_password").said();
        once("a guessed key").await;
        assert_eq!(guessed, unused);
    }
    with_key(OLD, NEW, "k").await.done(200);
    once("a repeat").await;
    // The guesses were attempts.
    with_key("Wr0ng-1", NEW, "k").await.refused(403, "wrong_current_password");
    with_key(OLD, NEW, "k").await.refused(429, "throttled");
}

#[tokio::test]
async fn another_request_with_the_same_key_is_refused_once_it_has_proved_who_asks() {
    let (world, one, ann) = changed().await;
    one.change_own(ANN, NEW, OTHER).key("k").send().await.refused(422, "idempotency_mismatch");
    assert_eq!(world.head().await, 4);
    one.add("bob@acme.example").send().await.done(201);
    one.change_own("bob@acme.example", OLD, NEW).key("k").send().await.refused(422, "idempotency_mismatch");
    // Another client's key is another.
    one.change_own(ANN, NEW, OTHER).key("k").by("roundcube").send().await.done(200);
    one.set_password(DOMAIN, &ann, NEW).key("k").send().await.done(200);
}

/// Nobody is told that a password is set which is not; and a pair of dead passwords proves nothing, whether or not the
/// key that could tell has been destroyed yet.
#[tokio::test]
async fn a_repeat_of_a_change_that_another_has_replaced_proves_nothing() {
    let (world, one, ann) = changed().await;
    one.set_password(DOMAIN, &ann, OTHER).send().await.done(200);
    for destroyed in [false, true] {
        if destroyed {
            destroy_the_key_of(&world, 4).await;
        }
        for instance in [&one, &world.instance()] {
            instance.change_own(ANN, OLD, NEW).key("k").send().await.refused(403, "wrong_current_password");
            instance.change_own(ANN, OTHER, NEW).key("k").send().await.refused(422, "idempotency_mismatch");
        }
    }
    assert_eq!(world.head().await, 5);
    one.set_password(DOMAIN, &ann, OLD).send().await.done(200);
    one.change_own(ANN, OLD, NEW).key("k").send().await.refused(422, "idempotency_mismatch");
    one.change_own(ANN, OLD, NEW).key("k2").send().await.done(200);
}

#[tokio::test]
async fn a_repeat_for_a_user_who_is_suspended_by_now_is_refused_like_any() {
    let (_world, one, ann) = changed().await;
    one.suspend(DOMAIN, &ann).send().await.done(200);
    one.change_own(ANN, OLD, NEW).key("k").send().await.refused(403, "wrong_current_password");
    one.remove(DOMAIN, &ann).send().await.done(200);
    one.change_own(ANN, OLD, NEW).key("k").send().await.refused(403, "wrong_current_password");
}

#[tokio::test]
async fn the_same_request_at_the_same_time_is_one_change() {
    let (world, one, _) = changed().await;
    let two = world.instance();
    let (theirs, mine) = (two.clone(), one.clone());
    one.store.before_the_next_append(async move {
        theirs.change_own(ANN, NEW, OTHER).key("same").send().await.done(200);
    });
    let calls = [&mine, &mine, &two].map(|instance| instance.change_own(ANN, NEW, OTHER).key("same").send());
    let mut repeated = Vec::new();
    for answer in futures::future::join_all(calls).await {
        let answer = answer.done(200);
        assert_eq!(answer.position(), 5);
        repeated.push(answer.json["repeated"].as_bool().unwrap());
    }
    assert!(repeated.iter().filter(|repeated| !**repeated).count() <= 1, "{repeated:?}");
    assert_eq!(world.head().await, 5);
}

#[tokio::test]
async fn refusals_bind_no_key() {
    let (_world, one, _) = changed().await;
    let ask = |current, new| one.change_own(ANN, current, new).key("free").send();
    ask("Wr0ng-1", OTHER).await.refused(403, "wrong_current_password");
    ask(NEW, NEW).await.refused(409, "same_password");
    ask(NEW, "My-acme-lee-7!").await.refused(422, "weak_password");
    let done = ask(NEW, OTHER).await.done(200);
    assert_eq!(done.json["repeated"], json!(false));
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_by_asking_again() {
    let (world, _, _) = changed().await;
    let mut world = world;
    world.append_within = std::time::Duration::from_millis(60);
    let one = world.instance();
    one.store.forget_the_next();
    one.change_own(ANN, NEW, OTHER).key("mine").send().await.refused(503, "log_unavailable");
    one.store.switch(true);
    let found = one.change_own(ANN, NEW, OTHER).key("mine").send().await.done(200);
    assert_eq!((found.position(), &found.json["repeated"]), (5, &json!(true)));
}
