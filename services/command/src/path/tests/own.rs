//! A user's own change: what a stranger learns, what the user is told, and what stands in the log afterwards.

use std::time::Duration;

use credential::Policy;
use serde_json::json;

use super::DOMAIN;
use crate::staged::{Answer, Instance, LOG, World, own_hasher};

const ANN: &str = "ann@acme.example";
/// What staged users have from the start.
const OLD: &str = "Tr0ub4dor&3-x";
const NEW: &str = "C0rrect-horse-battery";
const OTHER: &str = "Marmot-77-lantern";

/// A world whose hasher nobody else uses, one service with Ann, and two instances.
async fn ann_at(mut world: World) -> (World, Instance, Instance, String) {
    world.hasher = own_hasher();
    let (one, two) = (world.instance(), world.instance());
    one.provision(DOMAIN).send().await.done(201);
    let ann = one.add(ANN).send().await.done(201).user();
    (world, one, two, ann)
}

async fn ann() -> (World, Instance, Instance, String) {
    ann_at(World::new().await).await
}

/// What an answer has cost: jobs of the hasher's, and reads of the log.
async fn cost(world: &World, one: &Instance, asked: impl Future<Output = Answer>) -> (Answer, usize, usize) {
    let before = world.hasher.taken();
    one.store.read_after();
    let answer = asked.await;
    let taken = world.hasher.taken();
    assert_eq!(taken.checks, before.checks);
    (answer, taken.commands + taken.logins - before.commands - before.logins, one.store.read_after().len())
}

#[tokio::test]
async fn a_user_changes_its_own_password_and_the_log_says_that_it_did() {
    let (world, one, _, ann) = ann().await;
    let body =
        json!({"address": "Ann@ACME.example", "current_password": OLD, "new_password": NEW, "origin": "2001:db8::7"});
    let call = one.change_own_by(body).header("postkey-actor", "session-1").header("postkey-reason", "I%20forget");
    let changed = call.header("postkey-origin", "192.0.2.1").send().await.done(200);
    assert_eq!((changed.user(), &changed.json["events"]), (ann, &json!(["PasswordChanged"])));
    assert_eq!((&changed.json["effective"], &changed.json["repeated"]), (&json!(true), &json!(false)));
    assert_eq!(changed.position(), world.head().await);

    let opened = world.history(DOMAIN).await.pop().unwrap();
    assert_eq!((opened.change.by.client.as_str(), opened.change.by.actor.as_deref()), ("webmail", Some("session-1")));
    let wire::Body::Service { private, .. } = &opened.change.body else { panic!("an entry of a service") };
    let private: Vec<_> = private.iter().filter_map(|part| part.value.known()).collect();
    assert_eq!(private[0].origin, Some("2001:db8::7".parse().unwrap()), "the body's goes before the header's");
    assert_eq!(private[0].reason.as_deref(), Some("I forget"));
    assert!(private[0].fingerprint.is_none() && private[1].fingerprint.is_some(), "under the credential's own key");
    let by_itself = |event: &domain::Event| match event {
        domain::Event::User(_, domain::event::UserEvent::PasswordChanged { proved, .. }) => *proved,
        _ => None,
    };
    assert_eq!(by_itself(&opened.change.events()[0]), Some(domain::Position::new(3)), "which one it has proved");

    one.change_own(ANN, OLD, OTHER).send().await.refused(403, "wrong_current_password");
    one.change_own(ANN, NEW, OTHER).send().await.done(200);
}

#[tokio::test]
async fn a_stranger_hears_the_same_words_after_the_same_work_whoever_is_asked_about() {
    let (world, one, _, _) = ann().await;
    let suspended = one.add("bob@acme.example").send().await.done(201).user();
    one.suspend(DOMAIN, &suspended).send().await.done(200);
    let removed = one.add("cem@acme.example").send().await.done(201).user();
    one.remove(DOMAIN, &removed).send().await.done(200);
    let (head, keys) = (world.head().await, world.keys.count());
    let mut heard = Vec::new();
    let anybody = [
        (ANN, "Wr0ng-password"),
        (ANN, ""),
        (ANN, "with a \0 in it"),
        (ANN, &"long".repeat(300)),
        ("bob@acme.example", OLD),
        ("cem@acme.example", OLD),
        ("nobody@acme.example", OLD),
        ("ann@nowhere.example", OLD),
        ("no address", OLD),
        ("", OLD),
        ("ann@postkey.invalid", OLD),
    ];
    for (address, current) in anybody {
        let asked = one.change_own(address, current, NEW).send();
        let (answer, jobs, reads) = cost(&world, &one, asked).await;
        assert_eq!((jobs, reads), (1, 1), "{address:?} {current:?}: {answer:?}");
        heard.push(answer.refused(403, "wrong_current_password").said());
    }
    // Her own customer's webmail may ask; another's finds nobody there.
    let asked = one.change_own(ANN, OLD, NEW).header("postkey-customer", "beta").send();
    let (answer, jobs, reads) = cost(&world, &one, asked).await;
    assert_eq!((jobs, reads), (1, 1), "{answer:?}");
    heard.push(answer.refused(403, "wrong_current_password").said());
    assert!(heard.windows(2).all(|pair| pair[0] == pair[1]), "{heard:#?}");
    assert_eq!((world.head().await, world.keys.count()), (head, keys), "nothing was stored");
    after(1).await;
    one.change_own(ANN, OLD, NEW).header("postkey-customer", "acme").send().await.done(200);
}

#[tokio::test]
async fn an_address_of_no_service_is_kept_in_no_memory() {
    let (_world, one, two, _) = ann().await;
    for n in 0..3 {
        one.change_own(&format!("ann@n{n}.example"), OLD, NEW).send().await.refused(403, "wrong_current_password");
    }
    // One that comes to be is found all the same.
    two.provision("n1.example").send().await.done(201);
    two.add("ann@n1.example").send().await.done(201);
    one.change_own("ann@n1.example", OLD, NEW).send().await.done(200);
}

#[tokio::test]
async fn what_depends_on_nobody_is_refused_before_anybody_is_looked_for() {
    let (world, one, _, _) = ann().await;
    for address in [ANN, "nobody@acme.example"] {
        let asked = one.change_own(address, "Wr0ng-password", "short").send();
        let (answer, jobs, reads) = cost(&world, &one, asked).await;
        let answer = answer.refused(422, "weak_password");
        assert_eq!((jobs, reads), (0, 0));
        assert_eq!(answer.rules(), ["too_short", "missing_upper", "missing_digit", "missing_symbol", "blocklisted"]);
        assert_eq!(answer.json["violations"][0]["field"], "new_password");
    }
    let wrong = one.change_own_by(json!({"address": ANN, "new_password": "short", "origin": "x", "more": 1})).send();
    let wrong = wrong.await.refused(422, "invalid_input");
    let named: Vec<_> =
        wrong.json["violations"].as_array().unwrap().iter().map(|one| one["field"].as_str().unwrap()).collect();
    assert!(
        ["current_password", "origin", "more", "new_password"].iter().all(|field| named.contains(field)),
        "{named:?}"
    );
}

#[tokio::test]
async fn what_depends_on_the_user_is_told_only_to_the_user() {
    let (world, one, _, ann) = ann().await;
    one.rename(DOMAIN, &ann, "Zanzibar").send().await.done(200);
    let head = world.head().await;
    let personal = "My-Zanzibar-7!";
    one.change_own(ANN, "Wr0ng-password", personal).send().await.refused(403, "wrong_current_password");
    let refused = one.change_own(ANN, OLD, personal).send().await.refused(422, "weak_password");
    assert_eq!(
        (refused.rules(), &refused.json["violations"][0]["field"]),
        (vec!["contains_personal"], &json!("new_password"))
    );

    one.change_own(ANN, NEW, NEW).send().await.refused(403, "wrong_current_password");
    one.change_own(ANN, OLD, OLD).send().await.refused(409, "same_password");

    let stale = |current| one.change_own(ANN, current, NEW).header("if-match", "\"2\"");
    stale("Wr0ng-password").send().await.refused(403, "wrong_current_password");
    stale(OLD).send().await.refused(412, "stale_revision");
    assert_eq!(world.head().await, head);
    one.change_own(ANN, OLD, NEW).header("if-match", &format!("\"{head}\"")).send().await.done(200);
}

/// Whoever knows a password may change it as often as they like: what that costs comes behind every Save.
#[tokio::test]
async fn what_a_users_own_change_costs_is_done_among_the_logins_and_the_same_password_costs_no_hash() {
    let mut world = World::new().await;
    world.policy = Policy::strict();
    let (world, one, _, _) = ann_at(world).await;
    let spent = async |current: &str, new: &str| {
        let before = world.hasher.taken();
        let answer = one.change_own(ANN, current, new).send().await;
        let taken = world.hasher.taken();
        (answer, taken.commands - before.commands, taken.logins - before.logins)
    };
    let (same, commands, logins) = spent(OLD, OLD).await;
    assert_eq!((same.code(), commands, logins), ("same_password", 0, 3), "judged, proved, judged as hers");
    let stale = one.change_own(ANN, OLD, OLD).header("if-match", "\"2\"").send().await;
    stale.refused(412, "stale_revision");
    let (changed, commands, logins) = spent(OLD, NEW).await;
    assert_eq!((changed.status.as_u16(), commands, logins), (200, 0, 4), "and hashed");
    assert_eq!(one.shows("postkey_proof_duration_seconds_count").await, Some(3.0));
    assert_eq!(one.shows("postkey_hash_duration_seconds_count").await, Some(2.0), "hers from the start, and her own");
}

#[tokio::test]
async fn a_password_that_another_writer_replaced_in_between_is_proved_anew() {
    let (world, one, two, ann) = ann().await;
    let (theirs, id) = (two.clone(), ann.clone());
    one.store.before_the_next_append(async move {
        theirs.set_password(DOMAIN, &id, OTHER).send().await.done(200);
    });
    one.change_own(ANN, OLD, NEW).send().await.refused(403, "wrong_current_password");
    let names: Vec<_> = world.history(DOMAIN).await.iter().map(|opened| opened.change.events()[0].name()).collect();
    assert_eq!(names, ["ServiceProvisioned", "UserAdded", "PasswordChanged"], "the panel's change stands");

    // It was set anew, and is what it was.
    one.store.before_the_next_append(async move {
        two.set_password(DOMAIN, &ann, OTHER).send().await.done(200);
    });
    one.change_own(ANN, OTHER, NEW).send().await.done(200);
    one.change_own(ANN, NEW, OLD).send().await.done(200);
}

#[tokio::test]
async fn what_another_writer_did_in_between_is_no_reason_to_refuse_or_to_hash_again() {
    let (world, one, two, ann) = ann().await;
    let keys = world.keys.count();
    one.store.before_the_next_append(async move {
        two.rename(DOMAIN, &ann, "Young").send().await.done(200);
    });
    let (answer, jobs, _) = cost(&world, &one, one.change_own(ANN, OLD, NEW).send()).await;
    assert_eq!(answer.done(200).position(), world.head().await);
    assert_eq!((jobs, world.keys.count()), (3, keys + 1), "two proofs and one hash, under one key");
}

#[tokio::test]
async fn a_user_who_was_suspended_in_between_learns_nothing() {
    for remove in [false, true] {
        let (world, one, two, ann) = ann().await;
        one.store.before_the_next_append(async move {
            let gone = if remove { two.remove(DOMAIN, &ann) } else { two.suspend(DOMAIN, &ann) };
            gone.send().await.done(200);
        });
        one.change_own(ANN, OLD, NEW).send().await.refused(403, "wrong_current_password");
        assert_eq!(world.history(DOMAIN).await.len(), 3);
    }
}

#[tokio::test]
async fn strict_rules_that_depend_on_the_user_come_after_the_proof_too() {
    let mut world = World::new().await;
    world.policy = Policy::strict();
    let (_world, one, _, _) = ann_at(world).await;
    let personal = "Ann-Lee-acme-example-1";
    one.change_own(ANN, "Wr0ng-password", "Short-1").send().await.refused(422, "weak_password");
    one.change_own(ANN, "Wr0ng-password", personal).send().await.refused(403, "wrong_current_password");
    let refused = one.change_own(ANN, OLD, personal).send().await.refused(422, "weak_password");
    assert!(refused.rules().contains(&"contains_personal"), "{refused:?}");
    one.change_own(ANN, OLD, NEW).send().await.done(200);
}

/// Lets the time pass that throttling is counted in.
async fn after(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn guesses_at_an_account_are_throttled_and_its_owner_goes_on() {
    let (world, one, _, _) = ann().await;
    let from = |origin: &str, current: &str, new: &str| {
        let body = json!({"address": ANN, "current_password": current, "new_password": new, "origin": origin});
        one.change_own_by(body).send()
    };
    from("192.0.2.1", OLD, NEW).await.done(200);
    for n in 0..5 {
        from(&format!("198.51.100.{n}"), "Wr0ng-password", OTHER).await.refused(403, "wrong_current_password");
    }
    let (refused, jobs, _) = cost(&world, &one, from("198.51.100.9", NEW, OTHER)).await;
    let refused = refused.refused(429, "throttled");
    assert_eq!((refused.headers["retry-after"].to_str().unwrap(), jobs), ("1", 0));
    one.change_own(ANN, NEW, OTHER).send().await.refused(429, "throttled");
    from("192.0.2.1", NEW, OTHER).await.done(200);
    after(1).await;
    from("198.51.100.9", OTHER, NEW).await.done(200);
    // Nobody else is held up.
    one.add("bob@acme.example").send().await.done(201);
    one.change_own("bob@acme.example", OLD, NEW).send().await.done(200);
}

/// A hash that takes a thread a while.
fn costly() -> domain::CredentialHash {
    let costly = "$argon2id$v=19$m=65536,t=1,p=1$BwcHBwcHBwcHBwcHBwcHBw$CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk";
    domain::CredentialHash::parse(costly.to_owned()).unwrap()
}

/// Of many at once only as many are judged as failures are free; they get their verdicts, and the next come in.
#[tokio::test]
async fn the_colleagues_of_an_office_all_change_their_passwords_at_once() {
    let (world, one, _, _) = ann().await;
    one.change_plan(DOMAIN, 20).send().await.done(200);
    let addresses: Vec<_> = (0..12).map(|n| format!("u{n}@acme.example")).collect();
    for address in &addresses {
        one.add(address).send().await.done(201);
    }
    let asked = addresses.iter().map(|address| {
        let body = json!({"address": address, "current_password": OLD, "new_password": NEW, "origin": "192.0.2.1"});
        one.change_own_by(body).header("prefer", "wait=0").send()
    });
    // The only thread is at work for a while: nobody has a verdict before all have come.
    let costly = costly();
    let busy = world.hasher.verify("long".into(), Some(&costly));
    let (_, answers) = tokio::join!(busy, futures::future::join_all(asked));
    for answer in answers {
        assert!(matches!(answer.status.as_u16(), 200 | 202), "{answer:?}");
    }
}

/// Nobody is told that passwords were wrong before one was.
#[tokio::test]
async fn whom_only_others_under_way_stand_against_is_told_so() {
    let (world, one, _, _) = ann().await;
    let from_the_office = |name: String| {
        let body = json!({"address": name, "current_password": "Wr0ng-1", "new_password": NEW, "origin": "192.0.2.1"});
        one.change_own_by(body).send()
    };
    // The only thread is at work: five wait for it, and as many as may for those.
    let costly = costly();
    let busy = world.hasher.verify("long".into(), Some(&costly));
    let all = futures::future::join_all((0..80).map(|n| from_the_office(format!("u{n}@acme.example"))));
    let (_, answers) = tokio::join!(busy, all);
    let said = |words: &str| {
        let told = answers.iter().filter(|answer| answer.json["detail"].as_str().unwrap().starts_with(words));
        told.filter(|told| (told.code(), told.headers["retry-after"].as_bytes()) == ("throttled", b"1")).count()
    };
    assert_eq!(said("too many others are being judged"), 80 - 5 - 64, "{answers:?}");
    assert_eq!(said("too many attempts with a wrong password"), 64, "{answers:?}");
}

#[tokio::test]
async fn accounts_that_nobody_has_are_throttled_alike_in_every_spelling() {
    let (_world, one, _, _) = ann().await;
    for address in [
        ["ann@ACME.example", "Ann@acme.example"],
        ["x@nowhere.example", "X@NOWHERE.example"],
        ["no address", "No Address"],
    ] {
        for n in 0..5 {
            one.change_own(address[n % 2], "Wr0ng-password", NEW).send().await.refused(403, "wrong_current_password");
        }
        one.change_own(address[0], "Wr0ng-password", NEW).send().await.refused(429, "throttled");
        one.change_own(address[0], "Wr0ng-password", "short").send().await.refused(422, "weak_password");
    }
}

#[tokio::test]
async fn an_origin_that_guesses_at_many_is_throttled_before_anybody_is_looked_for() {
    let (world, one, _, _) = ann().await;
    let from = |name: String| {
        let body = json!({"address": name, "current_password": "Wr0ng-1", "new_password": NEW, "origin": "192.0.2.1"});
        one.change_own_by(body).send()
    };
    for n in 0..5 {
        from(format!("u{n}@acme.example")).await.refused(403, "wrong_current_password");
    }
    let (refused, jobs, reads) = cost(&world, &one, from("u6@acme.example".to_owned())).await;
    refused.refused(429, "throttled");
    assert_eq!((jobs, reads), (0, 0));
}

#[tokio::test]
async fn what_could_not_be_judged_counts_as_no_attempt() {
    let (world, one, _, _) = ann().await;
    one.store.switch(false);
    for _ in 0..7 {
        one.change_own(ANN, "Wr0ng-password", NEW).send().await.refused(503, "log_unavailable");
    }
    one.store.switch(true);
    let full = world.instance();
    world.hasher.stop();
    for _ in 0..7 {
        let refused = full.change_own(ANN, OLD, NEW).send().await.refused(503, "overloaded");
        assert!(refused.headers.contains_key("retry-after") && refused.headers.contains_key("idempotency-key"));
    }
}

#[tokio::test]
async fn roundcube_is_told_ok_only_once_the_change_is_in_force() {
    let (world, one, _, _) = ann().await;
    let form = |current: &str, new: &str| format!("user=ann%40acme.example&curpass={current}&newpass={new}");
    let wrong = one.change_own_in_roundcube(&form("x", NEW)).send().await;
    wrong.refused(403, "wrong_current_password");
    let weak = one.change_own_in_roundcube(&form("x", "short")).send().await.refused(422, "weak_password");
    assert_eq!(weak.json["violations"][0]["field"], "newpass");
    let old = OLD.replace('&', "%26");
    let done = one.change_own_in_roundcube(&form(&old, NEW)).send().await.done(200);
    assert_eq!(
        (done.text.as_str(), done.headers["content-type"].to_str().unwrap()),
        ("ok", "text/plain; charset=utf-8")
    );
    assert!(done.headers.contains_key("idempotency-key"));

    world.projection.says(world.head().await, LOG);
    let call = one.change_own_in_roundcube(&form(NEW, OTHER)).header("prefer", "wait=0").key("k");
    let late = call.send().await.refused(503, "catching_up");
    assert!(late.headers.contains_key("retry-after") && !late.text.contains("ok\""));
    assert_eq!(world.head().await, 5, "it is stored");
    world.projection.says(5, LOG);
    // The same request again, by either route, is the same.
    let again = one.change_own_in_roundcube(&form(NEW, OTHER)).key("k").send().await.done(200);
    assert_eq!(again.text, "ok");
    let again = one.change_own(ANN, NEW, OTHER).key("k").send().await.done(200);
    assert_eq!((again.position(), &again.json["repeated"]), (5, &json!(true)));
}
