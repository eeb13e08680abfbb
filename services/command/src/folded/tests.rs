//! Histories as the service itself has written them, folded here.

use domain::replay;
use wire::LogId;

use super::*;
use crate::staged::{Instance, LOG, World};

const DOMAIN: &str = "acme.example";

/// A service with two users, one of whom left, and its whole log.
async fn written() -> (World, Instance) {
    let world = World::new().await;
    let instance = world.instance();
    instance.provision(DOMAIN).send().await.done(201);
    let ann = instance.add("ann@acme.example").send().await.done(201).user();
    instance.provision("beta.example").send().await.done(201);
    let bob = instance.add("bob@acme.example").send().await.done(201).user();
    instance.set_password(DOMAIN, &ann, "An0ther-passw0rd").send().await.done(200);
    instance.suspend(DOMAIN, &ann).send().await.done(200);
    instance.remove(DOMAIN, &bob).send().await.done(200);
    instance.add("bobby@acme.example").send().await.done(201);
    (world, instance)
}

fn folded(history: &[Opened]) -> Folded {
    let mut folded = Folded::default();
    history.iter().for_each(|opened| folded.apply(opened).expect("it follows"));
    folded
}

/// What is left where an entry did not follow: nothing, so that it is loaded anew.
fn is_empty(folded: &Folded) {
    assert_eq!((&folded.state, folded.last, folded.at), (&EmailService::Unprovisioned, None, None));
    assert_eq!(folded.position(), Position::START);
}

#[tokio::test]
async fn a_folded_history_is_its_replay() {
    let (world, _) = written().await;
    let history = world.history(DOMAIN).await;
    let mut folded = Folded::default();
    for (n, opened) in history.iter().enumerate() {
        folded.apply(opened).unwrap();
        let events = history[..=n].iter().flat_map(|opened| {
            let moment = Moment { position: opened.link.position, at: opened.change.at };
            opened.change.events().iter().map(move |event| (event, moment))
        });
        assert_eq!(Ok(&folded.state), replay(EmailService::Unprovisioned, events).as_ref());
        assert_eq!((folded.last, folded.at), (Some(opened.link), Some(opened.change.at)));
        assert_eq!(folded.position(), opened.link.position);
    }
}

#[tokio::test]
async fn a_command_is_seen_for_ever() {
    let (world, _) = written().await;
    let history = world.history(DOMAIN).await;
    let mut folded = Folded::default();
    for (n, opened) in history.iter().enumerate() {
        assert_eq!(folded.seen(opened.change.command), None, "not before it was carried out");
        folded.apply(opened).unwrap();
        for earlier in &history[..=n] {
            assert_eq!(folded.seen(earlier.change.command), Some(earlier.link.position));
        }
    }
    let elsewhere = &world.history("beta.example").await[0];
    assert_eq!(folded.seen(elsewhere.change.command), None);
}

#[tokio::test]
async fn an_entry_that_does_not_follow_is_refused_and_leaves_nothing() {
    let (world, _) = written().await;
    let history = world.history(DOMAIN).await;
    for n in 0..history.len() - 1 {
        for wrong in [n + 1, n.saturating_sub(1)] {
            if wrong == n {
                continue;
            }
            let mut folded = folded(&history[..n]);
            let refused = folded.apply(&history[wrong]).unwrap_err();
            assert_eq!(refused.position, history[wrong].link.position, "entry {wrong} after {n}");
            is_empty(&folded);
        }
    }
    let mut other_bytes = history[2].clone();
    other_bytes.change.prev = history[1].change.prev;
    let mut folded = folded(&history[..2]);
    assert_eq!(folded.apply(&other_bytes).unwrap_err().position, other_bytes.link.position);
    is_empty(&folded);
}

#[tokio::test]
async fn an_impossible_history_is_refused_and_leaves_nothing() {
    let (world, _) = written().await;
    let history = world.history(DOMAIN).await;
    // A second removal, as if it followed.
    let last = history.last().unwrap();
    let removal = history.iter().rev().find(|opened| opened.change.events()[0].name() == "UserRemoved").unwrap();
    let mut again = removal.clone();
    again.change.prev = Some(last.link);
    again.link.position = last.link.position.next();
    let mut folded = folded(&history);
    assert_eq!(folded.apply(&again).unwrap_err().position, again.link.position);
    is_empty(&folded);
}

#[tokio::test]
async fn a_log_does_not_begin_on_a_services_subject() {
    let (world, _) = written().await;
    let first = world.entries().await.swap_remove(0);
    assert_eq!(first.change.body, Body::LogCreated { log: LogId::new(LOG.uuid()) });
    let mut folded = Folded::default();
    assert!(folded.apply(&first).is_err());
    is_empty(&folded);
}
