//! Other writers: between load and decision, between decision and append, between judging a password and appending it.

use serde_json::json;

use super::{DOMAIN, PASSWORD, two_instances};
use crate::staged::{Instance, World};

#[tokio::test]
async fn an_address_that_another_writer_took_in_between_is_taken() {
    let (world, one, two) = two_instances().await;
    one.add("bob@acme.example").send().await.done(201);
    one.store.before_the_next_append(async move {
        two.add("ann@acme.example").send().await.done(201);
    });
    one.add("ann@acme.example").send().await.refused(409, "address_taken");
    assert_eq!(world.history(DOMAIN).await.len(), 3);
}

#[tokio::test]
async fn what_another_writer_did_in_between_is_decided_on_and_then_done() {
    let (world, one, two) = two_instances().await;
    one.store.before_the_next_append(async move {
        two.add("bob@acme.example").send().await.done(201);
    });
    let added = one.add("ann@acme.example").send().await.done(201);
    assert_eq!(added.position(), world.head().await);
    assert_eq!(one.store.appends(), 3, "the provisioning, the one that came too late, and the one that stands");
    assert_eq!(world.history(DOMAIN).await.len(), 3);
    assert_eq!(added.json["effective"], json!(true));
}

#[tokio::test]
async fn a_save_for_a_revision_that_another_writer_replaced_in_between_is_stale() {
    let (world, one, two) = two_instances().await;
    let ann = one.add("ann@acme.example").send().await.done(201);
    let (user, revision) = (ann.user(), format!("\"{}\"", ann.position()));
    let theirs = user.clone();
    one.store.before_the_next_append(async move {
        two.rename(DOMAIN, &theirs, "Young").send().await.done(200);
    });
    let saved = one.rename(DOMAIN, &user, "Old").header("if-match", &revision).send().await;
    saved.refused(412, "stale_revision");
    assert_eq!(world.history(DOMAIN).await.len(), 3);
}

#[tokio::test]
async fn nobody_is_refused_by_an_old_state() {
    let world = World::new().await;
    let (one, two) = (world.instance(), world.instance());
    // `one` knows a service that isn't there.
    one.add("ann@acme.example").send().await.refused(404, "not_found");
    two.provision_for(DOMAIN, "acme", 1).send().await.done(201);
    let ann = one.add("ann@acme.example").send().await.done(201).user();
    // `two` knows no user.
    two.suspend(DOMAIN, &ann).send().await.done(200);
    two.set_password(DOMAIN, &ann, PASSWORD).send().await.done(200);
    // `one` knows an active user on a full plan.
    one.suspend(DOMAIN, &ann).send().await.refused(409, "wrong_state");
    two.remove(DOMAIN, &ann).send().await.done(200);
    one.add("bob@acme.example").send().await.done(201);
    // `two` knows a plan with room, and gets a refusal by the newest state all the same.
    two.add("cem@acme.example").send().await.refused(409, "plan_full");
    one.change_plan(DOMAIN, 5).send().await.done(200);
    two.add("cem@acme.example").send().await.done(201);
}

#[tokio::test]
async fn nobody_is_told_by_an_old_state_that_nothing_changes() {
    let (world, one, two) = two_instances().await;
    let ann = one.add("ann@acme.example").send().await.done(201).user();
    two.rename(DOMAIN, &ann, "Young").send().await.done(200);
    // To `one`, she is still called Lee.
    let renamed = one.rename(DOMAIN, &ann, "Lee").send().await.done(200);
    assert_eq!((renamed.json["events"].clone(), renamed.position()), (json!(["UserEdited"]), world.head().await));
    let same = one.rename(DOMAIN, &ann, "Lee").send().await.done(200);
    assert_eq!((same.json["events"].clone(), same.position()), (json!([]), renamed.position()));
    assert_eq!(same.json["revision"], renamed.json["revision"]);
    assert_eq!(world.history(DOMAIN).await.len(), 4);
}

#[tokio::test]
async fn a_password_that_contains_the_name_that_came_in_between_is_refused() {
    let (world, one, two) = two_instances().await;
    let ann = one.add("ann@acme.example").send().await.done(201).user();
    let theirs = ann.clone();
    one.store.before_the_next_append(async move {
        two.rename(DOMAIN, &theirs, "Zanzibar").send().await.done(200);
    });
    let refused = one.set_password(DOMAIN, &ann, "My-Zanzibar-7!").send().await.refused(422, "weak_password");
    assert_eq!(refused.rules(), ["contains_personal"]);
    let names: Vec<_> = world.history(DOMAIN).await.iter().map(|opened| opened.change.events()[0].name()).collect();
    assert_eq!(names, ["ServiceProvisioned", "UserAdded", "UserEdited"], "nothing was appended");
}

#[tokio::test]
async fn a_password_is_set_for_the_name_that_came_in_between() {
    let (world, one, two) = two_instances().await;
    let ann = one.add("ann@acme.example").send().await.done(201).user();
    let theirs = ann.clone();
    one.store.before_the_next_append(async move {
        two.rename(DOMAIN, &theirs, "Zanzibar").send().await.done(200);
    });
    let before = world.keys.count();
    let set = one.set_password(DOMAIN, &ann, PASSWORD).send().await.done(200);
    assert_eq!(set.position(), world.head().await);
    assert_eq!(world.keys.count(), before + 1, "hashed once, under one key");
}

/// Her old name is no reason to refuse what her new one allows.
#[tokio::test]
async fn a_password_is_not_refused_for_a_name_that_is_no_more() {
    let (_world, one, two) = two_instances().await;
    let ann = one.add("ann@acme.example").send().await.done(201).user();
    one.rename(DOMAIN, &ann, "Zanzibar").send().await.done(200);
    one.set_password(DOMAIN, &ann, "My-Zanzibar-7!").send().await.refused(422, "weak_password");
    two.rename(DOMAIN, &ann, "Young").send().await.done(200);
    // `one` still takes her for Zanzibar.
    one.set_password(DOMAIN, &ann, "My-Zanzibar-7!").send().await.done(200);
    let edit = json!({"first_name": "Anna", "password": "My-Zanzibar-8!"});
    one.edit(DOMAIN, &ann, edit).send().await.done(200);
}

/// To another customer's panel, a service is not there: whatever this instance knew of it before.
#[tokio::test]
async fn a_stranger_learns_nothing_of_a_service_that_came_in_between() {
    let world = World::new().await;
    let (one, two) = (world.instance(), world.instance());
    one.add("ann@acme.example").by("beta").send().await.refused(404, "not_found");
    two.provision_for(DOMAIN, "acme", 5).send().await.done(201);
    let ann = two.add("ann@acme.example").send().await.done(201).user();
    two.rename(DOMAIN, &ann, "Zanzibar").send().await.done(200);
    // A password with her name in it would be refused to her own customer.
    one.set_password(DOMAIN, &ann, "My-Zanzibar-7!").by("beta").send().await.refused(404, "not_found");
    one.set_password(DOMAIN, &ann, "My-Zanzibar-7!").by("acme").send().await.refused(422, "weak_password");
    one.set_password(DOMAIN, &ann, PASSWORD).by("beta").send().await.refused(404, "not_found");
}

#[tokio::test]
async fn of_many_who_want_one_address_one_gets_it() {
    let (world, one, two) = two_instances().await;
    let calls = (0..8).map(|n| if n % 2 == 0 { &one } else { &two }.add("ann@acme.example").send());
    let answers = futures::future::join_all(calls).await;
    let codes: Vec<_> = answers.iter().map(|answer| answer.code().to_owned()).collect();
    assert_eq!(codes.iter().filter(|code| *code == "201").count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| *code == "address_taken").count(), 7, "{codes:?}");
    assert_eq!(world.history(DOMAIN).await.len(), 2);
}

#[tokio::test]
async fn many_changes_at_once_all_stand() {
    let (world, one, two) = two_instances().await;
    let ann = one.add("ann@acme.example").send().await.done(201).user();
    let calls = (0..12).map(|n| {
        let instance = if n % 2 == 0 { &one } else { &two };
        instance.rename(DOMAIN, &ann, &format!("Name{n}")).send()
    });
    let mut positions = Vec::new();
    for answer in futures::future::join_all(calls).await {
        positions.push(answer.done(200).position());
    }
    positions.sort_unstable();
    let standing: Vec<_> = world.history(DOMAIN).await[2..].iter().map(|opened| opened.link.position.get()).collect();
    assert_eq!(positions, standing);
}

#[tokio::test]
async fn what_others_who_write_cost_is_counted() {
    let (_world, one, two) = two_instances().await;
    let ann = one.add("ann@acme.example").send().await.done(201).user();
    let counted = async |instance: &Instance| {
        let conflicts = instance.shows("postkey_append_conflicts_total").await;
        (conflicts, instance.shows("postkey_commands_superseded_total").await)
    };
    assert_eq!(counted(&one).await, (Some(0.0), Some(0.0)));
    let theirs = two.clone();
    one.store.before_the_next_append(async move {
        theirs.add("bob@acme.example").send().await.done(201);
    });
    one.rename(DOMAIN, &ann, "Old").send().await.done(200);
    assert_eq!(counted(&one).await, (Some(1.0), Some(0.0)), "it was decided again as it was prepared");
    // A password is judged with the names that its user has.
    let (theirs, id) = (two.clone(), ann.clone());
    one.store.before_the_next_append(async move {
        theirs.rename(DOMAIN, &id, "Young").send().await.done(200);
    });
    one.set_password(DOMAIN, &ann, PASSWORD).send().await.done(200);
    assert_eq!(counted(&one).await, (Some(2.0), Some(1.0)));
    assert_eq!(counted(&two).await, (Some(1.0), Some(0.0)), "it had not seen the first rename");
}
