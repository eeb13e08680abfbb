//! Too many wrong passwords, and whom that keeps out.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use serde_json::{Value, json};
use stage::{Answer, PASSWORD, Scene, new_user, until};
use tokio::task::JoinSet;

/// So many logins at once, each from a connection of its own; the statuses that they were answered.
async fn at_once(scene: &Scene, logins: impl IntoIterator<Item = Value>) -> Vec<u16> {
    let webmail = scene.stack.queries_as("webmail");
    let asked: Vec<_> = logins
        .into_iter()
        .map(|login| {
            let webmail = webmail.clone();
            tokio::spawn(async move { webmail.post("/v1/auth/verify", &login).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for answer in asked {
        statuses.push(answer.await.unwrap());
    }
    statuses
}

/// Five, and one more for each delay that ran out while so many were asked; the others have to wait.
#[track_caller]
fn few_were_judged(statuses: &[u16]) {
    let count = |status| statuses.iter().filter(|found| **found == status).count();
    assert!((5..=9).contains(&count(401)), "{statuses:?}");
    assert_eq!(count(401) + count(429), statuses.len(), "{statuses:?}");
}

/// Gives wrong passwords until the address is throttled. A machine that stands still for a second gives one more guess.
async fn throttled(scene: &Scene, address: &str) -> Answer {
    for n in 0.. {
        let answer = scene.stack.login(address, &format!("Wrong-{n}-password")).await;
        if answer.status == 429 {
            return answer;
        }
        assert!(n < 15, "nobody throttles {answer:?}");
        answer.problem(401, "invalid_credentials");
    }
    unreachable!("it returns or fails")
}

#[tokio::test]
async fn five_wrong_passwords_are_free_and_then_one_is_told_when_to_come_back() {
    let scene = Scene::set().await;
    for address in ["ann@acme.example", "nobody@acme.example", "no address"] {
        for n in 0..5 {
            scene.stack.login(address, &format!("Wrong-{n}-password")).await.problem(401, "invalid_credentials");
        }
        let throttled = throttled(&scene, address).await;
        assert!((1..=60).contains(&throttled.header("retry-after").parse().unwrap()), "{throttled:?}");
        let body = throttled.problem(429, "throttled");
        assert!(!body.to_string().contains(address), "{body}");
    }
    until("the right password is taken again", async || {
        let answer = scene.ann_signs_in(PASSWORD).await;
        assert!(matches!(answer.status, 200 | 429), "{answer:?}");
        (answer.status == 200).then_some(())
    })
    .await;
    scene.ann_signs_in("Wrong-6-password").await.problem(401, "invalid_credentials");
    throttled(&scene, "ann@acme.example").await.problem(429, "throttled");
}

#[tokio::test]
async fn upper_and_lower_case_are_one_account() {
    let scene = Scene::set().await;
    for spelling in ["ann@acme.example", "ANN@acme.example", "Ann@Acme.Example", "ann@ACME.example", "aNN@acme.example"]
    {
        scene.stack.login(spelling, "Wrong-12-password").await.problem(401, "invalid_credentials");
    }
    throttled(&scene, "ANN@ACME.EXAMPLE").await.problem(429, "throttled");
}

/// Many who try passwords, one after the other, until it is over.
struct Crowd {
    over: Arc<AtomicBool>,
    begun: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
    workers: JoinSet<Vec<u16>>,
}

impl Crowd {
    /// So many at a time; the `n`th login is `login(n)`.
    fn comes(scene: &Scene, at_a_time: usize, login: fn(usize) -> Value) -> Self {
        let mut crowd =
            Self { over: Arc::default(), begun: Arc::default(), answered: Arc::default(), workers: JoinSet::new() };
        for _ in 0..at_a_time {
            let webmail = scene.stack.queries_as("webmail");
            let (over, begun, answered) =
                (Arc::clone(&crowd.over), Arc::clone(&crowd.begun), Arc::clone(&crowd.answered));
            crowd.workers.spawn(async move {
                let mut statuses = Vec::new();
                while !over.load(SeqCst) {
                    let login = login(begun.fetch_add(1, SeqCst));
                    statuses.push(webmail.post("/v1/auth/verify", &login).await.status);
                    answered.fetch_add(1, SeqCst);
                }
                statuses
            });
        }
        crowd
    }

    /// How many have been answered.
    fn answered(&self) -> usize {
        self.answered.load(SeqCst)
    }

    /// How many wait for an answer at this moment, at least.
    fn under_way(&self) -> usize {
        let answered = self.answered();
        self.begun.load(SeqCst).saturating_sub(answered)
    }

    /// What all of them were answered.
    async fn goes(self) -> Vec<u16> {
        self.over.store(true, SeqCst);
        self.workers.join_all().await.concat()
    }
}

/// How many logins wait for argon2id.
async fn queued(scene: &Scene) -> f64 {
    let scrape = scene.stack.projection().get("/metrics").await;
    scrape.metric("postkey_hasher_queue_depth", &[("lane", "logins")]).unwrap()
}

/// The owner signs in while bots guess at the account, and argon2id has more to do than it can: behind no guess, for each of
/// them has an origin of its own, but behind those who try other addresses.
#[tokio::test]
async fn a_botnet_on_one_account_keeps_its_owner_out_of_nothing() {
    let scene = Scene::set().await;
    let (home, ann) = ("198.51.100.7", "ann@acme.example");
    scene.stack.login_from(home, ann, PASSWORD).await.is(200);
    // What the cache knows is dead, so that the owner's next login needs an argon2id.
    let password = json!({"password": "Tundra-58-quiver"});
    scene.operator().put(&format!("{}/password", scene.ann()), &password).await.receipt(200, &["PasswordChanged"]);

    let threads = std::thread::available_parallelism().unwrap().get();
    let crowd = Crowd::comes(&scene, threads * 24, |n| {
        let origin = format!("2001:db8:1:{n:x}::1");
        json!({"address": format!("nobody{n}@acme.example"), "password": PASSWORD, "origin": origin})
    });
    until("logins wait for argon2id", async || (queued(&scene).await > 8.0 * threads as f64).then_some(())).await;
    let bots = Crowd::comes(&scene, 32, |n| {
        let origin = format!("2001:db8:2:{n:x}::1");
        json!({"address": "ann@acme.example", "password": format!("Guess-{n}-quiver"), "origin": origin})
    });
    until("bots are refused", async || (bots.answered() > 200).then_some(())).await;
    for (password, status) in [("Tundra-58-quiver", 200), (PASSWORD, 401)] {
        assert!(queued(&scene).await > 0.0, "nobody waits for argon2id");
        let before = (bots.answered(), crowd.answered());
        assert!(bots.under_way() > 0 && crowd.under_way() > 0, "nobody else tries");
        let answer = scene.stack.login_from(home, ann, password).await;
        assert_eq!(answer.status, status, "{answer:?}");
        // The bots go on all the while, and go on after it.
        assert!(bots.answered() > before.0, "no bot was answered meanwhile");
        until("they go on", async || (bots.answered() > before.0 + 32 && crowd.answered() > before.1).then_some(()))
            .await;
    }
    // This one the cache answers.
    scene.stack.login_from(home, ann, "Tundra-58-quiver").await.is(200);
    let (guesses, others) = (bots.goes().await, crowd.goes().await);
    few_were_judged(&guesses);
    assert!(guesses.len() > 200, "{} guesses", guesses.len());
    assert!(others.iter().all(|status| *status == 401), "{others:?}");
}

#[tokio::test]
async fn one_who_tries_hundreds_of_addresses_is_throttled_and_nobody_else_is() {
    let scene = Scene::set().await;
    let tried = (0..300).map(|n| {
        json!({"address": format!("nobody{n}@acme.example"), "password": PASSWORD, "origin": format!("2001:db8::{n:x}")})
    });
    let statuses = at_once(&scene, tried).await;
    few_were_judged(&statuses);
    scene.stack.login_from("2001:db8:0:1::1", "ann@acme.example", PASSWORD).await.is(200);
}

#[tokio::test]
async fn colleagues_behind_one_origin_sign_in_at_the_same_moment() {
    let scene = Scene::set().await;
    for n in 0..8 {
        scene.added(&scene.service, &new_user(&format!("user{n}@acme.example"))).await;
    }
    let logins = (0..8)
        .map(|n| json!({"address": format!("user{n}@acme.example"), "password": PASSWORD, "origin": "198.51.100.7"}));
    assert_eq!(at_once(&scene, logins).await, [200; 8]);
}

#[tokio::test]
async fn a_suspended_users_sign_in_that_was_good_a_moment_ago_is_refused_at_once() {
    let scene = Scene::set().await;
    for _ in 0..2 {
        scene.ann_signs_in(PASSWORD).await.is(200);
        scene.operator().post_nothing(&format!("{}/suspend", scene.ann())).await.receipt(200, &["UserSuspended"]);
        scene.ann_signs_in(PASSWORD).await.problem(401, "invalid_credentials");
        let reactivated = scene.operator().post_nothing(&format!("{}/reactivate", scene.ann())).await;
        let revision = reactivated.receipt(200, &["UserReactivated"])["revision"].clone();
        assert_eq!(scene.ann_signs_in(PASSWORD).await.is(200)["revision"], revision);
    }
}

#[tokio::test]
async fn a_changed_password_is_dead_at_once_however_often_it_was_used() {
    let scene = Scene::set().await;
    let mut old = PASSWORD.to_owned();
    for n in 0..4 {
        for _ in 0..3 {
            scene.ann_signs_in(&old).await.is(200);
        }
        let new = format!("Tundra-58-quiver-{n}");
        let save = json!({"first_name": format!("Ann {n}"), "password": new});
        let receipt = scene.operator().patch(&scene.ann(), &save).await;
        receipt.receipt(200, &["UserEdited", "PasswordChanged"]);
        scene.ann_signs_in(&old).await.problem(401, "invalid_credentials");
        assert_eq!(scene.ann_signs_in(&new).await.is(200)["first_name"], format!("Ann {n}"));
        old = new;
    }
}

#[tokio::test]
async fn a_restart_forgets_all_failures() {
    let scene = Scene::set().await;
    throttled(&scene, "ann@acme.example").await.problem(429, "throttled");
    let scene = scene.restarted().await;
    scene.ann_signs_in(PASSWORD).await.is(200);
}
