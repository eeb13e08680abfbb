//! The same request again: after an answer was lost, at the same time, with another body, elsewhere.

use std::sync::Arc;

use event_log::{AppendFault, FaultyStore};
use serde_json::json;

use super::{DOMAIN, PASSWORD, two_instances};
use crate::staged::World;

#[tokio::test]
async fn an_entry_whose_acknowledgement_was_lost_stands_once_and_is_answered() {
    for fault in [AppendFault::AckLost, AppendFault::Lost, AppendFault::Late] {
        let world = World::new().await;
        let faulty = FaultyStore::new(Arc::clone(&world.log) as _).on_append(2, fault.clone());
        let one = world.instance_over(Arc::new(faulty));
        one.provision(DOMAIN).send().await.done(201);
        let added = one.add("ann@acme.example").send().await.done(201);
        let history = world.history(DOMAIN).await;
        assert_eq!(history.len(), 2, "{fault:?}");
        assert_eq!(history[1].link.position.get(), added.position());
        assert_eq!((&added.json["repeated"], &added.json["effective"]), (&json!(false), &json!(true)));
    }
}

#[tokio::test]
async fn a_key_that_races_with_itself_is_carried_out_once() {
    let (world, one, two) = two_instances().await;
    let twice = || one.add("ann@acme.example").key("the-same").send();
    let (first, second) = tokio::join!(twice(), twice());
    let (first, second) = (first.done(201), second.done(201));
    assert_eq!((first.position(), first.user()), (second.position(), second.user()));
    let mut repeated = [&first, &second].map(|answer| answer.json["repeated"].as_bool());
    repeated.sort();
    assert_eq!(repeated, [Some(false), Some(true)]);
    assert_eq!(world.history(DOMAIN).await.len(), 2);

    let third = two.add("ann@acme.example").key("the-same").send().await.done(201);
    assert_eq!((third.position(), third.user()), (first.position(), first.user()), "wherever it is asked");
    assert_eq!(third.json["repeated"], json!(true));
    assert_eq!(world.history(DOMAIN).await.len(), 2);
}

#[tokio::test]
async fn a_key_that_races_with_itself_on_two_instances_is_carried_out_once() {
    let (world, one, two) = two_instances().await;
    let theirs = two.clone();
    one.store.before_the_next_append(async move {
        theirs.add("ann@acme.example").key("the-same").send().await.done(201);
    });
    let added = one.add("ann@acme.example").key("the-same").send().await.done(201);
    let history = world.history(DOMAIN).await;
    assert_eq!(history.len(), 2);
    assert_eq!((added.position(), &added.json["repeated"]), (history[1].link.position.get(), &json!(true)));
}

#[tokio::test]
async fn a_key_is_its_clients_its_services_and_one_bodys() {
    let (world, one, _) = two_instances().await;
    one.provision("acme.test").send().await.done(201);
    let ann = one.add("ann@acme.example").key("k").by("acme").send().await.done(201);
    one.add("anna@acme.example").key("k").by("acme").send().await.refused(422, "idempotency_mismatch");
    let weaker = json!({"password": "Tr0ub4dor&3-y"});
    one.edit(DOMAIN, &ann.user(), weaker).key("k").by("acme").send().await.refused(422, "idempotency_mismatch");
    one.add("anna@acme.example").key("k").by("operator").send().await.done(201);
    one.add("ann@acme.test").key("k").by("acme").send().await.done(201);
    assert_eq!(world.head().await, 6);
}

#[tokio::test]
async fn a_refusal_and_a_change_of_nothing_bind_no_key() {
    let (_world, one, _) = two_instances().await;
    let ann = one.add("ann@acme.example").send().await.done(201).user();
    one.add("ann@acme.example").key("k").send().await.refused(409, "address_taken");
    one.rename(DOMAIN, &ann, "Lee").key("k").send().await.done(200);
    let set = one.set_password(DOMAIN, &ann, PASSWORD).key("k").send().await.done(200);
    assert_eq!(set.json["repeated"], json!(false));
}

#[tokio::test]
async fn a_stranger_does_not_hear_what_a_key_has_done() {
    let (_world, one, _) = two_instances().await;
    one.add("ann@acme.example").key("k").by("acme").send().await.done(201);
    one.add("ann@acme.example").key("k").by("beta").send().await.refused(404, "not_found");
}

#[tokio::test]
async fn a_key_is_answered_after_a_restart_and_after_much_else() {
    let (world, one, _) = two_instances().await;
    let first = one.add("ann@acme.example").key("k").send().await.done(201);
    for n in 0..5 {
        one.rename(DOMAIN, &first.user(), &format!("Name{n}")).send().await.done(200);
    }
    one.remove(DOMAIN, &first.user()).send().await.done(200);
    let again = world.instance().add("ann@acme.example").key("k").send().await.done(201);
    assert_eq!(
        (again.position(), again.user(), &again.json["repeated"]),
        (first.position(), first.user(), &json!(true))
    );
}

#[tokio::test]
async fn every_answer_carries_the_key_to_ask_again_with() {
    let (_world, one, _) = two_instances().await;
    let given = one.add("ann@acme.example").key("mine").send().await.done(201);
    assert_eq!(given.headers["idempotency-key"], "mine");
    let drawn = one.add("bob@acme.example").send().await.done(201);
    let key = drawn.headers["idempotency-key"].to_str().unwrap().to_owned();
    let again = one.add("bob@acme.example").key(&key).send().await.done(201);
    assert_eq!((again.user(), &again.json["repeated"]), (drawn.user(), &json!(true)));
}
