//! Logins while a password changes: from `effective: true` on the old one is dead, and the new one lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use stage::{Answer, Folder, MIB, Random, Separate, Stack, new_user};

/// How many users there are, one after the other, and how often the password of each is changed: an owner's origin has five
/// failures free.
const USERS: usize = 5;
const CHANGES: usize = 5;
/// How many logins are under way at a time.
const WEBMAILS: u64 = 3;

/// What is known of the password, by the order in which requests began and answers came. Version `n` is `password(n)`.
#[derive(Default)]
struct Versions {
    /// The last one whose change was asked for.
    asked: AtomicUsize,
    /// The last one whose change was answered as effective.
    effective: AtomicUsize,
    over: AtomicBool,
}

fn password(version: usize) -> String {
    format!("Marmot-{version:03}-quiver")
}

#[tokio::test]
async fn no_login_takes_an_old_password_after_the_answer_in_one_process() {
    let folder = Folder::new();
    let stack = Stack::up(&folder).await;
    changes_under_logins(&stack).await;
}

#[tokio::test]
async fn no_login_takes_an_old_password_after_the_answer_in_separate_processes() {
    let folder = Folder::new();
    let stack = Separate::init(&folder).await.start().await;
    changes_under_logins(&stack).await;
}

async fn changes_under_logins(stack: &Stack) {
    let operator = stack.commands_as("operator").with("prefer", "wait=30");
    let plan = json!({"mailboxes": USERS, "pool_bytes": 10 * USERS as u64 * MIB});
    let provision = json!({"domain": "acme.example", "customer": "acme", "plan": plan});
    let service = operator.post("/v1/services", &provision).await.receipt(201, &["ServiceProvisioned"]);
    let users = format!("/v1/services/{}/users", service["service"].as_str().unwrap());
    let (mut taken, mut refused) = (0, 0);
    for user in 0..USERS {
        let address = format!("user{user}@acme.example");
        let mut added = new_user(&address);
        added["password"] = password(0).into();
        let added = operator.post(&users, &added).await.receipt(201, &["UserAdded", "PasswordChanged"]);
        assert_eq!(added["effective"], true);
        let path = format!("{users}/{}/password", added["user"].as_str().unwrap());
        let (yes, no) = changes_of(stack, &address, &path).await;
        (taken, refused) = (taken + yes, refused + no);
    }
    assert!(taken > 5 && refused > 5, "both verdicts were seen: {taken} and {refused}");
}

/// Changes one user's password while others try it. How many of these were taken, and how many refused.
async fn changes_of(stack: &Stack, address: &str, path: &str) -> (usize, usize) {
    let operator = stack.commands_as("operator").with("prefer", "wait=30");
    let (versions, mut random) = (Arc::new(Versions::default()), Random::seeded());
    let mut webmails = Vec::new();
    for number in 0..WEBMAILS {
        let origin = format!("198.51.100.{number}");
        let mut webmail = Webmail { api: stack.queries_as("webmail"), address: address.to_owned(), origin, wrong: 0 };
        // From here on this origin is the owner's.
        assert_eq!(webmail.signs_in(0).await.status, 200);
        let (versions, random) = (Arc::clone(&versions), random.fork());
        webmails.push(tokio::spawn(async move { logins(webmail, &versions, random).await }));
    }
    let home = async |version: usize| stack.login_from("192.0.2.1", address, &password(version)).await;
    home(0).await.is(200);
    for version in 1..=CHANGES {
        versions.asked.store(version, Ordering::SeqCst);
        let receipt = operator.put(path, &json!({"password": password(version)})).await;
        assert_eq!(receipt.receipt(200, &["PasswordChanged"])["effective"], true);
        versions.effective.store(version, Ordering::SeqCst);
        // Whatever else is going on: the moment that the answer is here, the old one is refused and the new one taken.
        home(version - 1).await.problem(401, "invalid_credentials");
        if version < CHANGES {
            home(version).await.is(200);
        }
    }
    versions.over.store(true, Ordering::SeqCst);
    let (mut taken, mut refused) = (0, 0);
    for webmail in webmails {
        let (yes, no) = webmail.await.unwrap();
        (taken, refused) = (taken + yes, refused + no);
    }
    (taken, refused)
}

/// Somebody who tries many passwords from an origin of the owner's, and only the newest once few failures are left there.
struct Webmail {
    api: stage::Api,
    address: String,
    origin: String,
    /// How often it was refused.
    wrong: u32,
}

impl Webmail {
    async fn signs_in(&mut self, version: usize) -> Answer {
        let verify = json!({"address": self.address, "password": password(version), "origin": self.origin});
        let answer = self.api.post("/v1/auth/verify", &verify).await;
        self.wrong += u32::from(answer.status != 200);
        answer
    }
}

/// Signs in with passwords around the present one until it is over, and judges every verdict. How many were taken and
/// how many refused.
async fn logins(mut webmail: Webmail, versions: &Versions, mut random: Random) -> (usize, usize) {
    let (mut taken, mut refused) = (0, 0);
    while !versions.over.load(Ordering::SeqCst) {
        let asked = versions.asked.load(Ordering::SeqCst);
        let back = if webmail.wrong < 4 { usize::try_from(random.of(0..3)).unwrap() } else { 0 };
        let version = asked.saturating_sub(back);
        let dead_below = versions.effective.load(Ordering::SeqCst);
        let answer = webmail.signs_in(version).await;
        let newest = versions.asked.load(Ordering::SeqCst);
        match answer.status {
            200 => {
                assert!(version >= dead_below, "{version} was taken, {dead_below} was in force when it was asked");
                taken += 1;
            }
            401 => {
                let in_force_all_the_time = version == dead_below && version == newest;
                assert!(!in_force_all_the_time, "{version} was refused while it was in force");
                refused += 1;
            }
            // It was refused too often while the password changed.
            429 => {}
            _ => panic!("{answer:?}"),
        }
    }
    (taken, refused)
}
