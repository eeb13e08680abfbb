//! What the tests of this crate put in the place of the world: a log in memory, keys, a clock that stands where it is
//! put, a projection that says what it is told to, and instances of the service over them.

mod api;
mod projection;
mod stores;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use activity::ActivityLog;
use axum::Router;
use chrono::{DateTime, TimeDelta, Utc};
use credential::{Depths, Hasher, HasherConfig, Parameters, Policy};
use domain::{Customer, DomainName, Event, Moment, Position, ServiceId, UserKeys};
use event_log::{Appended, EventLog, LogStore, MemoryStore, Scope};
use futures::TryStreamExt;
use getrandom::SysRng;
use keys::{KeyStore, Keyring, Keys, Vault};
use postkey_http::{
    ClientEntry, Clients, ClientsFile, Clock, CustomerScope, Entropy, Health, Metrics, PositionClient, Role,
    TokenDigest,
};
use rand_core::{Rng, UnwrapErr};
use secrecy::SecretString;
use throttle::Limits;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;
use wire::{Body, By, Change, CommandId, Entry, EntryId, LogId, Opened, Stored, Subject, open_all, seal};

pub use api::{Answer, Call};
pub use projection::StubProjection;
pub use stores::{Hooked, MemoryKeys};

use crate::app::{MOST_USERS, Parts, start};

pub const LOG: LogId = LogId::new(Uuid::from_u128(0x1067));
pub const OTHER_LOG: LogId = LogId::new(Uuid::from_u128(0x1068));
/// How long anything may take before it counts as hung.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A clock that stands where it is put.
pub struct SetClock(Mutex<DateTime<Utc>>);

impl SetClock {
    pub fn turn(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for SetClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        UnwrapErr(SysRng).fill_bytes(bytes);
    }
}

/// A thread of its own, with the cheapest hash there is.
pub fn own_hasher() -> Arc<Hasher> {
    let bounds = Depths { commands: 1_000, logins: 1_000, checks: 1_000 };
    let parameters = Parameters::new(8, 1, 1).unwrap();
    Arc::new(Hasher::start(HasherConfig { threads: NonZeroUsize::MIN, bounds, parameters }).unwrap())
}

/// One thread for all tests.
fn hasher() -> Arc<Hasher> {
    static HASHER: OnceLock<Arc<Hasher>> = OnceLock::new();
    Arc::clone(HASHER.get_or_init(own_hasher))
}

/// `operator`, two webmail servers, and a panel of each customer named after it: names are tokens too.
fn clients() -> Clients {
    let mut file = ClientsFile::default();
    let mut add = |name: &str, role, scope| {
        let digest = TokenDigest::of(&SecretString::from(name));
        file.add(ClientEntry::new(name, role, scope, digest).unwrap()).unwrap();
    };
    add("operator", Role::Operator, CustomerScope::None);
    add("service", Role::Service, CustomerScope::None);
    for webmail in ["webmail", "roundcube"] {
        add(webmail, Role::Webmail, CustomerScope::None);
    }
    for customer in ["acme", "beta"] {
        add(customer, Role::Panel, CustomerScope::One(Customer::parse(customer).unwrap()));
    }
    Clients::fixed(file)
}

/// Waits for what a task in the background finds out.
pub async fn until(mut there: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !there().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, looking).await.expect("it does not come true");
}

pub fn service_of(domain: &str) -> ServiceId {
    ServiceId::of(&DomainName::parse(domain).unwrap())
}

/// A log, its keys, and a projection that follows it.
pub struct World {
    pub log: Arc<MemoryStore>,
    pub keys: Arc<MemoryKeys>,
    pub clock: Arc<SetClock>,
    pub projection: StubProjection,
    /// How long an append may take, for instances that start from now on.
    pub append_within: Duration,
    /// How many users such instances keep in memory.
    pub most_users: usize,
    /// What judges passwords there.
    pub policy: Policy,
    /// Who hashes them there.
    pub hasher: Arc<Hasher>,
    keyring: Arc<Keyring>,
}

impl World {
    /// A log with its first entry.
    pub async fn new() -> Self {
        let log = Arc::new(MemoryStore::new(LOG));
        let keyring = Arc::new(Keyring::generate(&mut UnwrapErr(SysRng)));
        let now = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        let first = Change {
            id: EntryId::new(Uuid::from_u128(1)),
            at: now,
            prev: None,
            command: CommandId::new(Uuid::from_u128(2)),
            by: By { client: "postkey".to_owned(), actor: None },
            body: Body::LogCreated { log: LOG },
        };
        let first = seal(&first, LOG, &Keys::default(), keyring.macs().present(), &mut UnwrapErr(SysRng)).unwrap();
        assert_eq!(log.try_append(&first, Position::START).await, Appended::At(Position::new(1)));
        let clock = Arc::new(SetClock(Mutex::new(now)));
        let projection = StubProjection::start(Arc::clone(&log), Arc::clone(&clock)).await;
        let (most_users, policy, hasher) = (MOST_USERS, Policy::standard(), hasher());
        let keys = Arc::default();
        Self { log, keys, clock, projection, append_within: LIMIT, most_users, policy, hasher, keyring }
    }

    pub fn vault(&self) -> Vault {
        Vault::new(Arc::clone(&self.keys) as Arc<dyn KeyStore>, Arc::clone(&self.keyring))
    }

    /// An instance of the service that has just started.
    pub fn instance(&self) -> Instance {
        self.instance_over(Arc::clone(&self.log) as Arc<dyn LogStore>)
    }

    /// An instance whose way to the log goes through another store.
    pub fn instance_over(&self, store: Arc<dyn LogStore>) -> Instance {
        self.instance_asking(store, &self.projection.url())
    }

    /// An instance that asks this projection.
    pub fn instance_asking(&self, store: Arc<dyn LogStore>, projection: &str) -> Instance {
        self.instance_woken(store, &[projection.to_owned()], None)
    }

    /// An instance that asks these projections, and hears what they say that they have applied.
    pub fn instance_woken(
        &self,
        store: Arc<dyn LogStore>,
        projections: &[String],
        woken: Option<watch::Receiver<Position>>,
    ) -> Instance {
        let (store, stop, health) = (Arc::new(Hooked::new(store)), CancellationToken::new(), Health::new());
        let log = EventLog::new(Arc::clone(&store) as Arc<dyn LogStore>, LOG).with_deadline(self.append_within);
        let parts = Parts {
            log: Arc::new(log),
            closed: false,
            vault: self.vault(),
            policy: self.policy.clone(),
            most_users: self.most_users,
            limits: Limits::default(),
            hasher: Arc::clone(&self.hasher),
            clients: Arc::new(clients()),
            projection: PositionClient::new(projections, &SecretString::from("service")).unwrap(),
            woken,
            health: health.clone(),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            entropy: Arc::new(SystemEntropy),
            metrics: Some(Metrics::new(&health)),
            activity: ActivityLog::none(),
        };
        let router = postkey_http::layers(start(parts, &stop), Arc::new(SystemEntropy), None);
        Instance { router, health, store, _stop: Arc::new(stop.drop_guard()) }
    }

    /// The whole log, opened.
    pub async fn entries(&self) -> Vec<Opened> {
        let stored: Vec<Stored> = self.log.read(Scope::All, Position::START).try_collect().await.unwrap();
        open_all(&stored, LOG, &self.vault()).await.unwrap()
    }

    /// Destroys what the log dooms, as the projection service does.
    pub async fn destroy_doomed(&self) {
        let (mut keys, mut doomed) = (HashMap::new(), Vec::new());
        for opened in self.entries().await {
            let moment = Moment { position: opened.link.position, at: opened.change.at };
            for event in opened.change.events() {
                let Event::User(id, event) = event else { continue };
                let before = keys.remove(id);
                let after = UserKeys::evolve(before, event, moment).unwrap();
                doomed.extend(UserKeys::doomed(before, after));
                keys.extend(after.map(|after| (*id, after)));
            }
        }
        self.keys.destroy(&doomed, Position::new(self.head().await)).await.unwrap();
    }

    /// The entries of one service.
    pub async fn history(&self, domain: &str) -> Vec<Opened> {
        let subject = Subject::service(service_of(domain));
        self.entries().await.into_iter().filter(|opened| opened.change.subject() == subject).collect()
    }

    pub async fn head(&self) -> u64 {
        self.log.head(Scope::All).await.unwrap().position.get()
    }

    /// Appends to a service's subject what no writer of ours would.
    pub async fn scribble(&self, domain: &str) {
        let entry = Entry { subject: Subject::service(service_of(domain)), bytes: b"scribble".to_vec() };
        let last = self.log.head(Scope::service(service_of(domain))).await.unwrap().position;
        assert!(matches!(self.log.try_append(&entry, last).await, Appended::At(_)));
    }
}

/// One running instance. Its tasks end with it.
#[derive(Clone)]
pub struct Instance {
    router: Router,
    pub health: Health,
    pub store: Arc<Hooked>,
    _stop: Arc<DropGuard>,
}
