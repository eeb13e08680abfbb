//! Logins while a password changes: from `effective: true` on the old one is dead, and the new one lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use stage::{Folder, MIB, Random, Separate, Stack, new_user};

/// How many changes are made.
const CHANGES: usize = 25;
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
    let plan = json!({"mailboxes": 1, "pool_bytes": 10 * MIB});
    let provision = json!({"domain": "acme.example", "customer": "acme", "plan": plan});
    let service = operator.post("/v1/services", &provision).await.receipt(201, &["ServiceProvisioned"]);
    let users = format!("/v1/services/{}/users", service["service"].as_str().unwrap());
    let mut ann = new_user("ann@acme.example");
    ann["password"] = password(0).into();
    let added = operator.post(&users, &ann).await.receipt(201, &["UserAdded", "PasswordChanged"]);
    assert_eq!(added["effective"], true);
    let path = format!("{users}/{}/password", added["user"].as_str().unwrap());

    let (versions, mut random) = (Arc::new(Versions::default()), Random::seeded());
    let webmails: Vec<_> = (0..WEBMAILS)
        .map(|_| {
            let (api, versions, random) = (stack.queries_as("webmail"), Arc::clone(&versions), random.fork());
            tokio::spawn(async move { logins(&api, &versions, random).await })
        })
        .collect();
    for version in 1..=CHANGES {
        versions.asked.store(version, Ordering::SeqCst);
        let receipt = operator.put(&path, &json!({"password": password(version)})).await;
        assert_eq!(receipt.receipt(200, &["PasswordChanged"])["effective"], true);
        versions.effective.store(version, Ordering::SeqCst);
        // Whatever else is going on: the moment that the answer is here, the old one is refused and the new one taken.
        stack.login("ann@acme.example", &password(version - 1)).await.problem(401, "invalid_credentials");
        stack.login("ann@acme.example", &password(version)).await.is(200);
    }
    versions.over.store(true, Ordering::SeqCst);
    let (mut taken, mut refused) = (0, 0);
    for webmail in webmails {
        let (yes, no) = webmail.await.unwrap();
        (taken, refused) = (taken + yes, refused + no);
    }
    assert!(taken > 5 && refused > 5, "both verdicts were seen: {taken} and {refused}");
}

/// Signs in with passwords around the present one until it is over, and judges every verdict. How many were taken and
/// how many refused.
async fn logins(api: &stage::Api, versions: &Versions, mut random: Random) -> (usize, usize) {
    let (mut taken, mut refused) = (0, 0);
    while !versions.over.load(Ordering::SeqCst) {
        let asked = versions.asked.load(Ordering::SeqCst);
        let version = asked.saturating_sub(usize::try_from(random.of(0..3)).unwrap());
        let dead_below = versions.effective.load(Ordering::SeqCst);
        let verify = json!({"address": "ann@acme.example", "password": password(version)});
        let answer = api.post("/v1/auth/verify", &verify).await;
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
            _ => panic!("{answer:?}"),
        }
    }
    (taken, refused)
}
