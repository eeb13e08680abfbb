//! What is made of a projection's answers.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::Position;
use event_log::LogStore;
use postkey_http::{Code, Status, StoppedBy};
use tokio::sync::watch;

use crate::staged::{LIMIT, LOG, OTHER_LOG, StubProjection, World, until};

const DOMAIN: &str = "acme.example";

#[tokio::test]
async fn a_change_is_in_force_once_the_projection_says_so() {
    let world = World::new().await;
    world.projection.says(1, LOG);
    let one = world.instance();
    let waits = one.provision(DOMAIN).header("prefer", "wait=30").send();
    let says = async {
        // Its long poll is under way before the change is applied.
        world.projection.was_asked(2).await;
        one.store.tried(1).await;
        world.clock.turn(TimeDelta::seconds(7));
        world.projection.says(2, LOG);
    };
    let (provisioned, ()) = tokio::join!(waits, says);
    let provisioned = provisioned.done(201);
    assert_eq!(provisioned.json["effective"], true);
    let at = world.history(DOMAIN).await[0].change.at;
    let effective_at = provisioned.json["effective_at"].as_str().unwrap();
    assert!(chrono::DateTime::parse_from_rfc3339(effective_at).unwrap() >= at);
    assert_eq!(one.health.check("projection").status(), Status::Green);
}

/// The log was rolled back while it could not be asked: the projection's word alone must be enough.
#[tokio::test]
async fn a_log_that_could_not_be_asked_when_the_projection_was_heard_is_not_appended_to_unseen() {
    let world = World::new().await;
    world.projection.says(10, LOG);
    let one = world.instance();
    one.store.switch(false);
    world.projection.was_asked(2).await;
    one.store.switch(true);
    let refused = async {
        // Until it has looked, it does not know; then it knows.
        loop {
            match one.provision(DOMAIN).send().await.code() {
                "catching_up" => tokio::task::yield_now().await,
                code => return code.to_owned(),
            }
        }
    };
    assert_eq!(tokio::time::timeout(LIMIT, refused).await.as_deref(), Ok("log_corrupt"));
    assert_eq!((world.head().await, one.store.appends()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_stays_down_is_unavailable_and_not_waited_for() {
    let world = World::new().await;
    let one = world.instance();
    one.store.switch(false);
    one.provision(DOMAIN).send().await.refused(503, "catching_up");
    assert_eq!(one.store.appends(), 0);
}

#[tokio::test]
async fn what_was_applied_of_another_log_or_past_this_ones_end_puts_nothing_in_force() {
    for log in [OTHER_LOG, LOG] {
        let world = World::new().await;
        world.projection.says(1, LOG);
        let one = world.instance();
        // Stored before the projection turns to what has come further.
        let waits = one.provision(DOMAIN).header("prefer", "wait=1").send();
        let turns = async {
            world.projection.was_asked(2).await;
            one.store.tried(1).await;
            world.projection.says(100, log);
        };
        let (provisioned, ()) = tokio::join!(waits, turns);
        assert_eq!(provisioned.done(202).json["effective"], false);
        one.change_plan(DOMAIN, 3).send().await.refused(503, "log_corrupt");
    }
}

#[tokio::test]
async fn a_projection_that_holds_nothing_back_is_not_asked_without_a_pause() {
    let world = World::new().await;
    world.projection.says(1, LOG);
    world.projection.answers_at_once();
    let one = world.instance();
    one.provision(DOMAIN).header("prefer", "wait=1").send().await.done(202);
    assert!(world.projection.asked() < 12, "{} times in a second", world.projection.asked());
}

/// It may know that the log was rolled back: until it has vouched for a position, nothing is appended.
#[tokio::test]
async fn a_projection_that_can_not_vouch_for_a_position_is_not_one_that_is_not_there() {
    let world = World::new().await;
    world.projection.refuses(Some(Code::CatchingUp));
    let one = world.instance();
    one.provision(DOMAIN).send().await.refused(503, "catching_up");
    assert_eq!(one.store.appends(), 0);

    // One that is only starting is waited for.
    let vouches = async {
        let asked = world.projection.asked();
        world.projection.was_asked(asked + 1).await;
        world.projection.refuses(None);
    };
    let (provisioned, ()) = tokio::join!(one.provision(DOMAIN).send(), vouches);
    provisioned.done(201);

    // Once met, its troubles are no reason to refuse.
    world.projection.refuses(Some(Code::CatchingUp));
    one.change_plan(DOMAIN, 3).header("prefer", "wait=0").send().await.done(202);
}

#[tokio::test]
async fn a_projection_that_finds_the_log_corrupt_is_believed() {
    let world = World::new().await;
    let met = world.instance();
    met.provision(DOMAIN).send().await.done(201);
    world.projection.refuses(Some(Code::LogCorrupt));
    let before = world.head().await;
    let begins = world.instance();
    begins.add("ann@acme.example").send().await.refused(503, "log_corrupt");
    assert!(matches!(begins.health.check("log").status(), Status::NeedsPerson(_)));
    assert_eq!((world.head().await, begins.store.appends()), (before, 0));
}

/// It may be the projection that is wrong: its word holds until one is heard that knows the log.
#[tokio::test]
async fn a_projection_of_another_log_stops_changes_only_while_no_other_is_heard() {
    for refuses in [true, false] {
        let world = World::new().await;
        let strange = StubProjection::start(Arc::clone(&world.log), Arc::clone(&world.clock)).await;
        world.projection.answers_at_once();
        strange.answers_at_once();
        if refuses {
            strange.refuses(Some(Code::LogCorrupt));
        } else {
            strange.says(1, OTHER_LOG);
        }
        let store = Arc::clone(&world.log) as Arc<dyn LogStore>;
        let one = world.instance_woken(store, &[strange.url(), world.projection.url()], None);
        until(async || one.health.check("projection").status() == Status::Green).await;
        one.provision(DOMAIN).send().await.done(201);
        assert_eq!(one.health.check("log").status(), Status::Green);

        world.projection.refuses(Some(Code::CatchingUp));
        until(async || matches!(one.health.check("log").status(), Status::NeedsPerson(_))).await;
        one.change_plan(DOMAIN, 3).send().await.refused(503, "log_corrupt");
        world.projection.refuses(None);
        until(async || one.health.check("log").status() == Status::Green).await;
        one.change_plan(DOMAIN, 3).send().await.done(200);
    }
}

#[tokio::test]
async fn a_projection_that_holds_its_answer_back_is_not_waited_for_once_another_has_applied_the_change() {
    let world = World::new().await;
    // The one that is asked first stands by, and never comes further; the other follows the log.
    let stands_by = StubProjection::start(Arc::clone(&world.log), Arc::clone(&world.clock)).await;
    stands_by.says(1, LOG);
    let (tells, woken) = watch::channel(Position::START);
    let store = Arc::clone(&world.log) as Arc<dyn LogStore>;
    let one = world.instance_woken(store, &[stands_by.url(), world.projection.url()], Some(woken));
    let waits = one.provision(DOMAIN).header("prefer", "wait=15").send();
    let wakes = async {
        stands_by.was_asked(2).await;
        one.store.tried(1).await;
        tells.send_replace(Position::new(2));
    };
    let (provisioned, ()) = tokio::join!(waits, wakes);
    assert_eq!(provisioned.done(201).json["effective"], true);
    // From then on the other is asked first, and a hint that nobody bears out puts nothing in force.
    let asked = stands_by.asked();
    tells.send_replace(Position::new(4));
    one.change_plan(DOMAIN, 3).send().await.done(200);
    world.projection.says(3, LOG);
    let late = one.change_plan(DOMAIN, 4).header("prefer", "wait=1").send().await.done(202);
    assert_eq!((late.json["effective"].as_bool(), stands_by.asked() > asked + 8), (Some(false), false));
}

/// What can't be applied for what stands before it would never be in force.
#[tokio::test]
async fn nothing_is_appended_after_what_the_projection_can_not_apply_until_it_could() {
    let world = World::new().await;
    let one = world.instance();
    one.provision(DOMAIN).send().await.done(201);
    world.projection.stopped(Some(StoppedBy::LogCorrupt));
    until(async || matches!(one.health.check("projection").status(), Status::NeedsPerson(_))).await;
    let before = world.head().await;
    let begins = world.instance();
    for instance in [&one, &begins] {
        instance.change_plan(DOMAIN, 3).send().await.refused(503, "log_corrupt");
    }
    // One that says nothing any more has not taken it back.
    world.projection.refuses(Some(Code::CatchingUp));
    let asked = world.projection.asked();
    world.projection.was_asked(asked + 2).await;
    one.change_plan(DOMAIN, 3).send().await.refused(503, "log_corrupt");
    assert_eq!(world.head().await, before);

    world.projection.refuses(None);
    world.projection.stopped(None);
    for instance in [&one, &begins] {
        until(async || instance.health.check("projection").status() == Status::Green).await;
        instance.provision("acme.test").send().await;
        assert_eq!(instance.health.check("log").status(), Status::Green, "it was another's to say");
    }
    one.change_plan(DOMAIN, 3).send().await.done(200);
}

/// What only waits for rows or keys to be mended is stored, and takes a password away.
#[tokio::test]
async fn changes_are_stored_while_the_projection_waits_to_be_mended() {
    for by in [StoppedBy::Damaged, StoppedBy::KeysUnavailable, StoppedBy::Other] {
        let world = World::new().await;
        world.projection.says(1, LOG);
        world.projection.stopped(Some(by));
        let one = world.instance();
        let stored = one.provision(DOMAIN).header("prefer", "wait=0").send().await.done(202);
        assert_eq!(stored.json["effective"], false);
        let status = one.health.check("projection").status();
        assert!(matches!(&status, Status::Yellow(why) if why.contains("stopped")), "{status:?}");
        world.projection.says(2, LOG);
        world.projection.stopped(None);
        until(async || one.health.check("projection").status() == Status::Green).await;
    }
}

/// Of several, one that stopped for a reason of its own is not the others' voice.
#[tokio::test]
async fn a_projection_that_stopped_alone_stops_nobody() {
    let world = World::new().await;
    let stopped = StubProjection::start(Arc::clone(&world.log), Arc::clone(&world.clock)).await;
    stopped.says(1, LOG);
    stopped.stopped(Some(StoppedBy::LogCorrupt));
    let store = Arc::clone(&world.log) as Arc<dyn LogStore>;
    let one = world.instance_woken(store, &[stopped.url(), world.projection.url()], None);
    one.provision(DOMAIN).send().await.done(201);
    one.change_plan(DOMAIN, 3).send().await.done(200);
    assert_eq!(one.health.check("projection").status(), Status::Green);
}

/// It may have an old keyring, while the other is only starting again.
#[tokio::test]
async fn a_corrupt_log_that_one_of_several_sees_while_another_is_not_heard_is_doubted_at_first() {
    let world = World::new().await;
    let other = StubProjection::start(Arc::clone(&world.log), Arc::clone(&world.clock)).await;
    for projection in [&world.projection, &other] {
        projection.says(1, LOG);
    }
    world.projection.stopped(Some(StoppedBy::LogCorrupt));
    other.refuses(Some(Code::CatchingUp));
    let store = Arc::clone(&world.log) as Arc<dyn LogStore>;
    let one = world.instance_woken(store, &[world.projection.url(), other.url()], None);
    one.provision(DOMAIN).header("prefer", "wait=0").send().await.done(202);
    let status = one.health.check("projection").status();
    assert!(matches!(&status, Status::Yellow(why) if why.contains("others are not heard")), "{status:?}");

    // Once it is there, and says the same, it is believed.
    other.stopped(Some(StoppedBy::LogCorrupt));
    other.refuses(None);
    until(async || matches!(one.health.check("projection").status(), Status::NeedsPerson(_))).await;
    one.change_plan(DOMAIN, 3).send().await.refused(503, "log_corrupt");
    // One that is gone again has not taken it back.
    other.refuses(Some(Code::CatchingUp));
    let asked = other.asked();
    other.was_asked(asked + 2).await;
    one.change_plan(DOMAIN, 3).send().await.refused(503, "log_corrupt");
    other.refuses(None);
    other.stopped(None);
    until(async || one.change_plan(DOMAIN, 3).header("prefer", "wait=0").send().await.code() != "log_corrupt").await;
}

#[tokio::test]
async fn a_change_that_is_not_applied_in_time_shows() {
    let world = World::new().await;
    world.projection.says(1, LOG);
    let one = world.instance();
    one.provision(DOMAIN).header("prefer", "wait=1").send().await.done(202);
    assert!(matches!(one.health.check("projection").status(), Status::Yellow(_)));
}
