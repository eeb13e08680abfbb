//! What every command heeds alike: who, whence and why; the revision; the key, at every moment of the command's life.

use std::collections::BTreeSet;

use serde_json::json;

use super::DOMAIN;
use crate::staged::{Answer, Call, Instance, World};

const ANN: &str = "ann@acme.example";
const OLD: &str = "Tr0ub4dor&3-x";
const NEW: &str = "C0rrect-horse-battery";
const USER: &str = "/v1/services/{service}/users/{user}";

/// A command that changes something, and another request by the same route.
struct Example {
    /// Its method and route.
    method: &'static str,
    path: String,
    /// Whether what it is about is there before.
    exists: bool,
    done: u16,
    one: for<'a> fn(&'a Instance, &'a str) -> Call<'a>,
    other: for<'a> fn(&'a Instance, &'a str) -> Call<'a>,
}

impl Example {
    fn key(&self) -> String {
        format!("{}-{}", self.method, self.path)
    }

    /// What an answer says of the entry, which must stand at `position`: whether an earlier request made it. Roundcube's says
    /// nothing but that it is in force.
    fn is_repeated(&self, answer: Answer, position: u64) -> Option<bool> {
        let answer = answer.done(self.done);
        assert_eq!(answer.headers["idempotency-key"], self.key().as_str(), "{answer:?}");
        if self.path.ends_with("/roundcube") {
            assert_eq!(answer.text, "ok");
            return None;
        }
        assert_eq!(answer.position(), position, "{answer:?}");
        answer.json["repeated"].as_bool()
    }

    /// Of several answers to the same request, one is that of who made the entry, unless somebody else did.
    fn are_one(&self, answers: impl IntoIterator<Item = Answer>, position: u64, by_others: bool) {
        let repeated: Vec<_> = answers.into_iter().filter_map(|answer| self.is_repeated(answer, position)).collect();
        let first = repeated.iter().filter(|repeated| !**repeated).count();
        assert_eq!(first, usize::from(!by_others && !repeated.is_empty()), "{}: {repeated:?}", self.key());
    }
}

/// A form as Roundcube posts it.
fn form(current: &str, new: &str) -> String {
    let escaped = |text: &str| text.replace('&', "%26");
    format!("user={ANN}&curpass={}&newpass={}", escaped(current), escaped(new))
}

/// Every command, in an order in which each changes something.
fn examples() -> Vec<Example> {
    let example = |method, path: &str, done, one, other| Example {
        method,
        path: path.to_owned(),
        exists: done != 201,
        done,
        one,
        other,
    };
    let of_user = |path: &str| format!("{USER}{path}");
    vec![
        example(
            "POST",
            "/v1/services",
            201,
            |i, _| i.provision("new.example"),
            |i, _| i.provision_for("new.example", "acme", 3),
        ),
        example(
            "PUT",
            "/v1/services/{service}/plan",
            200,
            |i, _| i.change_plan(DOMAIN, 7),
            |i, _| i.change_plan(DOMAIN, 8),
        ),
        example(
            "POST",
            "/v1/services/{service}/users",
            201,
            |i, _| i.add("bob@acme.example"),
            |i, _| i.add("cem@acme.example"),
        ),
        example("PATCH", USER, 200, |i, ann| i.rename(DOMAIN, ann, "Young"), |i, ann| i.rename(DOMAIN, ann, "Old")),
        example(
            "PUT",
            &of_user("/password"),
            200,
            |i, ann| i.set_password(DOMAIN, ann, OLD),
            |i, ann| i.set_password(DOMAIN, ann, NEW),
        ),
        example(
            "POST",
            "/v1/self/password",
            200,
            |i, _| i.change_own(ANN, OLD, NEW),
            |i, _| i.change_own(ANN, NEW, OLD),
        ),
        example(
            "POST",
            "/v1/self/password/roundcube",
            200,
            |i, _| i.change_own_in_roundcube(&form(NEW, OLD)),
            |i, _| i.change_own_in_roundcube(&form(OLD, NEW)),
        ),
        example(
            "POST",
            &of_user("/suspend"),
            200,
            |i, ann| i.suspend(DOMAIN, ann),
            |i, ann| i.suspend_because(DOMAIN, ann, "x"),
        ),
        example(
            "POST",
            &of_user("/reactivate"),
            200,
            |i, ann| i.reactivate(DOMAIN, ann),
            |i, ann| i.rename(DOMAIN, ann, "Older"),
        ),
        example("DELETE", USER, 200, |i, ann| i.remove(DOMAIN, ann), |i, ann| i.suspend(DOMAIN, ann)),
        // In force once its keys are destroyed, which happens when a test says so.
        example(
            "POST",
            &of_user("/erase"),
            202,
            |i, ann| i.erase(DOMAIN, ann).header("prefer", "wait=0"),
            |i, ann| i.erase_because(DOMAIN, ann, "x"),
        ),
    ]
}

/// A world with Ann, and an instance that made her.
async fn ann() -> (World, Instance, String) {
    let world = World::new().await;
    let one = world.instance();
    one.provision(DOMAIN).send().await.done(201);
    let ann = one.add(ANN).send().await.done(201).user();
    (world, one, ann)
}

#[tokio::test]
async fn every_command_is_among_the_examples() {
    let (_world, one, _) = ann().await;
    let document = one.document().send().await.done(200).json;
    let mut commands = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let mut parameters = operation["parameters"].as_array().into_iter().flatten();
            if parameters.any(|parameter| parameter["name"] == "Idempotency-Key") {
                commands.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    let known = examples().into_iter().map(|example| (example.method.to_owned(), example.path));
    assert_eq!(known.collect::<BTreeSet<_>>(), commands);
}

#[tokio::test]
async fn every_command_heeds_its_headers() {
    let (world, one, ann) = ann().await;
    for example in examples() {
        let (head, key) = (world.head().await, example.key());
        let ask = || (example.one)(&one, &ann).key(&key);

        // A revision that is not the present one, and none where there is nothing yet.
        for tag in ["\"1\"", "*"] {
            if tag == "*" && example.exists {
                continue;
            }
            let stale = ask().header("if-match", tag).send().await.refused(412, "stale_revision");
            assert_eq!(stale.headers["idempotency-key"], key.as_str());
        }
        // What can't be read is named, with what else is wrong; the key is there all the same.
        let wrong = ask().header("postkey-origin", "nowhere").header("postkey-reason", "%zz").header("if-match", "7");
        let wrong = wrong.header("postkey-actor", "two words").send().await.refused(422, "invalid_input");
        let named: Vec<_> =
            wrong.json["violations"].as_array().unwrap().iter().map(|one| one["field"].as_str().unwrap()).collect();
        assert_eq!(named, ["If-Match", "Postkey-Actor", "Postkey-Origin", "Postkey-Reason"], "{key}");
        assert_eq!(wrong.headers["idempotency-key"], key.as_str());
        let no_key = (example.one)(&one, &ann).key("two words").send().await.refused(422, "invalid_input");
        assert_eq!(no_key.headers["idempotency-key"].len(), 36, "one is drawn");
        // Nor does it matter who asks.
        for (nobody, refusal) in [("nobody", (401, "unauthenticated")), ("service", (403, "forbidden"))] {
            let refused = ask().by(nobody).send().await.refused(refusal.0, refusal.1);
            assert_eq!(refused.headers["idempotency-key"], key.as_str());
        }
        let foreign = ask().header("postkey-customer", "a b").send().await.refused(422, "invalid_input");
        assert_eq!(foreign.headers["idempotency-key"], key.as_str());

        // A 503 says by which key to ask again; nothing was bound to it.
        one.store.switch(false);
        world.keys.switch(false);
        let down = ask().send().await;
        assert_eq!(down.status, 503, "{key}: {down:?}");
        assert_eq!(down.headers["idempotency-key"], key.as_str());
        let drawn = (example.one)(&one, &ann).send().await;
        assert_eq!(drawn.status, 503, "{key}: {drawn:?}");
        assert!(drawn.headers.contains_key("idempotency-key"), "{key}");
        one.store.switch(true);
        world.keys.switch(true);
        assert_eq!(world.head().await, head, "{key}");

        let call = ask().header("postkey-actor", "staff/17").header("postkey-origin", "2001:db8::1");
        let call = call.header("postkey-reason", "Anruf%20von%20%C3%BC").header("x-request-id", "mine-1");
        let first = call.send().await;
        assert_eq!(first.headers["x-request-id"], "mine-1", "{key}");
        assert_ne!(example.is_repeated(first, head + 1), Some(true), "{key}");
        let entry = world.entries().await.pop().unwrap();
        assert_eq!(
            (entry.link.position.get(), entry.change.by.actor.as_deref()),
            (head + 1, Some("staff/17")),
            "{key}"
        );
        let wire::Body::Service { private, .. } = &entry.change.body else { panic!("{key}: of a service") };
        let known: Vec<_> = private.iter().filter_map(|part| part.value.known()).collect();
        assert!(known.iter().any(|part| part.origin == Some("2001:db8::1".parse().unwrap())), "{key}");
        assert!(known.iter().any(|part| part.reason.as_deref() == Some("Anruf von ü")), "{key}");
        assert!(known.iter().any(|part| part.fingerprint.is_some()), "{key}");
    }
}

/// Before: what was refused, what another client asked and what was asked of another service bind it not. After: here, and
/// on an instance that has just started.
#[tokio::test]
async fn a_key_is_its_requests_before_and_after_every_command() {
    let (world, one, ann) = ann().await;
    one.provision("other.example").send().await.done(201);
    let zoe = one.add("zoe@acme.example").send().await.done(201).user();
    for (n, example) in examples().into_iter().enumerate() {
        let key = example.key();
        one.change_plan("other.example", 20 + n as u64).key(&key).send().await.done(200);
        one.rename(DOMAIN, &zoe, &format!("Young {n}")).by("acme").key(&key).send().await.done(200);
        (example.one)(&one, &ann).key(&key).header("if-match", "\"1\"").send().await.refused(412, "stale_revision");
        // Nothing changes.
        let name = format!("Young {n}");
        let unchanged = one.rename(DOMAIN, &zoe, &name).key(&key).send().await.done(200);
        assert_eq!(unchanged.json["events"], json!([]));

        let head = world.head().await;
        let first = (example.one)(&one, &ann).key(&key).send().await;
        assert_ne!(example.is_repeated(first, head + 1), Some(true), "{key}");
        for instance in [&one, &world.instance()] {
            let again = (example.one)(instance, &ann).key(&key).send().await;
            assert_ne!(example.is_repeated(again, head + 1), Some(false), "{key}");
            if example.exists {
                // What it was asked for at is past by its own doing.
                let stale = (example.one)(instance, &ann).key(&key).header("if-match", "\"1\"").send().await;
                assert_ne!(example.is_repeated(stale, head + 1), Some(false), "{key}");
            }
            (example.other)(instance, &ann).key(&key).send().await.refused(422, "idempotency_mismatch");
        }
        assert_eq!(world.head().await, head + 1, "{key}");
    }
}

#[tokio::test]
async fn a_key_that_comes_again_while_its_command_runs_is_carried_out_once() {
    let (world, one, ann) = ann().await;
    for example in examples() {
        let head = world.head().await;
        let ask = || (example.one)(&one, &ann).key(&example.key()).send();
        let (first, second, third) = tokio::join!(ask(), ask(), ask());
        assert_eq!(world.head().await, head + 1, "{}", example.key());
        example.are_one([first, second, third], head + 1, false);
    }
}

#[tokio::test]
async fn a_key_that_comes_again_on_another_instance_while_its_command_runs_is_carried_out_once() {
    let (world, one, ann) = ann().await;
    let two = world.instance();
    for example in examples() {
        let head = world.head().await;
        let (theirs, user, key, asked) = (two.clone(), ann.clone(), example.key(), example.one);
        let done = example.done;
        one.store.before_the_next_append(async move {
            asked(&theirs, &user).key(&key).send().await.done(done);
        });
        let ask = || (example.one)(&one, &ann).key(&example.key()).send();
        let (first, second) = tokio::join!(ask(), ask());
        assert_eq!(world.head().await, head + 1, "{}", example.key());
        example.are_one([first, second], head + 1, true);
    }
}

/// Its fingerprint went with the keys; what stands in the clear still tells it from most others.
#[tokio::test]
async fn a_key_whose_fingerprint_is_gone_is_still_no_other_users_and_no_other_commands() {
    let (world, one, ann) = ann().await;
    let bob = one.add("bob@acme.example").send().await.done(201).user();
    let set = one.set_password(DOMAIN, &ann, NEW).key("k").send().await.done(200);
    one.set_password(DOMAIN, &ann, OLD).send().await.done(200);
    let removed = one.remove(DOMAIN, &bob).key("r").send().await.done(200);
    one.erase(DOMAIN, &bob).key("e").header("prefer", "wait=0").send().await.done(202);
    world.destroy_doomed().await;
    let head = world.head().await;
    for instance in [&one, &world.instance()] {
        let again = instance.set_password(DOMAIN, &ann, NEW).key("k").send().await.done(200);
        assert_eq!((again.position(), &again.json["repeated"]), (set.position(), &json!(true)));
        let again = instance.remove(DOMAIN, &bob).key("r").send().await.done(200);
        assert_eq!((again.position(), &again.json["repeated"]), (removed.position(), &json!(true)));
        for other in [
            instance.suspend(DOMAIN, &ann).key("k"),
            instance.set_password(DOMAIN, &bob, NEW).key("k"),
            instance.add("cem@acme.example").key("r"),
            instance.change_plan(DOMAIN, 8).key("r"),
            instance.remove(DOMAIN, &bob).key("e"),
            instance.erase(DOMAIN, &ann).key("e"),
        ] {
            other.send().await.refused(422, "idempotency_mismatch");
        }
    }
    assert_eq!(world.head().await, head);
}

/// Nor does it answer for somebody else who is added, or for a name that was not asked for.
#[tokio::test]
async fn a_key_whose_fingerprint_is_gone_adds_and_renames_nobody_whatever_it_did() {
    let (world, one, ann) = ann().await;
    let edited = ["password", "name-and-password"];
    one.edit(DOMAIN, &ann, json!({"password": NEW})).key(edited[0]).send().await.done(200);
    one.edit(DOMAIN, &ann, json!({"last_name": "Lind", "password": NEW})).key(edited[1]).send().await.done(200);
    for example in examples() {
        (example.one)(&one, &ann).key(&example.key()).send().await.done(example.done);
    }
    // All of Ann's keys go with her, and Bob's first password with his second.
    let bob = one.add("bob@acme.example").key("POST-/v1/services/{service}/users").send().await.done(201).user();
    one.set_password(DOMAIN, &bob, NEW).send().await.done(200);
    world.destroy_doomed().await;
    let head = world.head().await;
    // Another client's keys are others.
    let by_panels = examples().into_iter().filter(|example| !example.path.starts_with("/v1/self"));
    let by_panels = by_panels.map(|example| (example.key(), example.path == "/v1/services"));
    let earlier: Vec<_> = by_panels.chain(edited.map(|key| (key.to_owned(), false))).collect();
    assert_eq!(earlier.len(), 11);
    for instance in [&one, &world.instance()] {
        for (key, provisions) in &earlier {
            let eve = if *provisions { "eve@new.example" } else { "eve@acme.example" };
            instance.add(eve).key(key).send().await.refused(422, "idempotency_mismatch");
            // A rename is the one that can't be told from another.
            if !provisions && !key.starts_with("PATCH") {
                instance.rename(DOMAIN, &ann, "Zed").key(key).send().await.refused(422, "idempotency_mismatch");
            }
        }
        // What was asked is repeated all the same.
        for example in examples().iter().filter(|example| !example.path.starts_with("/v1/self")) {
            let again = (example.one)(instance, &ann).key(&example.key()).send().await;
            assert_eq!(again.json["repeated"], json!(true), "{}", example.key());
        }
        for (key, edit) in
            edited.into_iter().zip([json!({"password": NEW}), json!({"last_name": "Lind", "password": NEW})])
        {
            let again = instance.edit(DOMAIN, &ann, edit).key(key).send().await.done(200);
            assert_eq!(again.json["repeated"], json!(true), "{key}");
        }
        instance
            .edit(DOMAIN, &ann, json!({"password": NEW}))
            .key(edited[1])
            .send()
            .await
            .refused(422, "idempotency_mismatch");
    }
    assert_eq!(world.head().await, head);
}
