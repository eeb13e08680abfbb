//! What was seeded, applied by the product's own projector in this process: with the ledger's rows, as it does, and without
//! them, as it did before there were any.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use domain::{Position, UserId};
use event_log::{Appended, EventLog, Head, LogStore, ReadError, Scope, SqliteStore};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use keys::{Keyring, SqliteKeyStore, Vault};
use ledger::{Node, NodeRange};
use postkey_http::Health;
use postkey_postgres::Location;
use postkey_projection::projector::{Checks, Follower, Progress};
use postkey_projection::read_model::{
    Applied, ApplyError, Batch, Generation, Leadership, Leaf, LedgerRows, LedgerState, PostgresReadModel,
    ReadModelError, ReadModelWriter, Rows, SqliteReadModel, Touched, UserRow,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use wire::{Entry, Link, LogId, Stored};

use crate::failure::{Failure, Named};

/// A log and its keys, in the files of a data folder.
pub struct Source {
    log: Arc<dyn LogStore>,
    id: LogId,
    vault: Vault,
}

impl Source {
    /// The stores of a data folder that nobody else has open.
    ///
    /// # Errors
    /// Where they can't be opened.
    pub async fn open(data: &Path) -> Result<Self, Failure> {
        let log = SqliteStore::open(&data.join("log.db")).await.named("the log")?;
        let keys = SqliteKeyStore::open(&data.join("keys.db"), false).await.named("the key store")?;
        let keyring = Keyring::load(&data.join("keyring")).named("the keyring")?;
        let id = log.log();
        Ok(Self { log: Arc::new(log), id, vault: Vault::new(Arc::new(keys), Arc::new(keyring)) })
    }

    /// Applies the log up to a position to an empty read model, and says how many seconds that took. `one_by_one`: each entry
    /// comes when the one before it is in force, as where one user after the other saves.
    ///
    /// # Errors
    /// Where a store fails.
    pub async fn apply(&self, to: To<'_>, up_to: u64, ledger: bool, one_by_one: bool) -> Result<f64, Failure> {
        match to {
            To::Sqlite(path) => {
                let model = Arc::new(SqliteReadModel::open(path).await.named("the read model")?);
                let seconds = self.apply_to(&model, up_to, ledger, one_by_one).await;
                model.close().await;
                seconds
            }
            To::Postgres(url) => {
                let location: Location = url.parse().named("the read model")?;
                let model = Arc::new(PostgresReadModel::open(&location).await.named("the read model")?);
                let seconds = self.apply_to(&model, up_to, ledger, one_by_one).await;
                model.close().await;
                seconds
            }
        }
    }

    async fn apply_to<M>(&self, model: &Arc<M>, up_to: u64, ledger: bool, one_by_one: bool) -> Result<f64, Failure>
    where
        M: ReadModelWriter + Leadership + LedgerRows + 'static,
    {
        let (applied, told) = watch::channel(Position::START);
        let paced = Paced { inner: Arc::clone(&self.log), up_to, told, one_by_one };
        let (log, vault) = (Arc::new(EventLog::new(Arc::new(paced), self.id)), self.vault.clone());
        let follower = if ledger {
            Follower::new(log, vault, Arc::clone(model) as _, Arc::clone(model) as _, Arc::clone(model) as _)
        } else {
            let bare = Arc::new(Bare(Arc::clone(model)));
            Follower::new(log, vault, Arc::clone(&bare) as _, Arc::clone(model) as _, bare as _)
        };
        let (health, stop, mut progress) = (Health::new(), CancellationToken::new(), follower.progress());
        let check = |name| health.check(name);
        let checks = Checks { projector: check("projector"), keys: check("keys"), ledger: check("ledger-rows") };
        let begun = Instant::now();
        let following = tokio::spawn(follower.follow(checks, stop.clone()));
        let outcome = loop {
            let Progress { position, halted, .. } = progress.borrow_and_update().clone();
            applied.send_replace(position);
            if let Some(halted) = halted {
                break Err(Failure::new("the projector", halted));
            }
            if position.get() >= up_to {
                break Ok(begun.elapsed().as_secs_f64());
            }
            if progress.changed().await.is_err() {
                break Err(Failure::new("the projector", "it has ended"));
            }
        };
        stop.cancel();
        following.await.named("the projector")?;
        let size = model.ledger().await.named("the ledger")?.size.get();
        if outcome.is_ok() && size != if ledger { up_to } else { 0 } {
            return Err(Failure::new("the ledger", format!("it has {size} leaves")));
        }
        outcome
    }
}

/// Where the rows go.
#[derive(Clone, Copy)]
pub enum To<'a> {
    /// A file that is not there yet.
    Sqlite(&'a Path),
    /// An empty database.
    Postgres(&'a str),
}

/// A log that ends early, and whose followers are given one entry after the other.
struct Paced {
    inner: Arc<dyn LogStore>,
    up_to: u64,
    told: watch::Receiver<Position>,
    one_by_one: bool,
}

#[async_trait]
impl LogStore for Paced {
    async fn try_append(&self, _: &Entry, _: Position) -> Appended {
        Appended::Closed
    }

    fn read(&self, scope: Scope, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        self.inner.read(scope, after)
    }

    fn follow(&self, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        let up_to = self.up_to;
        let entries = self.inner.read(Scope::All, after);
        let entries = entries.try_take_while(move |stored| std::future::ready(Ok(stored.position.get() <= up_to)));
        let told = self.one_by_one.then(|| self.told.clone());
        let paced = entries.then(move |entry| {
            let told = told.clone();
            async move {
                if let (Some(mut told), Ok(stored)) = (told, &entry) {
                    // Its sender outlives the follower.
                    let _ = told.wait_for(|applied| applied.next() >= stored.position).await;
                }
                entry
            }
        });
        paced.chain(futures::stream::pending()).boxed()
    }

    async fn head(&self, scope: Scope) -> Result<Head, ReadError> {
        self.inner.head(scope).await
    }
}

/// A read model whose batches bring no leaves, and whose ledger has nothing to be added to it.
struct Bare<M>(Arc<M>);

#[async_trait]
impl<M: ReadModelWriter> ReadModelWriter for Bare<M> {
    async fn applied(&self, generation: Generation) -> Result<Option<Applied>, ReadModelError> {
        self.0.applied(generation).await
    }

    async fn touched(&self, generation: Generation, touched: &Touched) -> Result<Rows, ReadModelError> {
        self.0.touched(generation, touched).await
    }

    async fn apply(&self, generation: Generation, batch: &Batch, from: Option<&Applied>) -> Result<(), ApplyError> {
        let bare = Batch { leaves: Vec::new(), nodes: Vec::new(), ..batch.clone() };
        self.0.apply(generation, &bare, from).await
    }

    async fn not_searchable(&self, generation: Generation, limit: u32) -> Result<Vec<UserRow>, ReadModelError> {
        self.0.not_searchable(generation, limit).await
    }

    async fn forget(&self) -> Result<(), ReadModelError> {
        self.0.forget().await
    }
}

#[async_trait]
impl<M: LedgerRows> LedgerRows for Bare<M> {
    /// One that is further than the rows, to which nothing is added.
    async fn ledger(&self) -> Result<LedgerState, ReadModelError> {
        Ok(LedgerState { size: Position::new(u64::MAX), ..self.0.ledger().await? })
    }

    async fn nodes(&self, range: &NodeRange) -> Result<Vec<Node>, ReadModelError> {
        self.0.nodes(range).await
    }

    async fn extend(&self, _: LogId, _: &[Leaf], _: &[Node]) -> Result<(), ApplyError> {
        Err(ApplyError::Moved)
    }

    async fn entries_about(
        &self,
        user: UserId,
        after: Position,
        up_to: Position,
        limit: u32,
    ) -> Result<Vec<Link>, ReadModelError> {
        self.0.entries_about(user, after, up_to, limit).await
    }

    async fn about(&self, after: Position, up_to: Position) -> Result<Vec<(Position, Option<UserId>)>, ReadModelError> {
        self.0.about(after, up_to).await
    }
}
