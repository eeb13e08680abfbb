//! Addresses that nobody has, by the thousand, from thousands of places: what is remembered of them is bounded, and it keeps
//! nobody out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stage::{Answer, Api, PASSWORD, Scene, new_user};
use tokio::task::JoinSet;

/// How many are asked at a time: fewer than may wait for argon2id.
const UNDER_WAY: usize = 64;
/// How many the few places are.
const FEW: u64 = 16;
/// Within which whoever is no stranger is let in. Those who wait for argon2id before them take about a second on a machine
/// that does nothing else; one who had to wait for all of them would take minutes.
const PROMPTLY: Duration = Duration::from_secs(20);
/// How many people sign in for the first time while it goes on.
const NEWCOMERS: usize = 6;

/// Who tries the door.
#[derive(Clone, Copy)]
pub struct Strangers {
    /// How many addresses are tried.
    pub addresses: u64,
    /// So many of them come from a few places for each that comes from a place of its own.
    pub from_few: u64,
    /// How many entries the service keeps in each part of a table.
    pub entries: u64,
    /// By how many bytes the process may grow. None where they are too few for its memory to tell: a table that forgot nobody
    /// would grow by some 130 bytes for each, and that it does forget is shown by what it says that it holds.
    pub grows_by: Option<f64>,
}

/// Lets strangers try addresses that nobody has, and holds what is promised to everybody else.
pub async fn try_the_door(scene: &Scene, strangers: Strangers) {
    let entries = strangers.entries;
    let (home, ann) = ("198.51.100.7", "ann@acme.example");
    for n in 0..NEWCOMERS {
        scene.added(&scene.service, &new_user(&newcomer(n))).await;
    }
    scene.stack.login_from(home, ann, PASSWORD).await.is(200);
    let before = resident(scene).await;

    let over = Arc::new(AtomicBool::new(false));
    let flood = tokio::spawn(strangers.come(scene.stack.queries_as("webmail"), Arc::clone(&over)));
    let (mut came, mut most) = (0, 0.0_f64);
    while !over.load(Ordering::SeqCst) {
        let begun = Instant::now();
        scene.stack.login_from(home, ann, PASSWORD).await.is(200);
        if came < NEWCOMERS {
            let origin = format!("203.0.113.{came}");
            scene.stack.login_from(&origin, &newcomer(came), PASSWORD).await.is(200);
        }
        assert!(begun.elapsed() < PROMPTLY, "people waited for {:?}", begun.elapsed());
        came += 1;
        most = most.max(resident(scene).await);
    }
    assert!(came > NEWCOMERS, "it was over before they came");
    let Told { wrong, throttled } = flood.await.unwrap();

    let own = strangers.addresses.div_ceil(strangers.from_few + 1);
    assert!(wrong >= own && own > entries, "{wrong} were judged: the tables did not have to forget");
    assert!(throttled >= (strangers.addresses - own) / 2, "of a few places {throttled} were refused unjudged");
    let scrape = scene.stack.projection().get("/metrics").await;
    let kept = |table| scrape.metric("postkey_throttle_entries", &[("table", table)]).unwrap() as u64;
    for table in ["accounts", "origins"] {
        assert!((entries..=2 * entries).contains(&kept(table)), "{} {table} are remembered", kept(table));
    }
    assert_eq!(kept("owners"), 1 + NEWCOMERS as u64);
    let grown = most - before;
    assert!(strangers.grows_by.is_none_or(|allowed| grown < allowed), "it grew by {grown} bytes");

    // Nobody's guess is lost, and the owner's place is known: argon2id is asked anew.
    let password = json!({"password": "Tundra-58-quiver"});
    scene.operator().put(&format!("{}/password", scene.ann()), &password).await.receipt(200, &["PasswordChanged"]);
    scene.stack.login_from(home, ann, PASSWORD).await.problem(401, "invalid_credentials");
    scene.stack.login_from(home, ann, "Tundra-58-quiver").await.is(200);
}

fn newcomer(n: usize) -> String {
    format!("newcomer{n}@acme.example")
}

async fn resident(scene: &Scene) -> f64 {
    let scrape = scene.stack.projection().get("/metrics").await;
    scrape.metric("postkey_process_resident_memory_bytes", &[]).unwrap()
}

/// What strangers were told.
#[derive(Default)]
struct Told {
    wrong: u64,
    throttled: u64,
}

impl Strangers {
    /// Each tries an address of its own.
    async fn come(self, webmail: Api, over: Arc<AtomicBool>) -> Told {
        let next = Arc::new(AtomicU64::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..UNDER_WAY {
            let (webmail, next) = (webmail.clone(), Arc::clone(&next));
            workers.spawn(async move {
                let mut told = Told::default();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= self.addresses {
                        return told;
                    }
                    told.count(webmail.post("/v1/auth/verify", &self.login(n)).await);
                }
            });
        }
        let mut all = Told::default();
        while let Some(told) = workers.join_next().await {
            let Told { wrong, throttled } = told.unwrap();
            all = Told { wrong: all.wrong + wrong, throttled: all.throttled + throttled };
        }
        over.store(true, Ordering::SeqCst);
        all
    }

    fn login(self, n: u64) -> Value {
        let origin = match n % (self.from_few + 1) {
            0 => format!("2001:db8:{:x}:{:x}::1", n >> 16, n & 0xffff),
            _ => format!("192.0.2.{}", n % FEW),
        };
        json!({"address": format!("nobody{n}@acme.example"), "password": PASSWORD, "origin": origin})
    }
}

impl Told {
    /// Each is told that it was wrong, or when to come back.
    fn count(&mut self, answer: Answer) {
        match answer.status {
            401 => {
                answer.problem(401, "invalid_credentials");
                self.wrong += 1;
            }
            429 => {
                answer.problem(429, "throttled");
                self.throttled += 1;
            }
            _ => drop(answer.problem(503, "overloaded")),
        }
    }
}
