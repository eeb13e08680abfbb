//! Logins over a log in memory, a row that stands as it is told to, and argon2id at a cost that tests can pay.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use credential::{Asker, Depths, HasherConfig, Parameters, Password, Policy};
use domain::{Erasable, Position, User, UserId};
use event_log::{EventLog, LogStore, MemoryStore, Scope};
use futures::future::join_all;
use throttle::Limits;
use tokio::sync::watch;

use super::*;
use crate::auth::Heads;
use crate::projector::Progress;
use crate::read_model::{Generation, LiveRows, Lookups, Page, ReadModelError, ServiceQuery, ServiceRow, UserQuery};
use crate::staged::{Act, Author, LOG, address, id_of, leaf, scribble, user_of};

const OLD: &str = "Copper-Tulip-77";
const NEW: &str = "Silver-Birch-88";

/// The one user that there is, as far as the log goes, and its service.
struct Rows(Mutex<(Position, UserRow)>, ServiceRow);

#[async_trait]
impl Lookups for Rows {
    async fn login(&self, asked: &Address) -> Result<LoginRow, ReadModelError> {
        let (applied, user) = self.0.lock().unwrap().clone();
        Ok(LoginRow { applied, user: (*asked == address(1, 1)).then_some(user) })
    }
}

#[async_trait]
impl Queries for Rows {
    async fn live_rows(&self) -> Result<LiveRows, ReadModelError> {
        panic!("a login looks for its service");
    }

    async fn service(&self, service: ServiceId) -> Result<Option<ServiceRow>, ReadModelError> {
        Ok(Some(self.1.clone()).filter(|row| row.id == service))
    }

    async fn services(&self, _: &ServiceQuery) -> Result<Page<ServiceRow>, ReadModelError> {
        panic!("a login looks for its service");
    }

    async fn user(&self, _: ServiceId, _: UserId) -> Result<Option<UserRow>, ReadModelError> {
        panic!("a login looks for its service");
    }

    async fn users(&self, _: &UserQuery) -> Result<Page<UserRow>, ReadModelError> {
        panic!("a login looks for its service");
    }
}

struct Staged {
    logins: Logins,
    rows: Arc<Rows>,
    store: Arc<MemoryStore>,
    hasher: Arc<Hasher>,
    progress: watch::Sender<Progress>,
}

/// Cheap hashes, one thread, and so many logins that may wait.
fn hasher(waiting: usize, memory: u32) -> Arc<Hasher> {
    let mut config = HasherConfig::for_threads(NonZeroUsize::MIN);
    config.bounds = Depths { logins: waiting, ..config.bounds };
    config.parameters = Parameters::new(memory, 1, 1).unwrap();
    Arc::new(Hasher::start(config).unwrap())
}

async fn hashed(hasher: &Hasher, password: &str) -> CredentialHash {
    let password = Password::parse(password.into(), &Policy::guide(), None).unwrap();
    hasher.hash(Asker::Client, password, [1; 16]).await.unwrap()
}

async fn staged() -> Staged {
    with(hasher(128, 64)).await
}

async fn with(hasher: Arc<Hasher>) -> Staged {
    let mut author = Author::default();
    for act in [Act::Provision, Act::Add(1, 1)] {
        let change = author.change(1, &act).unwrap();
        author.stands(change, leaf(author.position().next()));
    }
    let (mut services, mut users) = author.rows();
    let mut user = users.remove(0);
    assert_eq!((user.id, user.service), (user_of(1, 1), id_of(1)));
    if let Some(credential) = &mut user.user.credential {
        credential.hash.value = Erasable::Known(hashed(&hasher, OLD).await);
    }
    let rows = Arc::new(Rows(Mutex::new((Position::START, user)), services.remove(0)));
    let store = Arc::new(MemoryStore::new(LOG));
    let log = Arc::new(EventLog::new(Arc::clone(&store) as Arc<dyn LogStore>, LOG));
    let (progress, heard) = watch::channel(Progress { live: Some(Generation(1)), ..Progress::default() });
    let heads = Heads::new(Arc::clone(&log));
    let lookups = Arc::clone(&rows) as Arc<dyn Lookups>;
    let freshness = Freshness::new(log, heads, lookups, heard, Duration::from_secs(60));
    let throttle = Throttle::new(Limits::default(), [7; 32]);
    let queries = Arc::clone(&rows) as Arc<dyn Queries>;
    let logins = Logins::new(Arc::new(freshness), queries, throttle, &[8; 32], Arc::clone(&hasher));
    Staged { logins, rows, store, hasher, progress }
}

impl Staged {
    /// An entry is appended and applied that makes this of the user.
    async fn applies(&self, change: impl FnOnce(&mut User)) {
        let entry = scribble(1);
        let last = self.store.head(Scope::Subject(entry.subject.clone())).await.unwrap().position;
        assert!(matches!(self.store.try_append(&entry, last).await, event_log::Appended::At(_)));
        let mut rows = self.rows.0.lock().unwrap();
        let position = last.next();
        change(&mut rows.1.user);
        rows.0 = position;
        self.progress.send_modify(|progress| progress.position = position);
    }

    async fn changes_password(&self, password: &str) {
        let hash = hashed(&self.hasher, password).await;
        let revision = self.rows.0.lock().unwrap().0.next();
        self.applies(|user| {
            let credential = user.credential.as_mut().unwrap();
            credential.hash.value = Erasable::Known(hash);
            credential.revision = revision;
        })
        .await;
    }

    async fn login_from(&self, origin: u32, address: &str, password: &str) -> &'static str {
        self.login_held_to(None, origin, address, password).await
    }

    async fn login_held_to(&self, customer: Option<&str>, origin: u32, address: &str, password: &str) -> &'static str {
        let origin = (origin > 0).then(|| IpAddr::from(origin.to_be_bytes()));
        let held_to = customer.map(|customer| Customer::parse(customer).unwrap());
        let login = Login { claimed: Claimed::read(address).unwrap(), password: password.into(), origin, held_to };
        match self.logins.sign_in(login).await.ended {
            Ok(SignedIn { cached: true, .. }) => "cached",
            Ok(SignedIn { cached: false, .. }) => "right",
            Err(Refused::Wrong) => "wrong",
            Err(Refused::Throttled(_)) => "throttled",
            Err(Refused::Overloaded(_)) => "overloaded",
            Err(Refused::NotFresh(_)) => "not fresh",
        }
    }

    async fn login(&self, password: &str) -> &'static str {
        self.login_from(0, address(1, 1).as_str(), password).await
    }

    fn counts(&self) -> [u64; 6] {
        let Verdicts { cached, right, wrong, throttled, overloaded, not_fresh } = &**self.logins.verdicts();
        [cached, right, wrong, throttled, overloaded, not_fresh].map(|count: &AtomicU64| count.load(Ordering::Relaxed))
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_login_takes_one_argon2id_in_ten_minutes() {
    let staged = staged().await;
    for expected in ["right", "cached", "cached"] {
        assert_eq!(staged.login(OLD).await, expected);
        tokio::time::advance(Duration::from_secs(250)).await;
    }
    assert_eq!(staged.login(OLD).await, "right", "since 12:30 minutes");
    assert_eq!(staged.counts(), [2, 2, 0, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_changed_password_ends_what_was_known_of_the_old_one_at_once() {
    let staged = staged().await;
    assert_eq!(staged.login(OLD).await, "right");
    staged.changes_password(NEW).await;
    assert_eq!(staged.login(OLD).await, "wrong");
    assert_eq!(staged.login(NEW).await, "right");
    assert_eq!(staged.login(OLD).await, "wrong");
    assert_eq!(staged.login(NEW).await, "cached");
    staged.changes_password(NEW).await;
    assert_eq!(staged.login(NEW).await, "right", "the same text is another credential");
}

#[tokio::test(start_paused = true)]
async fn a_suspended_users_known_login_is_refused_at_once_and_good_again_once_reactivated() {
    let staged = staged().await;
    assert_eq!(staged.login(OLD).await, "right");
    staged.applies(|user| user.state = UserState::Suspended).await;
    assert_eq!(staged.login(OLD).await, "wrong");
    staged.applies(|user| user.state = UserState::Active).await;
    assert_eq!(staged.login(OLD).await, "cached", "the credential is the one that was proved");
}

#[tokio::test(start_paused = true)]
async fn whoever_can_not_sign_in_is_told_the_same_and_counted_the_same() {
    let (nobody, ann) = ("nobody@s1.example".to_owned(), address(1, 1).as_str().to_owned());
    let cases = [
        (nobody, OLD.to_owned(), UserState::Active),
        ("no address".to_owned(), OLD.to_owned(), UserState::Active),
        (ann.clone(), OLD.to_owned(), UserState::Suspended),
        (ann.clone(), OLD.to_owned(), UserState::Removed),
        (ann.clone(), NEW.to_owned(), UserState::Active),
        (ann.clone(), String::new(), UserState::Active),
        (ann.clone(), "a".repeat(60_000), UserState::Active),
    ];
    for (address, password, state) in cases {
        let staged = staged().await;
        staged.applies(|user| user.state = state).await;
        for expected in ["wrong", "wrong", "wrong", "wrong", "wrong", "throttled"] {
            assert_eq!(staged.login_from(0, &address, &password).await, expected, "{address} {state:?}");
        }
        assert_eq!(staged.counts(), [0, 0, 5, 1, 0, 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_another_customers_is_nobody_to_whom_is_held_to_one() {
    let ann = address(1, 1).as_str().to_owned();
    let held = staged().await;
    for expected in ["right", "cached"] {
        assert_eq!(held.login_held_to(Some("acme"), 1, &ann, OLD).await, expected);
    }
    for (address, known) in [(ann.as_str(), true), ("nobody@s1.example", false), ("nobody@s2.example", false)] {
        let staged = staged().await;
        if known {
            assert_eq!(staged.login_from(1, address, OLD).await, "right");
        }
        for expected in ["wrong", "wrong", "wrong", "wrong", "wrong", "throttled"] {
            assert_eq!(staged.login_held_to(Some("other"), 1, address, OLD).await, expected, "{address}");
        }
        // No argon2id can be had, and it is one that each takes.
        let full = with(hasher(0, 64)).await;
        assert_eq!(full.login_held_to(Some("other"), 1, address, OLD).await, "overloaded", "{address}");
    }
}

#[tokio::test(start_paused = true)]
async fn upper_and_lower_case_are_one_account() {
    let staged = staged().await;
    for spelling in ["user1@s1.example", "USER1@s1.example", "User1@S1.example", "user1@S1.EXAMPLE", "uSER1@s1.example"]
    {
        assert_eq!(staged.login_from(0, spelling, NEW).await, "wrong");
    }
    assert_eq!(staged.login_from(0, "user1@s1.example", OLD).await, "throttled");
    for expected in ["wrong", "wrong", "wrong", "wrong", "wrong", "throttled"] {
        assert_eq!(staged.login_from(0, if expected == "wrong" { "No Ä" } else { "no ä" }, OLD).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_botnet_keeps_nobody_out_who_signed_in_from_home_before() {
    let staged = staged().await;
    let (ann, home) = (address(1, 1), 1);
    assert_eq!(staged.login_from(home, ann.as_str(), OLD).await, "right");
    for bot in 100..200 {
        let ended = staged.login_from(bot, ann.as_str(), "Guessed-1").await;
        assert_eq!(ended, if bot < 105 { "wrong" } else { "throttled" });
    }
    assert_eq!(staged.login_from(home, ann.as_str(), OLD).await, "cached");
    staged.changes_password(NEW).await;
    assert_eq!(staged.login_from(home, ann.as_str(), OLD).await, "wrong", "a typo");
    assert_eq!(staged.login_from(home, ann.as_str(), NEW).await, "right", "without the cache too");
    assert_eq!(staged.login_from(2, ann.as_str(), NEW).await, "throttled", "no stranger hears what the cache knows");
    assert_eq!(staged.login(NEW).await, "throttled", "nor who comes from nowhere");
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(staged.login_from(2, ann.as_str(), NEW).await, "cached", "in its turn it needs no argon2id");
    staged.changes_password(OLD).await;
    assert_eq!(staged.login_from(2, ann.as_str(), OLD).await, "right", "and that made it home too");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_origin_is_refused_before_anything_is_looked_up() {
    let staged = staged().await;
    for n in 0..5 {
        assert_eq!(staged.login_from(9, &format!("nobody{n}@s1.example"), OLD).await, "wrong");
    }
    assert_eq!(staged.login_from(8, address(1, 1).as_str(), OLD).await, "right");
    assert_eq!(staged.login_from(9, address(1, 1).as_str(), OLD).await, "throttled", "known as the login is");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(staged.login_from(9, address(1, 1).as_str(), OLD).await, "cached");
}

#[tokio::test]
async fn equal_logins_at_once_share_one_argon2id_and_one_failure() {
    // One in hand and one that waits: any more argon2ids would be refused.
    let staged = with(hasher(1, 19_456)).await;
    for (origin, password, expected) in [(1, OLD, "right"), (2, NEW, "wrong")] {
        let ended = join_all((1..20).map(|_| staged.login_from(origin, "user1@s1.example", password))).await;
        assert_eq!(ended, [expected; 19]);
    }
    for n in 0..4 {
        assert_eq!(staged.login_from(100 + n, "user1@s1.example", &format!("Guessed-{n}")).await, "wrong");
    }
    assert_eq!(staged.login_from(104, "user1@s1.example", "Guessed-4").await, "throttled", "nineteen counted as one");
    assert_eq!(staged.login_from(1, "user1@s1.example", "Typed-1").await, "wrong", "that is the owner's");
}

#[tokio::test(start_paused = true)]
async fn what_overload_refuses_is_not_counted_as_a_failure() {
    let staged = with(hasher(0, 64)).await;
    for _ in 0..20 {
        assert_eq!(staged.login_from(1, "user1@s1.example", NEW).await, "overloaded");
    }
    assert_eq!(staged.counts(), [0, 0, 0, 0, 20, 0]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_judged_by_a_row_that_may_not_be_trusted() {
    let staged = staged().await;
    assert_eq!(staged.login(OLD).await, "right");
    let entry = scribble(1);
    staged.store.try_append(&entry, Position::START).await;
    assert_eq!(staged.login(OLD).await, "not fresh", "known as it is");
    assert_eq!(staged.login(NEW).await, "not fresh");
    assert_eq!(staged.counts(), [0, 1, 0, 0, 0, 2]);
}
