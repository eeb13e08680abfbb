//! More logins, or changes of one's own password, than can be judged: some are told to come back, at once, and a Save does not
//! wait for the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};
use stage::{Answer, Api, PASSWORD, SOON, Scene, new_user, until};

use crate::strangers::{Strangers, try_the_door};

/// How many guess at one account at a time, and how often each of them does.
const GUESSERS: (usize, usize) = (256, 20);

#[tokio::test]
async fn a_flood_of_logins_is_refused_at_once_where_it_is_too_many_and_no_save_waits_for_it() {
    let scene = Scene::set().await;
    let threads = std::thread::available_parallelism().unwrap().get();
    let webmail = scene.stack.queries_as("webmail");
    // Half as many again as may wait for argon2id. Nobody is anybody's second guess.
    let mut flood = tokio::task::JoinSet::new();
    for n in 0..threads * 192 {
        let webmail = webmail.clone();
        flood.spawn(async move {
            let login = json!({"address": format!("nobody{n}@acme.example"), "password": PASSWORD});
            webmail.post("/v1/auth/verify", &login).await
        });
    }
    let mut statuses = Vec::new();
    let mut saved = false;
    while let Some(answer) = flood.join_next().await {
        let answer = answer.unwrap();
        statuses.push(answer.status);
        if answer.status == 503 {
            answer.problem(503, "overloaded");
        } else {
            answer.problem(401, "invalid_credentials");
        }
        if !saved && statuses.contains(&503) {
            let save = json!({"first_name": "Annie", "password": "Tundra-58-quiver"});
            let receipt = scene.operator().with("prefer", "wait=30").patch(&scene.ann(), &save).await;
            receipt.receipt(200, &["UserEdited", "PasswordChanged"]);
            saved = true;
        }
    }
    assert!(saved, "nobody was refused: {statuses:?}");
    assert_eq!(statuses.last(), Some(&401), "who was refused did not have to wait for it");
    scene.ann_signs_in("Tundra-58-quiver").await.is(200);
}

#[tokio::test]
async fn of_ten_thousand_unknown_addresses_few_are_remembered_and_they_keep_nobody_out() {
    let strangers = Strangers { addresses: 10_000, from_few: 8, entries: 256, grows_by: None };
    let scene = Scene::set_with(&[("POSTKEY_THROTTLE_ENTRIES", &strangers.entries.to_string())]).await;
    try_the_door(&scene, strangers).await;
}

/// A change of one's own password, asked for from somewhere.
async fn changes_own(webmail: &Api, address: &str, origin: &str, current: &str, new: &str) -> Answer {
    let body = json!({"address": address, "current_password": current, "new_password": new, "origin": origin});
    webmail.post("/v1/self/password", &body).await
}

/// Somebody's own password, changed from home time and again. The owner is told to come back where there are too many, and
/// never that there were too many wrong ones.
async fn owner_changes(webmail: Api, address: &'static str, over: Arc<AtomicBool>) -> (String, u32) {
    let (mut current, mut changes) = (PASSWORD.to_owned(), 0);
    while !over.load(Ordering::SeqCst) {
        let (new, begun) = (format!("Tundra-58-quiver-{changes}"), Instant::now());
        loop {
            let answer = changes_own(&webmail, address, "192.0.2.1", &current, &new).await;
            if answer.status == 200 {
                answer.receipt(200, &["PasswordChanged"]);
                break;
            }
            answer.problem(503, "overloaded");
            assert!(begun.elapsed() < SOON, "the owner is not let through");
        }
        (current, changes) = (new, changes + 1);
    }
    (current, changes)
}

/// The panel saves another user of the same service, password and all, one Save after the other, until it is over: so many
/// came through before that.
async fn panel_saves(operator: Api, user: String, over: Arc<AtomicBool>) -> u32 {
    let mut saves = 0;
    while !over.load(Ordering::SeqCst) {
        let save = json!({"first_name": format!("Bob {saves}"), "password": format!("Marmot-77-lantern-{saves}")});
        let receipt = operator.patch(&user, &save).await.receipt(200, &["UserEdited", "PasswordChanged"]);
        assert_eq!(receipt["effective"], true, "{receipt}");
        saves += u32::from(!over.load(Ordering::SeqCst));
    }
    saves
}

/// What came of a flood.
struct Flooded {
    /// The answers, in the order of what was sent.
    answers: Vec<Answer>,
    /// How long it took.
    took: Duration,
}

/// Lets so many guessers come at once, each with its guesses one after the other, while an owner goes on changing its password
/// and a panel goes on saving: one Save after the other, each of which takes no longer than `save_takes` on average.
async fn flood(scene: &Scene, guessers: Vec<Vec<Value>>, save_takes: Duration) -> Flooded {
    let bob = scene.added(&scene.service, &new_user("bob@acme.example")).await;
    let webmail = scene.stack.commands_as("webmail");
    let over = Arc::new(AtomicBool::new(false));
    // From here on this place is the owner's.
    changes_own(&webmail, "ann@acme.example", "192.0.2.1", PASSWORD, "Tundra-58-quiver").await.is(200);
    changes_own(&webmail, "ann@acme.example", "192.0.2.1", "Tundra-58-quiver", PASSWORD).await.is(200);
    let begun = Instant::now();
    let owner = tokio::spawn(owner_changes(webmail.clone(), "ann@acme.example", Arc::clone(&over)));
    let operator = scene.operator().with("prefer", "wait=30");
    let panel = tokio::spawn(panel_saves(operator, scene.user(&bob), Arc::clone(&over)));
    let guessers = guessers.into_iter().map(|guesses| {
        let webmail = webmail.clone();
        tokio::spawn(async move {
            let mut answers = Vec::new();
            for guess in guesses {
                answers.push(webmail.post("/v1/self/password", &guess).await);
            }
            answers
        })
    });
    let answers = join_all(guessers).await.into_iter().flat_map(Result::unwrap).collect();
    over.store(true, Ordering::SeqCst);
    let took = begun.elapsed();
    let ((current, changes), saves) = (owner.await.unwrap(), panel.await.unwrap());
    assert!(changes > 0, "the owner has changed nothing in {took:?}");
    let expected = took.as_secs_f64() / save_takes.as_secs_f64();
    assert!(f64::from(saves) >= expected.floor().max(1.0), "{saves} Saves came through in {took:?}");
    scene.stack.login("ann@acme.example", &current).await.is(200);
    Flooded { answers, took }
}

/// How many guesses at one account can be judged in this time: five, and one for each delay that runs out meanwhile.
fn can_be_judged(within: Duration) -> u64 {
    let (mut judged, mut at, mut delay) = (5, Duration::ZERO, Duration::from_secs(1));
    while at + delay <= within {
        at += delay;
        delay = (2 * delay).min(Duration::from_secs(60));
        judged += 1;
    }
    judged
}

fn guess(address: &str, n: usize) -> Value {
    let (current, origin) = (format!("Guess-{n}-quiver"), format!("2001:db8:{n:x}::1"));
    json!({"address": address, "current_password": current, "new_password": "Quill-Fjord-58-Moss", "origin": origin})
}

#[tokio::test]
async fn guesses_at_one_account_by_changes_of_its_password_keep_no_save_and_not_its_owner() {
    let scene = Scene::set().await;
    let (at_a_time, each) = GUESSERS;
    let guesses = |n| (0..each).map(|turn| guess("ann@acme.example", n + turn * at_a_time)).collect();
    // Whoever answers so many at once has little time for anybody else: on a busy machine a Save takes a second or more.
    let Flooded { answers, took } = flood(&scene, (0..at_a_time).map(guesses).collect(), Duration::from_secs(3)).await;
    let mut judged = 0;
    for answer in answers {
        match answer.status {
            403 => {
                answer.problem(403, "wrong_current_password");
                judged += 1;
            }
            429 => drop(answer.problem(429, "throttled")),
            _ => drop(answer.problem(503, "overloaded")),
        }
    }
    assert!((5..=can_be_judged(took)).contains(&judged), "{judged} were judged in {took:?}");
}

#[tokio::test]
async fn guesses_at_many_accounts_by_changes_of_passwords_keep_no_save_and_who_was_not_judged_is_not_charged() {
    let scene = Scene::set().await;
    let threads = std::thread::available_parallelism().unwrap().get();
    let address = |n: usize| format!("nobody{n}@acme.example");
    // Half as many again as may wait for argon2id.
    let guessers = (0..threads * 192).map(|n| vec![guess(&address(n), n)]).collect();
    // Most of them only wait for argon2id, ahead of which Saves are: some ten in a second.
    let answers = flood(&scene, guessers, Duration::from_secs(1)).await.answers;
    let mut unjudged = Vec::new();
    for (n, answer) in answers.into_iter().enumerate() {
        if answer.status == 503 {
            answer.problem(503, "overloaded");
            unjudged.push(n);
        } else {
            answer.problem(403, "wrong_current_password");
        }
    }
    assert!(!unjudged.is_empty(), "nobody was refused");
    let webmail = scene.stack.commands_as("webmail");
    for n in unjudged.into_iter().take(3) {
        let mut judged = 0;
        until("it is throttled", async || {
            let answer = webmail.post("/v1/self/password", &guess(&address(n), n)).await;
            if answer.status == 429 {
                return Some(());
            }
            answer.problem(403, "wrong_current_password");
            judged += 1;
            None
        })
        .await;
        assert!(judged >= 5, "the fifth of {} was refused: what was not judged was charged", address(n));
    }
}
