//! A user is erased: in force once its keys are gone, and nobody who was on the way is left with them.

use std::sync::Arc;

use domain::event::UserEvent;
use domain::{Event, Position};
use event_log::{LogStore, Scope};
use keys::KeyStore;
use postkey_http::Status;
use serde_json::json;

use super::{DOMAIN, PASSWORD, two_instances};
use crate::staged::{Answer, Instance, until};

/// Ann, removed.
async fn removed(one: &Instance) -> String {
    let ann = one.add("ann@acme.example").key("added").send().await.done(201).user();
    one.remove(DOMAIN, &ann).send().await.done(200);
    ann
}

fn effective(answer: &Answer) -> (bool, bool, bool) {
    let json = &answer.json;
    (json["effective"] == json!(true), json["effective_at"].is_string(), json["repeated"] == json!(true))
}

#[tokio::test]
async fn an_erasure_is_in_force_once_the_keys_are_gone_and_not_before() {
    let (world, one, two) = two_instances().await;
    let ann = removed(&one).await;
    let erased = one.erase(DOMAIN, &ann).key("k").header("prefer", "wait=0").send().await.done(202);
    assert_eq!(effective(&erased), (false, false, false));
    assert_eq!(erased.json["events"], json!(["UserErased"]));
    for instance in [&one, &two] {
        let repeated = instance.erase(DOMAIN, &ann).key("k").header("prefer", "wait=0").send().await.done(202);
        assert_eq!(effective(&repeated), (false, false, true));
    }
    world.destroy_doomed().await;
    // Its fingerprint went with them.
    for instance in [&one, &two, &world.instance()] {
        let repeated = instance.erase(DOMAIN, &ann).key("k").header("prefer", "wait=0").send().await.done(200);
        assert_eq!((effective(&repeated), repeated.position()), ((true, true, true), erased.position()));
    }
}

#[tokio::test]
async fn an_erasure_waits_for_its_keys() {
    let (world, one, _) = two_instances().await;
    let ann = removed(&one).await;
    let before = world.head().await;
    let destroyed = async {
        until(async || world.head().await > before).await;
        world.destroy_doomed().await;
    };
    let (erased, ()) = tokio::join!(one.erase(DOMAIN, &ann).header("prefer", "wait=30").send(), destroyed);
    assert_eq!(effective(&erased.done(200)), (true, true, false));
}

#[tokio::test]
async fn what_is_removed_does_not_wait_for_its_keys() {
    let (_world, one, _) = two_instances().await;
    let ann = one.add("ann@acme.example").send().await.done(201).user();
    one.set_password(DOMAIN, &ann, PASSWORD).send().await.done(200);
    assert_eq!(effective(&one.remove(DOMAIN, &ann).send().await.done(200)), (true, true, false));
}

#[tokio::test]
async fn a_key_store_that_can_not_be_asked_or_has_come_further_than_the_log_puts_no_erasure_in_force() {
    let (world, one, _) = two_instances().await;
    let ann = removed(&one).await;
    // As after a log was restored that is older than the key store.
    let beyond = Position::new(world.head().await + 10);
    world.keys.destroy(&[], beyond).await.unwrap();
    one.erase(DOMAIN, &ann).key("k").header("prefer", "wait=0").send().await.done(202);
    for n in 0..12 {
        one.change_plan(DOMAIN, 20 + n).send().await.done(200);
    }
    one.erase(DOMAIN, &ann).key("k").header("prefer", "wait=0").send().await.done(200);
}

#[tokio::test]
async fn only_an_operator_erases_and_only_who_was_removed() {
    let (_world, one, _) = two_instances().await;
    let ann = one.add("ann@acme.example").send().await.done(201).user();
    one.erase(DOMAIN, &ann).by("acme").send().await.refused(403, "forbidden");
    one.erase(DOMAIN, &ann).send().await.refused(409, "wrong_state");
    one.remove(DOMAIN, &ann).send().await.done(200);
    one.erase(DOMAIN, &ann).by("acme").send().await.refused(403, "forbidden");
    one.erase(DOMAIN, &ann).header("if-match", "\"1\"").send().await.refused(412, "stale_revision");
}

#[tokio::test]
async fn an_erased_user_is_not_found_and_leaves_its_address_to_others() {
    let (world, one, two) = two_instances().await;
    let ann = removed(&one).await;
    one.add("ann@acme.example").send().await.refused(409, "address_taken");
    one.erase(DOMAIN, &ann).header("prefer", "wait=0").send().await.done(202);
    world.destroy_doomed().await;
    // One that has folded it before, one that does so now, and one that has just started.
    for instance in [one, two, world.instance()] {
        instance.erase(DOMAIN, &ann).send().await.refused(404, "not_found");
        instance.remove(DOMAIN, &ann).send().await.refused(404, "not_found");
        instance.rename(DOMAIN, &ann, "Young").send().await.refused(404, "not_found");
        let heir = instance.add("ann@acme.example").send().await.done(201).user();
        instance.rename(DOMAIN, &heir, "Young").send().await.done(200);
        instance.remove(DOMAIN, &heir).send().await.done(200);
        instance.erase(DOMAIN, &heir).header("prefer", "wait=0").send().await.done(202);
        world.destroy_doomed().await;
    }
}

#[tokio::test]
async fn what_was_asked_about_an_erased_user_is_answered_for_ever() {
    let (world, one, _) = two_instances().await;
    let ann = removed(&one).await;
    one.erase(DOMAIN, &ann).header("prefer", "wait=0").send().await.done(202);
    world.destroy_doomed().await;
    let again = world.instance().add("ann@acme.example").key("added").send().await.done(201);
    assert_eq!((again.user(), effective(&again)), (ann, (true, true, true)));
}

/// To `one` she is still there: it reads the log where it would seal under a key that is no more.
#[tokio::test]
async fn who_was_erased_elsewhere_is_not_found_and_nothing_is_sealed_under_her_keys() {
    let (world, one, two) = two_instances().await;
    for attempt in 0..5 {
        let ann = one.add("ann@acme.example").send().await.done(201).user();
        two.remove(DOMAIN, &ann).send().await.done(200);
        two.erase(DOMAIN, &ann).header("prefer", "wait=0").send().await.done(202);
        world.destroy_doomed().await;
        let head = world.head().await;
        let refused = match attempt {
            0 => one.rename(DOMAIN, &ann, "Young").send().await,
            1 => one.set_password(DOMAIN, &ann, PASSWORD).send().await,
            2 => one.suspend(DOMAIN, &ann).send().await,
            3 => one.remove(DOMAIN, &ann).send().await,
            _ => one.edit(DOMAIN, &ann, json!({"first_name": "Anna", "password": PASSWORD})).send().await,
        };
        refused.refused(404, "not_found");
        assert_eq!(world.head().await, head);
        assert_eq!(one.health.check("keys").status(), Status::Green);
    }
}

#[tokio::test]
async fn who_is_erased_between_decision_and_append_is_not_found() {
    let (world, one, two) = two_instances().await;
    let ann = one.add("ann@acme.example").send().await.done(201).user();
    let theirs = ann.clone();
    let (keys, log) = (Arc::clone(&world.keys), Arc::clone(&world.log));
    let profile = world.history(DOMAIN).await.last().and_then(|added| match &added.change.events()[0] {
        Event::User(_, UserEvent::UserAdded { person, .. }) => Some(person.key),
        _ => None,
    });
    one.store.before_the_next_append(async move {
        two.remove(DOMAIN, &theirs).send().await.done(200);
        two.erase(DOMAIN, &theirs).header("prefer", "wait=0").send().await.done(202);
        let head = log.head(Scope::All).await.unwrap().position;
        keys.destroy(&[profile.unwrap()], head).await.unwrap();
    });
    one.rename(DOMAIN, &ann, "Young").send().await.refused(404, "not_found");
    one.add("ann@acme.example").send().await.done(201);
}

#[tokio::test]
async fn two_who_erase_at_once_erase_once() {
    let (world, one, two) = two_instances().await;
    let ann = removed(&one).await;
    let theirs = ann.clone();
    one.store.before_the_next_append(async move {
        two.erase(DOMAIN, &theirs).header("prefer", "wait=0").send().await.done(202);
    });
    one.erase(DOMAIN, &ann).send().await.refused(404, "not_found");
    let names: Vec<_> = world.history(DOMAIN).await.iter().map(|opened| opened.change.events()[0].name()).collect();
    assert_eq!(names, ["ServiceProvisioned", "UserAdded", "UserRemoved", "UserErased"]);
}

/// No entry dooms it: neither an old state nor a conflict, and asked for once.
#[tokio::test]
async fn a_key_that_stands_and_is_destroyed_is_said_to_be_and_nothing_is_appended() {
    let (world, one, _) = two_instances().await;
    let ann = one.add("ann@acme.example").send().await.done(201).user();
    let head = world.head().await;
    world.keys.destroy(&world.keys.ids(), Position::START).await.unwrap();
    one.rename(DOMAIN, &ann, "Young").send().await.refused(503, "keys_unavailable");
    assert_eq!(world.head().await, head);
    let status = one.health.check("keys").status();
    assert!(matches!(&status, Status::Impaired(why) if why.contains("stands by the log")), "{status:?}");
}
