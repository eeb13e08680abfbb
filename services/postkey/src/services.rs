//! Opening what the services are made of, the same for `up` and for services of their own.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use credential::{Hasher, HasherConfig, Policy};
use domain::Position;
use event_log::{AppendError, EventLog, LogStore, OpenError, Scope, SqliteStore};
use futures::TryStreamExt;
use keys::{KeyState, Keyring, SqliteKeyStore, Vault};
use postkey_http::{Clients, Clock, EntropyRng, Health, PositionClient, uuid_v4, uuid_v7};
use postkey_projection::read_model::SqliteReadModel;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use wire::{Body, By, Change, CommandId, EntryId, LogId, OpenError as EntryError, authenticate, open_all, seal};

use crate::args::{KeyArgs, SqliteUrl};
use crate::edges::{SystemClock, SystemEntropy};
use crate::failure::Failure;

/// How long the first entry of a log may take.
const FIRST_ENTRY_WITHIN: Duration = Duration::from_secs(2);

/// The log and the keys that open it.
pub struct Stores {
    store: Arc<SqliteStore>,
    /// The log.
    pub log: Arc<EventLog>,
    /// The keys.
    pub vault: Vault,
}

impl Stores {
    /// Opens log and keys for the one writer; makes both where neither is there.
    pub async fn open_to_write(
        log: &SqliteUrl,
        keys: &KeyArgs,
        read_model: Option<&SqliteUrl>,
    ) -> Result<Self, Failure> {
        let keyring = Arc::new(Keyring::load(&keys.keyring_file)?);
        let found = SqliteStore::open(log.path()).await;
        let is_new = matches!(found, Err(OpenError::Missing(_) | OpenError::Unfinished(_)));
        if !is_new && !keys.keys.path().exists() {
            let path = keys.keys.path().display();
            return Err(Failure::failed(format!("{path} is missing: restore the key store that belongs to the log")));
        }
        let key_store = SqliteKeyStore::open(keys.keys.path(), true).await?;
        let store = if is_new {
            let used = !key_store.is_empty().await? || read_model.is_some_and(|file| file.path().exists());
            if used {
                let path = log.path().display();
                return Err(Failure::failed(format!(
                    "{path} is missing or empty, but what was made from it is there: restore the log; a new one would fork history"
                )));
            }
            SqliteStore::create(log.path(), LogId::new(uuid_v4(&SystemEntropy))).await?
        } else {
            found?
        };
        let stores = Self::of(store, Arc::new(key_store), keyring);
        stores.begin().await?;
        stores.identify().await?;
        Ok(stores)
    }

    /// Opens log and keys for a process that appends nothing.
    pub async fn open_to_read(log: &SqliteUrl, keys: &KeyArgs) -> Result<Self, Failure> {
        let keyring = Arc::new(Keyring::load(&keys.keyring_file)?);
        let store = SqliteStore::open_read_only(log.path()).await?;
        let key_store = SqliteKeyStore::open(keys.keys.path(), false).await?;
        let stores = Self::of(store, Arc::new(key_store), keyring);
        stores.identify().await?;
        Ok(stores)
    }

    fn of(store: SqliteStore, keys: Arc<SqliteKeyStore>, keyring: Arc<Keyring>) -> Self {
        let store = Arc::new(store);
        let log = Arc::new(EventLog::new(Arc::clone(&store) as Arc<dyn LogStore>, store.log()));
        Self { store, log, vault: Vault::new(keys, keyring) }
    }

    /// Whether the log has its first entry.
    pub async fn has_begun(&self) -> Result<bool, Failure> {
        Ok(self.log.head(Scope::All).await?.position > Position::START)
    }

    /// Appends the first entry to a log that has none.
    async fn begin(&self) -> Result<(), Failure> {
        if self.has_begun().await? {
            return Ok(());
        }
        let (clock, entropy) = (SystemClock, SystemEntropy);
        let change = Change {
            id: EntryId::new(uuid_v7(&clock, &entropy)),
            at: Change::instant(clock.now()),
            prev: None,
            command: CommandId::new(uuid_v4(&entropy)),
            by: By { client: "postkey".to_owned(), actor: None },
            body: Body::LogCreated { log: self.log.id() },
        };
        let mut rng = EntropyRng::new(Arc::new(SystemEntropy));
        let macs = self.vault.keyring().macs();
        let entry = seal(&change, self.log.id(), &keys::Keys::default(), macs.present(), &mut rng)?;
        // Nobody waits for it but the person who starts it: sooner told than tried for long.
        let log = EventLog::new(Arc::clone(&self.store) as Arc<dyn LogStore>, self.log.id())
            .with_deadline(FIRST_ENTRY_WITHIN);
        match log.append(&entry, Position::START).await {
            Ok(_) => Ok(()),
            Err(AppendError::Unavailable) => {
                Err(Failure::failed("the log's first entry could not be written: is the disk full?"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Checks that log, keyring and key store belong together: by the first entry, and by the keys of the last.
    async fn identify(&self) -> Result<(), Failure> {
        let Some(first) = self.log.read(Scope::All, Position::START).try_next().await? else { return Ok(()) };
        let begins = match open_all(&[first], self.log.id(), &self.vault).await {
            Ok(opened) => opened.iter().all(|first| first.change.body == Body::LogCreated { log: self.log.id() }),
            Err(EntryError::Corrupt(corrupt)) => {
                let what = "the log can't be read with this keyring: bring the two together that belong together";
                return Err(Failure::failed(format!("{what} ({corrupt})")));
            }
            Err(error) => return Err(error.into()),
        };
        if !begins {
            return Err(Failure::failed("the log does not begin with its first entry: restore it from your backup"));
        }
        let head = self.log.head(Scope::All).await?.position;
        let before = Position::new(head.get().saturating_sub(1));
        let last: Vec<_> = self.log.read(Scope::All, before).try_next().await?.into_iter().collect();
        for entry in &last {
            // An entry that is corrupt is met, and said, where it is read.
            let Ok(entry) = authenticate(entry, self.log.id(), self.vault.keyring().macs()) else { continue };
            let ids: Vec<_> = entry.key_ids().collect();
            let keys = self.vault.fetch(&ids).await?;
            if ids.iter().any(|id| matches!(keys.get(*id), KeyState::NeverSeen)) {
                return Err(Failure::failed(
                    "the key store lacks the keys of the log's last entry: it is older than the log, or another's; \
                     restore the one that belongs to it",
                ));
            }
        }
        Ok(())
    }

    /// What the projection service is made of, over these stores.
    pub fn projection(
        &self,
        model: &Arc<SqliteReadModel>,
        clients: Arc<Clients>,
        hasher: Arc<Hasher>,
        health: Health,
        freshness_bound: Duration,
    ) -> postkey_projection::Parts {
        postkey_projection::Parts {
            log: Arc::clone(&self.log),
            vault: self.vault.clone(),
            writer: model.clone(),
            leadership: model.clone(),
            lookups: model.clone(),
            queries: model.clone(),
            clients,
            hasher,
            health,
            entropy: Arc::new(SystemEntropy),
            freshness_bound,
        }
    }

    /// What the command service is made of, over these stores.
    pub fn command(
        &self,
        policy: Policy,
        clients: Arc<Clients>,
        hasher: Arc<Hasher>,
        health: Health,
        projection: PositionClient,
    ) -> postkey_command::Parts {
        postkey_command::Parts {
            log: Arc::clone(&self.log),
            vault: self.vault.clone(),
            policy,
            hasher,
            clients,
            projection,
            health,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        }
    }

    /// Stops the log's writer in good order.
    pub async fn close(self) {
        self.store.close().await;
    }
}

/// Opens the read model.
pub async fn open_read_model(url: &SqliteUrl) -> Result<Arc<SqliteReadModel>, Failure> {
    Ok(Arc::new(SqliteReadModel::open(url.path()).await?))
}

/// Starts the threads that hash, one a core.
pub fn start_hasher() -> Result<Arc<Hasher>, Failure> {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    Ok(Arc::new(Hasher::start(HasherConfig::for_threads(threads))?))
}

/// Opens the clients file and keeps it fresh.
pub fn open_clients(
    path: &std::path::Path,
    health: &Health,
    stop: &CancellationToken,
) -> Result<Arc<Clients>, Failure> {
    let clients = Arc::new(Clients::open(path, health.check("clients"))?);
    clients.keep_fresh(stop.clone());
    Ok(clients)
}

/// A token that is cancelled by SIGTERM or SIGINT.
pub fn stop_on_signal() -> Result<CancellationToken, Failure> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: requests in flight are answered first");
        signalled.cancel();
    });
    Ok(stop)
}

/// How long a process that waits for another's file waits between two looks.
pub const LOOK_AGAIN: Duration = Duration::from_millis(100);
