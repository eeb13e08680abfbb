//! A log with keys and a writer, and the projection's own way to them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use domain::event::UserEvent;
use domain::{Event, KeyId, Position};
use event_log::{Appended, EventLog, LogStore, MemoryStore, Scope};
use futures::TryStreamExt;
use getrandom::SysRng;
use keys::{KeyState, KeyStore, Keyring, Keys, PartKey, SqliteKeyStore, StoredKey, Unavailable, Vault, WrappedKey};
use ledger::leaf_hash;
use rand_core::UnwrapErr;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::timeout;
use wire::{Change, Entry, Opened, Stored, seal};

use super::{Act, Author, LIMIT, LOG};
use crate::projector::{Follower, Projector};
use crate::read_model::{
    Generations, Leadership, LedgerRows, Queries, ReadModelWriter, ServiceQuery, SqliteReadModel, UserQuery,
};

/// A key store that can be switched off, and lose what it holds.
pub struct Switched {
    inner: SqliteKeyStore,
    down: AtomicBool,
    lost: AtomicBool,
    refused: watch::Sender<u64>,
}

impl Switched {
    pub fn switch(&self, on: bool) {
        self.down.store(!on, Ordering::SeqCst);
    }

    /// Whether its keys are lost, or restored again.
    pub fn lose(&self, lost: bool) {
        self.lost.store(lost, Ordering::SeqCst);
    }

    fn up(&self) -> Result<&SqliteKeyStore, Unavailable> {
        if !self.down.load(Ordering::SeqCst) {
            return Ok(&self.inner);
        }
        self.refused.send_modify(|refused| *refused += 1);
        Err(Unavailable("switched off".to_owned()))
    }

    /// Waits until so many questions were refused.
    pub async fn has_refused(&self, times: u64) {
        let mut refused = self.refused.subscribe();
        timeout(LIMIT, refused.wait_for(|refused| *refused >= times)).await.unwrap().unwrap();
    }
}

#[async_trait]
impl KeyStore for Switched {
    async fn create(&self, keys: &[(KeyId, WrappedKey)]) -> Result<(), Unavailable> {
        self.up()?.create(keys).await
    }

    async fn fetch(&self, ids: &[KeyId]) -> Result<HashMap<KeyId, StoredKey>, Unavailable> {
        if self.lost.load(Ordering::SeqCst) {
            return Ok(ids.iter().map(|id| (*id, StoredKey::NeverSeen)).collect());
        }
        self.up()?.fetch(ids).await
    }

    async fn destroy(&self, ids: &[KeyId], cursor: Position) -> Result<(), Unavailable> {
        self.up()?.destroy(ids, cursor).await
    }

    async fn cursor(&self) -> Result<Position, Unavailable> {
        self.up()?.cursor().await
    }
}

/// A log, its keys and whoever writes it.
pub struct World {
    pub author: Author,
    pub store: Arc<dyn LogStore>,
    /// The key store as the projection has it.
    pub keys: Arc<Switched>,
    /// The same as the command side has it.
    pub command_keys: Arc<SqliteKeyStore>,
    pub keyring: Arc<Keyring>,
    pub folder: TempDir,
}

impl World {
    /// A log in memory with its first entry.
    pub async fn new() -> Self {
        Self::on(Arc::new(MemoryStore::new(LOG))).await
    }

    /// A log in this empty store, with its first entry.
    pub async fn on(store: Arc<dyn LogStore>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.db");
        let inner = SqliteKeyStore::open(&path, true).await.unwrap();
        let command_keys = Arc::new(SqliteKeyStore::open(&path, false).await.unwrap());
        let (down, lost) = (AtomicBool::new(false), AtomicBool::new(false));
        let keys = Arc::new(Switched { inner, down, lost, refused: watch::Sender::default() });
        let keyring = Arc::new(Keyring::generate(&mut UnwrapErr(SysRng)));
        let mut world = Self { author: Author::default(), store, keys, command_keys, keyring, folder };
        let first = world.author.first();
        world.write(first).await;
        world
    }

    pub fn vault(&self) -> Vault {
        Vault::new(Arc::clone(&self.keys) as Arc<dyn KeyStore>, Arc::clone(&self.keyring))
    }

    /// The keys as the command side has them.
    pub fn command_vault(&self) -> Vault {
        Vault::new(Arc::clone(&self.command_keys) as Arc<dyn KeyStore>, Arc::clone(&self.keyring))
    }

    /// The log as a process that has just started holds it.
    pub fn log(&self) -> Arc<EventLog> {
        Arc::new(EventLog::new(Arc::clone(&self.store), LOG))
    }

    pub async fn model(&self) -> Arc<SqliteReadModel> {
        self.model_named("read-model").await
    }

    pub async fn model_named(&self, name: &str) -> Arc<SqliteReadModel> {
        Arc::new(SqliteReadModel::open(&self.folder.path().join(name)).await.unwrap())
    }

    /// A projector of the live generation.
    pub async fn projector(&self, model: &Arc<SqliteReadModel>) -> Projector {
        let live = model.live().await.unwrap();
        Projector::new(self.log(), self.vault(), Arc::clone(model) as _, live)
    }

    /// A follower as a process that has just started holds it.
    pub fn follower<M: ReadModelWriter + Leadership + LedgerRows + 'static>(&self, model: &Arc<M>) -> Follower {
        let (log, vault) = (self.log(), self.vault());
        Follower::new(log, vault, Arc::clone(model) as _, Arc::clone(model) as _, Arc::clone(model) as _)
    }

    /// An act that is neither refused nor a no-op, appended.
    pub async fn act(&mut self, service: u8, act: Act) -> Opened {
        let change = self.author.change(service, &act).unwrap_or_else(|| panic!("{act:?} changes nothing"));
        self.write(change).await
    }

    /// Two services with users in every state.
    pub async fn live_a_little(&mut self) {
        for service in [1, 2] {
            self.act(service, Act::Provision).await;
            for user in 1..=3 {
                self.act(service, Act::Add(user, user)).await;
            }
            self.act(service, Act::Suspend(1)).await;
            self.act(service, Act::Edit(2, "Şeyma".to_owned(), 5)).await;
            self.act(service, Act::Remove(3)).await;
            self.act(service, Act::Password(2)).await;
        }
    }

    pub async fn write(&mut self, change: Change) -> Opened {
        let entry = self.sealed(&change).await;
        self.append(&entry).await;
        self.author.stands(change, leaf_hash(&entry.bytes))
    }

    /// The bytes of a change, its keys stored.
    pub async fn sealed(&self, change: &Change) -> Entry {
        let (rng, vault, ids) = (&mut UnwrapErr(SysRng), self.command_vault(), key_ids(change));
        let fresh: Vec<_> = ids.iter().map(|id| (*id, PartKey::generate(rng))).collect();
        vault.create(&fresh, rng).await.unwrap();
        self.sealed_under(change, &vault.fetch(&ids).await.unwrap())
    }

    /// The bytes of a change under keys that nobody has stored.
    pub fn sealed_under_unknown_keys(&self, change: &Change) -> Entry {
        let fresh = |id| (id, KeyState::Live(PartKey::generate(&mut UnwrapErr(SysRng))));
        self.sealed_under(change, &key_ids(change).into_iter().map(fresh).collect())
    }

    fn sealed_under(&self, change: &Change, keys: &Keys) -> Entry {
        seal(change, LOG, keys, self.keyring.macs().present(), &mut UnwrapErr(SysRng)).unwrap()
    }

    /// Appends bytes, whatever they are, and says where they stand.
    pub async fn append(&self, entry: &Entry) -> Position {
        let head = self.store.head(Scope::Subject(entry.subject.clone())).await.unwrap().position;
        match self.store.try_append(entry, head).await {
            Appended::At(position) => position,
            other => panic!("{other:?}"),
        }
    }

    /// The same log in another store, each entry changed or the log cut short.
    pub async fn copied(&self, change: impl Fn(Position, Entry) -> Option<Entry>) -> Arc<MemoryStore> {
        let copy = Arc::new(MemoryStore::new(LOG));
        let all: Vec<Stored> = self.store.read(Scope::All, Position::START).try_collect().await.unwrap();
        for stored in all {
            let Some(entry) = change(stored.position, stored.entry) else { break };
            let head = copy.head(Scope::Subject(entry.subject.clone())).await.unwrap().position;
            assert!(matches!(copy.try_append(&entry, head).await, Appended::At(_)));
        }
        copy
    }

    /// Holds the live rows against the fold of every history.
    pub async fn expect_rows(&self, model: &Arc<impl Queries>) {
        let (services, users) = self.author.rows();
        let query = ServiceQuery { customer: None, after: None, limit: 500 };
        assert_eq!(model.services(&query).await.unwrap().rows, services);
        let mut found = Vec::new();
        for row in &services {
            let query = UserQuery { service: row.id, search: None, after: None, limit: 500 };
            found.extend(model.users(&query).await.unwrap().rows);
        }
        found.sort_by_key(|row| row.id);
        assert_eq!(found, users);
    }
}

fn key_ids(change: &Change) -> Vec<KeyId> {
    let of = |event: &Event| match event {
        Event::User(_, UserEvent::UserAdded { person, .. }) => Some(person.key),
        Event::User(_, UserEvent::UserEdited { names, .. }) => names.as_ref().map(|names| names.key),
        Event::User(_, UserEvent::PasswordChanged { hash, .. }) => Some(hash.key),
        Event::User(..) | Event::Service(_) => None,
    };
    change.events().iter().filter_map(of).collect()
}
