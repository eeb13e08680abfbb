//! What is down, what is corrupt, and what is said of it.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use event_log::{AppendFault, FaultyStore, LogStore};
use postkey_http::Status;
use serde_json::json;

use super::{DOMAIN, PASSWORD, two_instances};
use crate::staged::{LOG, OTHER_LOG, World, until};

#[tokio::test]
async fn an_append_without_an_answer_is_unavailable_and_made_once_by_asking_again() {
    // Nothing reaches the log.
    let mut world = World::new().await;
    world.append_within = Duration::from_millis(60);
    world.instance().provision(DOMAIN).send().await.done(201);
    let lossy = FaultyStore::new(Arc::clone(&world.log) as _).from_append(1, AppendFault::Lost);
    let one = world.instance_over(Arc::new(lossy));
    let lost = one.add("ann@acme.example").send().await.refused(503, "log_unavailable");
    assert!(lost.headers.contains_key("retry-after"));
    assert!(matches!(one.health.check("writes").status(), Status::Red(_)));
    assert_eq!(world.history(DOMAIN).await.len(), 1);
    let key = lost.headers["idempotency-key"].to_str().unwrap().to_owned();
    let added = world.instance().add("ann@acme.example").key(&key).send().await.done(201);
    assert_eq!(added.json["repeated"], json!(false));
    assert_eq!(world.history(DOMAIN).await.len(), 2);
}

#[tokio::test]
async fn an_append_that_was_written_without_an_answer_is_found_by_asking_again() {
    let mut world = World::new().await;
    world.append_within = Duration::from_millis(60);
    let (one, two) = (world.instance(), world.instance());
    one.provision(DOMAIN).send().await.done(201);
    one.store.forget_the_next();
    let lost = one.add("ann@acme.example").key("mine").send().await.refused(503, "log_unavailable");
    assert_eq!(lost.headers["idempotency-key"], "mine");
    one.add("ann@acme.example").key("mine").send().await.refused(503, "log_unavailable");
    one.store.switch(true);
    for instance in [&one, &two] {
        let found = instance.add("ann@acme.example").key("mine").send().await.done(201);
        assert_eq!((found.position(), &found.json["repeated"]), (world.head().await, &json!(true)));
    }
    assert_eq!(world.history(DOMAIN).await.len(), 2);
    one.add("bob@acme.example").send().await.done(201);
    assert_eq!(one.health.check("writes").status(), Status::Green);
}

#[tokio::test]
async fn keys_that_can_not_be_stored_leave_the_log_as_it_is() {
    let (world, one, _) = two_instances().await;
    let before = world.head().await;
    world.keys.switch(false);
    let refused = one.add("ann@acme.example").key("mine").send().await.refused(503, "keys_unavailable");
    assert_eq!(refused.headers["idempotency-key"], "mine");
    one.change_plan(DOMAIN, 7).send().await.refused(503, "keys_unavailable");
    assert_eq!((world.head().await, one.store.appends()), (before, 1));
    world.keys.switch(true);
    one.add("ann@acme.example").key("mine").send().await.done(201);
}

/// Keys are stored before the entry that uses them: one that is not there was lost.
#[tokio::test]
async fn lost_keys_are_said_to_be_lost_and_found_again_by_themselves() {
    let (world, one, two) = two_instances().await;
    let ann = one.add("ann@acme.example").send().await.done(201).user();
    one.rename(DOMAIN, &ann, "Young").send().await.done(200);
    let before = world.head().await;
    world.keys.lose(true);
    // To `one` the service is at hand, and `two` has to load it.
    for instance in [&one, &two] {
        instance.rename(DOMAIN, &ann, "Yilmaz").send().await.refused(503, "keys_unavailable");
        let status = instance.health.check("keys").status();
        assert!(matches!(&status, Status::Impaired(why) if why.contains("restore the key store")), "{status:?}");
        assert!(instance.health.is_ready(), "others go on");
        assert_eq!(instance.health.check("log").status(), Status::Green, "the log is as it was");
    }
    assert_eq!(world.head().await, before);
    world.keys.lose(false);
    for instance in [&one, &two] {
        until(async || instance.health.check("keys").status() == Status::Green).await;
    }
    one.rename(DOMAIN, &ann, "Yilmaz").send().await.done(200);
    two.rename(DOMAIN, &ann, "Young").send().await.done(200);
}

#[tokio::test]
async fn keys_that_are_lost_while_nobody_changes_anything_show() {
    let (world, one, _) = two_instances().await;
    let ann = one.add("ann@acme.example").send().await.done(201).user();
    one.rename(DOMAIN, &ann, "Young").send().await.done(200);
    world.keys.lose(true);
    until(async || matches!(one.health.check("keys").status(), Status::Impaired(_))).await;
    world.keys.lose(false);
    until(async || one.health.check("keys").status() == Status::Green).await;
}

#[tokio::test]
async fn a_write_that_failed_for_an_outage_is_over_with_it() {
    let mut world = World::new().await;
    world.append_within = Duration::from_millis(60);
    let one = world.instance();
    one.provision(DOMAIN).send().await.done(201);
    one.change_plan(DOMAIN, 4).send().await.done(200);
    one.store.switch(false);
    let says = |word: &'static str| {
        let writes = one.health.check("writes");
        async move || matches!(writes.status(), Status::Red(why) | Status::Yellow(why) if why.contains(word))
    };
    one.change_plan(DOMAIN, 3).send().await.refused(503, "log_unavailable");
    until(says("the log can't be reached")).await;
    one.store.switch(true);
    until(async || one.health.check("writes").status() == Status::Green).await;

    // One that could be read all along can't be known to be well before it has taken a write.
    let lossy = FaultyStore::new(Arc::clone(&world.log) as _).on_append(1, AppendFault::Hangs);
    let one = world.instance_over(Arc::new(lossy));
    one.change_plan(DOMAIN, 3).send().await.refused(503, "log_unavailable");
    let writes = one.health.check("writes");
    until(async || matches!(writes.status(), Status::Yellow(why) if why.contains("next change that is written"))).await;
    one.change_plan(DOMAIN, 3).send().await.done(200);
    assert_eq!(writes.status(), Status::Green);
}

#[tokio::test]
async fn a_weak_password_stores_no_key() {
    let (world, one, _) = two_instances().await;
    let ann = one.add("ann@acme.example").send().await.done(201).user();
    let before = (world.keys.count(), world.head().await);
    let refused = one.set_password(DOMAIN, &ann, "short").send().await.refused(422, "weak_password");
    assert_eq!(refused.rules(), ["too_short", "missing_upper", "missing_digit", "missing_symbol", "blocklisted"]);
    assert_eq!((world.keys.count(), world.head().await), before);
}

#[tokio::test]
async fn what_is_refused_or_changes_nothing_or_is_a_repeat_leaves_no_key() {
    let (world, one, two) = two_instances().await;
    let (ann, old) = ("ann@acme.example", "Tr0ub4dor&3-x");
    let user = one.add(ann).key("added").send().await.done(201).user();
    let gone = one.add("bob@acme.example").send().await.done(201).user();
    one.remove(DOMAIN, &gone).send().await.done(200);
    one.change_plan(DOMAIN, 1).send().await.done(200);
    let before = (world.keys.count(), world.head().await);
    for instance in [&one, &two, &world.instance()] {
        instance.provision(DOMAIN).send().await.refused(409, "domain_taken");
        instance.add(ann).send().await.refused(409, "address_taken");
        instance.add("cem@acme.example").send().await.refused(409, "plan_full");
        instance.add("cem@nowhere.example").send().await.refused(404, "not_found");
        instance.add(ann).key("added").send().await.done(201);
        let stale = instance.set_password(DOMAIN, &user, PASSWORD).header("if-match", "\"1\"");
        stale.send().await.refused(412, "stale_revision");
        instance.set_password(DOMAIN, &gone, PASSWORD).send().await.refused(404, "not_found");
        let large = json!({"quota_bytes": 1_u64 << 41, "password": PASSWORD});
        instance.edit(DOMAIN, &user, large).send().await.refused(409, "pool_exceeded");
        instance.change_own(ann, PASSWORD, old).send().await.refused(403, "wrong_current_password");
        instance.change_own(ann, old, old).send().await.refused(409, "same_password");
        let stale = instance.change_own(ann, old, PASSWORD).header("if-match", "\"1\"");
        stale.send().await.refused(412, "stale_revision");
        instance.rename(DOMAIN, &user, "Lee").send().await.done(200);
        assert_eq!((world.keys.count(), world.head().await), before);
    }
}

/// Of those that want the same, and of the same that comes twice, one brings its keys.
#[tokio::test]
async fn what_is_refused_because_another_came_first_leaves_no_key() {
    let (world, one, _) = two_instances().await;
    let before = world.keys.count();
    let calls = (0..8).map(|n| one.add("ann@acme.example").key(if n < 4 { "one" } else { "other" }).send());
    for answer in futures::future::join_all(calls).await {
        assert!(matches!(answer.code(), "201" | "address_taken"), "{answer:?}");
    }
    assert_eq!((world.history(DOMAIN).await.len(), world.keys.count()), (2, before + 2), "of a profile and a password");
}

#[tokio::test]
async fn a_corrupt_history_that_the_projection_has_passed_stops_its_service_and_no_other() {
    let (world, one, two) = two_instances().await;
    one.provision("acme.test").send().await.done(201);
    world.scribble(DOMAIN).await;
    // To `one` the service is at hand, to `two` it is not.
    for instance in [&one, &two] {
        instance.add("ann@acme.example").send().await.refused(503, "log_corrupt");
        // Once it was heard to have passed it.
        until(async || matches!(instance.health.check("log").status(), Status::Impaired(_))).await;
        instance.add("ann@acme.example").send().await.refused(503, "log_corrupt");
    }
    let before = world.head().await;
    one.add("ann@acme.test").send().await.done(201);
    two.add("bob@acme.test").send().await.done(201);
    assert_eq!(world.head().await, before + 2);
    assert!(matches!(one.health.check("log").status(), Status::Impaired(_)), "it stays said");
}

/// The projection gets no further than that entry, so that nothing after it would ever be in force.
#[tokio::test]
async fn nothing_is_appended_after_a_corrupt_entry_that_the_projection_has_not_passed() {
    let (world, one, two) = two_instances().await;
    one.provision("acme.test").send().await.done(201);
    world.projection.says(world.head().await, LOG);
    world.scribble(DOMAIN).await;
    let before = world.head().await;
    for instance in [&one, &two] {
        instance.add("ann@acme.example").send().await.refused(503, "log_corrupt");
        instance.add("ann@acme.test").send().await.refused(503, "log_corrupt");
    }
    assert_eq!(world.head().await, before);
}

async fn every_command_is_refused_and_nothing_appended(world: &World) {
    let (one, before) = (world.instance(), world.head().await);
    for _ in 0..2 {
        one.provision("acme.test").send().await.refused(503, "log_corrupt");
        one.add("ann@acme.example").send().await.refused(503, "log_corrupt");
        one.change_plan(DOMAIN, 3).send().await.refused(503, "log_corrupt");
    }
    assert!(matches!(one.health.check("log").status(), Status::NeedsPerson(_)));
    assert_eq!((world.head().await, one.store.appends()), (before, 0));
}

#[tokio::test]
async fn a_log_that_ends_before_what_the_projection_has_applied_is_not_appended_to() {
    let (world, ..) = two_instances().await;
    world.projection.says(world.head().await + 1, crate::staged::LOG);
    every_command_is_refused_and_nothing_appended(&world).await;
}

#[tokio::test]
async fn another_log_than_the_projections_is_not_appended_to() {
    let (world, ..) = two_instances().await;
    world.projection.says(0, OTHER_LOG);
    every_command_is_refused_and_nothing_appended(&world).await;
}

#[tokio::test]
async fn a_command_that_waits_for_its_turn_is_not_appended_once_the_log_is_known_to_be_corrupt() {
    let (world, one, _) = two_instances().await;
    let (let_go, held) = tokio::sync::oneshot::channel::<()>();
    one.store.before_the_next_append(async move { held.await.unwrap() });
    let first = one.change_plan(DOMAIN, 3).header("prefer", "wait=0").send();
    let second = one.change_plan(DOMAIN, 4).header("prefer", "wait=0").send();
    let meanwhile = async {
        one.store.tried(2).await;
        world.projection.says(100, OTHER_LOG);
        while one.change_plan("nobody.example", 3).send().await.code() != "log_corrupt" {}
        let_go.send(()).unwrap();
    };
    let (first, second, ()) = tokio::join!(first, second, meanwhile);
    let mut both = [first, second];
    both.sort_by_key(|answer| answer.status);
    let [first, second] = both;
    first.done(202);
    second.refused(503, "log_corrupt");
    assert_eq!(world.history(DOMAIN).await.len(), 2);
}

#[tokio::test]
async fn a_projection_that_is_behind_is_no_reason_to_refuse() {
    let (world, ..) = two_instances().await;
    world.projection.says(1, crate::staged::LOG);
    let added = world.instance().add("ann@acme.example").header("prefer", "wait=0").send().await.done(202);
    assert_eq!((&added.json["effective"], &added.json["effective_at"]), (&json!(false), &json!(null)));
    assert_eq!(added.position(), world.head().await);
}

#[tokio::test(start_paused = true)]
async fn without_a_projection_changes_are_stored_and_not_in_force() {
    let world = World::new().await;
    // Takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let one = world.instance_asking(Arc::clone(&world.log) as Arc<dyn LogStore>, &url);
    let provisioned = one.provision(DOMAIN).send().await.done(202);
    assert_eq!((&provisioned.json["effective"], &provisioned.json["effective_at"]), (&json!(false), &json!(null)));
    assert_eq!(provisioned.position(), world.head().await);
    assert!(matches!(one.health.check("projection").status(), Status::Yellow(_)));
}

#[tokio::test]
async fn a_clock_that_went_back_does_not_take_history_with_it() {
    let (world, one, _) = two_instances().await;
    let before = world.history(DOMAIN).await[0].change.at;
    world.clock.turn(TimeDelta::minutes(-5));
    one.change_plan(DOMAIN, 3).send().await.done(200);
    assert_eq!(one.health.check("clock").status(), Status::Green, "five minutes are borne");

    world.clock.turn(TimeDelta::seconds(-1));
    one.change_plan(DOMAIN, 4).send().await.done(200);
    assert!(matches!(one.health.check("clock").status(), Status::Yellow(_)));
    let instants: Vec<_> = world.history(DOMAIN).await.iter().map(|opened| opened.change.at).collect();
    assert_eq!(instants, [before; 3], "never before the entry before");

    world.clock.turn(TimeDelta::minutes(10));
    one.change_plan(DOMAIN, 5).send().await.done(200);
    assert_eq!(one.health.check("clock").status(), Status::Green);
    assert!(world.history(DOMAIN).await[3].change.at > before);
}

#[tokio::test]
async fn two_clocks_that_are_apart_are_told_of_whichever_is_ahead_and_neither_is_blamed() {
    let (world, one, _) = two_instances().await;
    let clock = || one.health.check("clock").status();
    for (minutes, seconds, said) in
        [(5, 0, None), (60, 0, Some("ahead of")), (-5, 0, None), (-5, -1, Some("behind")), (0, 0, None)]
    {
        world.projection.ahead(TimeDelta::minutes(minutes) + TimeDelta::seconds(seconds));
        // A change has the projection answer, and is in force once that is heard.
        let plan = 3 + world.head().await;
        one.change_plan(DOMAIN, plan).send().await.done(200);
        match (said, clock()) {
            (None, status) => assert_eq!(status, Status::Green, "{minutes} minutes"),
            (Some(said), Status::Yellow(reason)) => {
                assert!(reason.contains(said) && reason.contains("one of the two"), "{minutes} minutes: {reason}");
            }
            (Some(_), status) => panic!("{minutes} minutes: {status:?}"),
        }
    }
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_a_service_that_can_be_changed() {
    let (world, one, _) = two_instances().await;
    let ann = one.add("ann@acme.example").send().await.done(201).user();
    // Gone while the append is under way.
    one.store.before_the_next_append(std::future::pending());
    let mut gone = Box::pin(one.set_password(DOMAIN, &ann, PASSWORD).send());
    tokio::select! {
        answer = &mut gone => panic!("{answer:?}"),
        () = one.store.tried(3) => {}
    }
    drop(gone);
    one.rename(DOMAIN, &ann, "Young").send().await.done(200);
    assert_eq!(world.history(DOMAIN).await.len(), 3);
}

/// Nothing is stored that would be in force later; that what it found is not in force yet is said all the same.
#[tokio::test]
async fn an_edit_of_nothing_is_done_while_the_projection_is_behind() {
    let (world, one, _) = two_instances().await;
    let ann = one.add("ann@acme.example").send().await.done(201).user();
    world.projection.says(world.head().await, LOG);
    let rename = || one.rename(DOMAIN, &ann, "Young").header("prefer", "wait=0").send();
    let stored = rename().await.done(202);
    let head = world.head().await;
    for edit in [rename().await, one.change_plan(DOMAIN, 10).header("prefer", "wait=0").send().await] {
        let nothing = edit.done(200);
        assert_eq!((nothing.position(), &nothing.json["events"]), (head, &json!([])));
        assert_eq!((&nothing.json["effective"], &nothing.json["effective_at"]), (&json!(false), &json!(null)));
    }
    let counted = async |command: &str, outcome: &str| {
        one.shows(&format!("postkey_commands_total{{command=\"{command}\",outcome=\"{outcome}\"}}")).await
    };
    assert_eq!((counted("EditUser", "stored").await, counted("EditUser", "unchanged").await), (Some(1.0), Some(1.0)));
    assert_eq!(counted("ChangePlan", "unchanged").await, Some(1.0));
    world.projection.says(stored.position(), LOG);
    let nothing = one.rename(DOMAIN, &ann, "Young").send().await.done(200);
    assert_eq!((&nothing.json["events"], &nothing.json["effective"]), (&json!([]), &json!(true)));
}
