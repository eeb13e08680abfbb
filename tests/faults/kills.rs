//! SIGKILL at random under load: what was answered stands, what was not is whole or absent, and its retry with the same
//! key is one change.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use stage::{Api, Folder, MIB, PASSWORD, Random, Separate, Stack};

const WORKERS: usize = 4;

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
struct Worker {
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
    random: Random,
}

#[tokio::test]
async fn twenty_kills_under_load_lose_nothing_that_was_answered_and_leave_nothing_half_done() {
    let folder = Folder::new();
    killed(20, async || Stack::up(&folder).await).await;
}

#[tokio::test]
async fn separate_processes_survive_kills_under_load_too() {
    let folder = Folder::new();
    let separate = Separate::init(&folder).await;
    killed(5, async || separate.start().await).await;
}

/// So many kills, each followed by a start.
async fn killed(times: usize, start: impl AsyncFn() -> Stack) {
    let mut random = Random::seeded();
    let mut stack = start().await;
    let (service, mut workers) = crew(&stack, &mut random).await;
    let first = stack.head().await;
    for round in 0..times {
        workers = killed_under_load(stack, workers, Duration::from_micros(random.of(5_000..400_000))).await;
        stack = start().await;
        for worker in &mut workers {
            worker.finds_its_user_whole(&stack, &service).await;
            worker.settles(&stack).await;
        }
        let changes: u64 = workers.iter().map(|worker| worker.changes).sum();
        assert_eq!(stack.head().await, first + changes, "one entry a change, no more and no less, in round {round}");
    }
    let changes: u64 = workers.iter().map(|worker| worker.changes).sum();
    assert!(changes > 2 * u64::try_from(times).unwrap(), "there was load: {changes}");
}

/// A service, and a user for each worker.
async fn crew(stack: &Stack, random: &mut Random) -> (String, Vec<Worker>) {
    let operator = stack.commands_as("operator");
    let plan = json!({"mailboxes": 100, "pool_bytes": 100 * MIB});
    let provision = json!({"domain": "acme.example", "customer": "acme", "plan": plan});
    let receipt = operator.post("/v1/services", &provision).await.receipt(201, &["ServiceProvisioned"]);
    let service = receipt["service"].as_str().unwrap().to_owned();
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        let address = format!("w{number}@acme.example");
        let now = Version { name: "Ann".into(), password: PASSWORD.into() };
        let mut user = stage::new_user(&address);
        user["quota_bytes"] = MIB.into();
        let receipt = operator.post(&format!("/v1/services/{service}/users"), &user).await;
        let receipt = receipt.receipt(201, &["UserAdded", "PasswordChanged"]);
        let user = format!("/v1/services/{service}/users/{}", receipt["user"].as_str().unwrap());
        let random = random.fork();
        workers.push(Worker { number, address, user, now, before: None, pending: None, changes: 0, asked: 0, random });
    }
    (service, workers)
}

/// Lets the workers work, all at once, and kills the services while they do.
async fn killed_under_load(stack: Stack, workers: Vec<Worker>, moment: Duration) -> Vec<Worker> {
    let working: Vec<_> = workers
        .into_iter()
        .map(|mut worker| {
            let api = stack.commands_as("operator");
            tokio::spawn(async move {
                worker.works(&api).await;
                worker
            })
        })
        .collect();
    // Not a wait for anything: the moment at which the power goes.
    tokio::time::sleep(moment).await;
    stack.kill();
    let mut workers = Vec::new();
    for worker in working {
        workers.push(worker.await.unwrap());
    }
    workers
}

impl Worker {
    /// Makes changes until one is not answered.
    async fn works(&mut self, api: &Api) {
        loop {
            let change = self.next();
            self.pending = Some(change.clone());
            let api = api.with("idempotency-key", &change.key);
            let sent = api.try_to_send(change.method.clone(), &change.path, Some(&change.body)).await;
            let Ok(answer) = sent else { return };
            assert!(matches!(answer.status, 200 | 202), "{answer:?}");
            assert_eq!(answer.body["repeated"], false, "{answer:?}");
            self.done(change);
        }
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

    /// After a start: the user is what was answered last, or, where something was pending, that; in every part.
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

    /// Asks again for what was not answered, with the same key, twice: it is one change.
    async fn settles(&mut self, stack: &Stack) {
        let Some(change) = self.pending.take() else { return };
        let api = stack.commands_as("operator").with("idempotency-key", &change.key).with("prefer", "wait=30");
        let ask = async || api.send(change.method.clone(), &change.path, Some(&change.body)).await.is(200);
        let (first, second) = (ask().await, ask().await);
        assert_eq!((&first["effective"], &second["repeated"]), (&json!(true), &json!(true)));
        assert_eq!(first["position"], second["position"]);
        stack.login(&self.address, &change.leaves.password).await.is(200);
        stack.login(&self.address, &self.now.password).await.problem(401, "invalid_credentials");
        self.done(change);
    }
}
