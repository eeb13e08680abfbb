//! A crew that changes users without end, each its own, and knows what it was answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::answer::Answer;
use crate::api::Api;
use crate::random::Random;
use crate::scene::{MIB, PASSWORD, new_user};
use crate::stack::Stack;
use crate::until::until;

/// How long a change may take from its first attempt to its answer, with everything that goes wrong meanwhile.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a login is waited for.
const LOGIN_WITHIN: Duration = Duration::from_secs(3);
/// The pause before it is asked again.
const AGAIN: Duration = Duration::from_millis(100);
/// How long a service may take to say whether it is ready.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// A user as a change leaves it: with this name and this password.
#[derive(Clone, Debug)]
struct Version {
    name: String,
    password: String,
}

/// A change on its way.
#[derive(Clone, Debug)]
struct Change {
    key: String,
    method: Method,
    path: String,
    body: Value,
    /// What the user is once it is done.
    leaves: Version,
}

/// One user, and the client that changes it, one change after the other.
#[derive(Debug)]
pub struct Worker {
    number: usize,
    address: String,
    user: String,
    /// What was answered last.
    now: Version,
    /// What it was before; its password must be dead.
    before: Option<Version>,
    /// What was asked and not answered.
    pending: Option<Change>,
    /// How many changes were made, each one entry.
    changes: u64,
    asked: usize,
    /// The command service that did not do as asked last.
    failed: Option<usize>,
    random: Random,
}

/// When each change was answered.
#[derive(Clone, Debug, Default)]
struct Answers(Arc<Mutex<Vec<Instant>>>);

/// The workers of one service.
#[derive(Debug)]
pub struct Crew {
    /// The service.
    pub service: String,
    /// Who works.
    pub workers: Vec<Worker>,
}

/// A crew at work, until it is told to stop.
#[derive(Debug)]
pub struct Working {
    service: String,
    over: Arc<AtomicBool>,
    answers: Answers,
    workers: Vec<tokio::task::JoinHandle<Worker>>,
}

impl Crew {
    /// A service of its own, and a user for each of so many workers.
    pub async fn hired(stack: &Stack, workers: usize, random: &mut Random) -> Self {
        let operator = stack.commands_as("operator").with("prefer", "wait=30");
        let plan = json!({"mailboxes": 100, "pool_bytes": 100 * MIB});
        let provision = json!({"domain": "acme.example", "customer": "acme", "plan": plan});
        let receipt = operator.post("/v1/services", &provision).await.receipt(201, &["ServiceProvisioned"]);
        let service = receipt["service"].as_str().unwrap().to_owned();
        let mut crew = Self { service, workers: Vec::new() };
        for number in 0..workers {
            let address = format!("w{number}@acme.example");
            let now = Version { name: "Ann".into(), password: PASSWORD.into() };
            let mut user = new_user(&address);
            user["quota_bytes"] = MIB.into();
            let receipt = operator.post(&format!("/v1/services/{}/users", crew.service), &user).await;
            let receipt = receipt.receipt(201, &["UserAdded", "PasswordChanged"]);
            let user = format!("/v1/services/{}/users/{}", crew.service, receipt["user"].as_str().unwrap());
            let random = random.fork();
            crew.workers.push(Worker {
                number,
                address,
                user,
                now,
                before: None,
                pending: None,
                changes: 0,
                asked: 0,
                failed: None,
                random,
            });
        }
        crew
    }

    /// How many changes were made in all, each one entry.
    pub fn changes(&self) -> u64 {
        self.workers.iter().map(|worker| worker.changes).sum()
    }

    /// Lets all work at once, at any of the command services: what is not answered, or answered that it can't be done now, is
    /// asked again with the same key, elsewhere, until it is. After each answer the old password is tried.
    pub fn works(self, commands: Vec<Api>, queries: Vec<Api>) -> Working {
        let (over, answers) = (Arc::new(AtomicBool::new(false)), Answers::default());
        let Self { service, workers } = self;
        let workers = workers.into_iter().map(|mut worker| {
            let (commands, queries) = (commands.clone(), queries.clone());
            let (over, answers) = (Arc::clone(&over), answers.clone());
            tokio::spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    worker.makes_one_change(&commands, &queries, &answers).await;
                }
                worker
            })
        });
        Working { service, workers: workers.collect(), over, answers }
    }

    /// Expects each user to be as its worker left it, in every part, and its password before to be dead.
    pub async fn finds_its_users_whole(&self, stack: &Stack) {
        for worker in &self.workers {
            worker.finds_its_user_whole(stack, &self.service).await;
        }
    }

    /// Asks again for what was not answered, with the same key, twice: it is one change.
    pub async fn settles(&mut self, stack: &Stack) {
        for worker in &mut self.workers {
            worker.settles(stack).await;
        }
    }
}

impl Working {
    /// Waits until so many more changes were answered, to all of them together.
    pub async fn goes_on_for(&self, changes: usize) {
        let begun = self.answers.count();
        until("changes go on", async || (self.answers.count() >= begun + changes).then_some(())).await;
    }

    /// How long after `fault` changes were answered again: until the end of the longest silence since. What was on its way
    /// when the fault came may still have been answered, and is no recovery.
    pub fn silent_after(&self, fault: Instant) -> Duration {
        let mut before = fault;
        let mut longest = (Duration::ZERO, fault);
        for at in self.answers.after(fault) {
            longest = longest.max((at - before, at));
            before = at;
        }
        longest.1 - fault
    }

    /// Tells them to stop after what they are at.
    pub async fn stops(self) -> Crew {
        self.over.store(true, Ordering::SeqCst);
        let mut workers = Vec::new();
        for worker in self.workers {
            workers.push(worker.await.unwrap());
        }
        Crew { service: self.service, workers }
    }
}

impl Answers {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn note(&self) {
        self.0.lock().unwrap().push(Instant::now());
    }

    fn after(&self, fault: Instant) -> Vec<Instant> {
        self.0.lock().unwrap().iter().copied().filter(|at| *at > fault).collect()
    }
}

impl Worker {
    /// Makes changes until one is not answered.
    pub async fn works_until_unanswered(&mut self, api: &Api) {
        loop {
            let change = self.next();
            self.pending = Some(change.clone());
            let Ok(answer) = change.sent_to(api).await else { return };
            assert!(matches!(answer.status, 200 | 202), "{answer:?}");
            assert_eq!(answer.body["repeated"], false, "{answer:?}");
            self.done(change);
        }
    }

    async fn makes_one_change(&mut self, commands: &[Api], queries: &[Api], answers: &Answers) {
        let change = self.next();
        let begun = Instant::now();
        let effective = loop {
            assert!(begun.elapsed() < PATIENCE, "a change is not answered: {change:?}");
            let at = self.chooses(commands).await;
            match change.sent_to(&commands[at]).await {
                Ok(answer) if answer.status == 503 => {}
                Ok(answer) => {
                    assert!(matches!(answer.status, 200 | 202), "{answer:?}");
                    break answer.body["effective"] == true;
                }
                Err(_) => {}
            }
            self.failed = Some(at);
            // Whoever was told that it can't be done now does not ask again at once.
            tokio::time::sleep(AGAIN).await;
        };
        answers.note();
        self.done(change);
        // Whatever else goes on: once it was said to be in force, nobody takes the old one.
        if let (true, Some(before)) = (effective, &self.before) {
            for api in queries {
                let answer = self.signs_in(api, self.changes - 1, &before.password).await;
                let refused = answer.as_ref().is_none_or(|answer| matches!(answer.status, 401 | 429 | 503));
                assert!(refused, "an old password is taken: {answer:?} {self:?}");
            }
        }
        // From where the next one is tried from: an origin of the owner's, where not all the others' failures count.
        for api in queries {
            self.signs_in(api, self.changes, &self.now.password).await;
        }
    }

    /// Tries to sign in from one of many places. One that stands still answers nobody.
    async fn signs_in(&self, api: &Api, place: u64, password: &str) -> Option<Answer> {
        let origin = format!("2001:db8:{:x}:{:x}::1", self.number, place % 65_536);
        let asked = json!({"address": self.address, "password": password, "origin": origin});
        let asking = api.try_to_send(Method::POST, "/v1/auth/verify", Some(&asked));
        timeout(LOGIN_WITHIN, asking).await.ok()?.ok()
    }

    /// Draws the command service to ask. As by way of a proxy, one that did not do as asked is asked again once it says that
    /// it is ready, and meanwhile another.
    async fn chooses(&mut self, commands: &[Api]) -> usize {
        let at = usize::try_from(self.random.of(0..commands.len() as u64)).unwrap();
        if self.failed != Some(at) {
            return at;
        }
        let asked = timeout(READY_WITHIN, commands[at].try_to_send(Method::GET, "/readyz", None)).await;
        if asked.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status == 200)) {
            self.failed = None;
            return at;
        }
        (at + 1) % commands.len()
    }

    /// Draws the next change: a new password, or a name and a password in one.
    fn next(&mut self) -> Change {
        self.asked += 1;
        let number = self.asked;
        let key = format!("worker-{}-change-{number}", self.number);
        let password = format!("Quiver-{}-{number:04}-fjord", self.number);
        if self.random.of(0..2) == 0 {
            let leaves = Version { password: password.clone(), ..self.now.clone() };
            let (path, body) = (format!("{}/password", self.user), json!({"password": password}));
            return Change { key, method: Method::PUT, path, body, leaves };
        }
        let name = format!("Name {number}");
        let body = json!({"first_name": name, "password": password});
        Change { key, method: Method::PATCH, path: self.user.clone(), body, leaves: Version { name, password } }
    }

    fn done(&mut self, change: Change) {
        self.before = Some(std::mem::replace(&mut self.now, change.leaves));
        self.pending = None;
        self.changes += 1;
    }

    /// The user is what was answered last, or, where something was pending, that; in every part.
    async fn finds_its_user_whole(&self, stack: &Stack, service: &str) {
        stack.caught_up().await;
        let queries = stack.queries_as("operator");
        let user = queries.get(&self.user).await.is(200);
        assert_eq!(user["service"], service);
        let signs_in = async |password: &str| {
            let answer = stack.login(&self.address, password).await;
            assert!(matches!(answer.status, 200 | 401), "{answer:?}");
            answer.status == 200
        };
        let (now, pending) = (&self.now, self.pending.as_ref().map(|change| &change.leaves));
        let absent = signs_in(&now.password).await;
        match pending {
            None => assert!(absent && user["first_name"] == json!(now.name), "what was answered stands: {user}"),
            Some(pending) => {
                let whole = signs_in(&pending.password).await;
                assert_ne!(absent, whole, "one password lives, {self:?}");
                let name = if whole { &pending.name } else { &now.name };
                assert_eq!(user["first_name"], json!(name), "the name goes with the password: {self:?}");
            }
        }
        if let Some(before) = &self.before {
            assert!(!signs_in(&before.password).await, "an old password lives again: {self:?}");
        }
    }

    async fn settles(&mut self, stack: &Stack) {
        let Some(change) = self.pending.take() else { return };
        let api = stack.commands_as("operator").with("prefer", "wait=30");
        let ask = async || change.sent_to(&api).await.unwrap().is(200);
        let (first, second) = (ask().await, ask().await);
        assert_eq!((&first["effective"], &second["repeated"]), (&json!(true), &json!(true)));
        assert_eq!(first["position"], second["position"]);
        stack.login(&self.address, &change.leaves.password).await.is(200);
        stack.login(&self.address, &self.now.password).await.problem(401, "invalid_credentials");
        self.done(change);
    }
}

impl Change {
    async fn sent_to(&self, api: &Api) -> reqwest::Result<Answer> {
        let api = api.with("idempotency-key", &self.key);
        api.try_to_send(self.method.clone(), &self.path, Some(&self.body)).await
    }
}
