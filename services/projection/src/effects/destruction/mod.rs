//! Destroys the keys that the log dooms: of credentials that were superseded or removed, and all of users that were erased.
//!
//! A follower of its own, beside the projector that leads and never ahead of it. Its cursor lies in the key store and moves
//! in the transaction that destroys, so that a crash, or a key store restored from a backup, is made up for by going on
//! from there. What is doomed is told by authenticated entries alone: rows can be edited behind our back, and what is
//! destroyed stays so. No key is needed for it, so that keys which are destroyed, or lost, stop nothing.

mod books;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use domain::{Position, ServiceId};
use event_log::{Corrupt, EventLog, ReadError, Scope};
use futures::StreamExt;
use keys::{Unavailable, Vault};
use postkey_http::HealthCheck;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use wire::{Link, Opened, Stored, authenticate};

use self::books::{Account, Books, Doomed};
use crate::projector::{Broken, Follower, Halt, Progress, read_up};
use crate::read_model::ReadModelWriter;

/// The most entries that are looked at without a pause for others.
const CHUNK: usize = 256;
/// How often the log is read, at most: under load, many entries at a time.
const READ_EVERY: Duration = Duration::from_millis(30);
/// So many keys are destroyed at once.
const MOST_KEYS: usize = 2_048;
/// Where nothing is doomed, the cursor moves after so many entries, or so much time: a restart reads them again.
const MOST_ENTRIES: u64 = 50_000;
const TIDY_EVERY: Duration = Duration::from_secs(5);
/// The pause after a failure; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// From when on a failure is told.
const LATE: Duration = Duration::from_secs(5);

/// Destroys what the log dooms.
pub struct Destruction {
    log: Arc<EventLog>,
    vault: Vault,
    model: Arc<dyn ReadModelWriter>,
    destroyed: watch::Sender<Option<Position>>,
}

impl Destruction {
    /// Of the keys in `vault` that `log` dooms. Before those of an erased user, what `model` has deleted is forgotten.
    pub fn new(log: Arc<EventLog>, vault: Vault, model: Arc<dyn ReadModelWriter>) -> Self {
        Self { log, vault, model, destroyed: watch::Sender::default() }
    }

    /// The position up to which every key that the log dooms is destroyed, as it goes. None until the key store has said
    /// where it is; where another leads, it stays where it was.
    pub fn destroyed(&self) -> watch::Receiver<Option<Position>> {
        self.destroyed.subscribe()
    }

    /// Destroys whatever is doomed by what `projector` has applied, while it leads, until `stop`.
    pub fn follow(
        self,
        projector: &Follower,
        health: HealthCheck,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> {
        let applied = Applied { progress: projector.progress(), leads: projector.leads() };
        let following = Following { with: self, applied, health, failing: None };
        async move {
            stop.run_until_cancelled(following.run()).await;
        }
    }
}

/// How far the projector has come.
struct Applied {
    progress: watch::Receiver<Progress>,
    leads: watch::Receiver<bool>,
}

impl Applied {
    /// Waits until it leads and has come beyond a position, and says how far.
    async fn beyond(&mut self, position: Position) -> Position {
        loop {
            if *self.leads.borrow_and_update() {
                let progress = self.progress.borrow_and_update();
                // Of a log that is not the rows', nothing is known.
                let sound = progress.identified && !matches!(progress.halted, Some(Broken::Foreign(_)));
                if sound && progress.position > position {
                    return progress.position;
                }
            }
            let changed = tokio::select! {
                changed = self.leads.changed() => changed,
                changed = self.progress.changed() => changed,
            };
            if changed.is_err() {
                // The projector has ended, and applies nothing any more.
                future::pending::<()>().await;
            }
        }
    }
}

struct Following {
    with: Destruction,
    applied: Applied,
    health: HealthCheck,
    /// Since when it fails, and the pause after it fails again.
    failing: Option<(Instant, Duration)>,
}

/// One walk through the log, from the cursor on.
struct Walk {
    books: Books,
    doomed: Doomed,
    /// How far it has come.
    at: Position,
    /// Where the cursor stands.
    cursor: Position,
    /// When it did last what can wait.
    tidied: Instant,
    /// Whether old hashes may still stand in a file of the read model.
    unforgotten: bool,
}

impl Following {
    async fn run(mut self) {
        self.health.green();
        loop {
            let Err(halt) = self.walk().await;
            let now = Instant::now();
            let (since, pause) = *self.failing.get_or_insert((now, FIRST_PAUSE));
            self.failing = Some((since, (pause * 2).min(LONGEST_PAUSE)));
            match halt {
                Halt::Broken(what) => {
                    self.health.impaired(format!("{what}; no key that is doomed by what comes there is destroyed"));
                }
                Halt::Later(what) if now.duration_since(since) >= LATE => {
                    self.health.yellow(format!("keys that the log dooms are not destroyed yet: {what}"));
                }
                Halt::Later(_) | Halt::Moved => {}
            }
            sleep(pause).await;
        }
    }

    fn all_is_well(&mut self) {
        self.failing = None;
        self.health.green();
    }

    /// Walks on from where the cursor is, without end.
    async fn walk(&mut self) -> Result<Infallible, Halt> {
        self.applied.beyond(Position::START).await;
        let mut walk = self.with.begin().await?;
        loop {
            let read_at = Instant::now();
            tokio::select! {
                to = self.applied.beyond(walk.at) => self.with.go_on(&mut walk, to).await?,
                () = sleep_until(walk.tidied + TIDY_EVERY) => self.with.tidy(&mut walk).await?,
            }
            self.all_is_well();
            sleep_until(read_at + READ_EVERY).await;
        }
    }
}

fn later(error: Unavailable) -> Halt {
    Halt::Later(error.to_string())
}

impl Destruction {
    /// A walk from where the cursor is, which the log must have reached.
    async fn begin(&self) -> Result<Walk, Halt> {
        let cursor = self.vault.destroyed().await.map_err(later)?;
        match self.log.head_beyond(cursor).await {
            Err(ReadError::Corrupt(Corrupt::RolledBack { head, .. })) => {
                return Err(Halt::Broken(Broken::Foreign(format!(
                    "the log ends at position {head}, but keys were destroyed up to position {cursor}: it was rolled back; \
                     restore the log"
                ))));
            }
            head => drop(head?),
        }
        self.destroyed.send_replace(Some(cursor));
        let (books, doomed) = (Books::new(), Doomed::default());
        // What was replaced before we were started may still stand in a file.
        Ok(Walk { books, doomed, at: cursor, cursor, tidied: Instant::now(), unforgotten: true })
    }

    /// Looks at every entry up to `to`, and destroys what they doom.
    async fn go_on(&self, walk: &mut Walk, to: Position) -> Result<(), Halt> {
        let mut chunks = read_up(&self.log, walk.at, to).ready_chunks(CHUNK);
        while let Some(chunk) = chunks.next().await {
            for entry in chunk {
                if let Err(halt) = self.look_at(walk, entry).await {
                    // What stands before it does not wait for it.
                    self.destroy(walk).await?;
                    return Err(halt);
                }
            }
            if walk.doomed.keys.len() >= MOST_KEYS || walk.at.get() - walk.cursor.get() >= MOST_ENTRIES {
                self.destroy(walk).await?;
            }
            self.tell(walk);
            yield_now().await;
        }
        if !walk.doomed.keys.is_empty() {
            self.destroy(walk).await?;
        }
        self.tell(walk);
        if walk.at < to {
            return Err(Halt::Later(format!("the log's entry at position {} can't be read now", walk.at.next())));
        }
        Ok(())
    }

    /// Tells how far all that is doomed is destroyed: the cursor may follow later.
    fn tell(&self, walk: &Walk) {
        if walk.doomed.keys.is_empty() {
            self.destroyed.send_replace(Some(walk.at));
        }
    }

    async fn look_at(&self, walk: &mut Walk, entry: Result<Stored, ReadError>) -> Result<(), Halt> {
        let opened = self.left_sealed(&entry?)?;
        if let Some(service) = walk.books.take(&opened, &mut walk.doomed).map_err(corrupt)? {
            walk.books.put(service, self.account(service, &opened).await?);
            walk.books.take(&opened, &mut walk.doomed).map_err(corrupt)?;
        }
        walk.at = opened.link.position;
        Ok(())
    }

    /// The keys of a service's users before an entry of its.
    async fn account(&self, service: ServiceId, before: &Opened) -> Result<Account, Halt> {
        let mut account = Account::default();
        let mut entries = self.log.read(Scope::service(service), Position::START).ready_chunks(CHUNK);
        'read: while let Some(chunk) = entries.next().await {
            for entry in chunk {
                let entry = entry?;
                if entry.position >= before.link.position {
                    break 'read;
                }
                account.take(&self.left_sealed(&entry)?).map_err(corrupt)?;
            }
            yield_now().await;
        }
        // The entry names its predecessor, and each of those its own: none is missing.
        let reached = account.last().map_or(Position::START, |link| link.position);
        if reached < before.change.prev.map_or(Position::START, |link: Link| link.position) {
            return Err(Halt::Later(format!("the history of service {service} can't be read now")));
        }
        Ok(account)
    }

    fn left_sealed(&self, entry: &Stored) -> Result<Opened, Halt> {
        let sealed = authenticate(entry, self.log.id(), self.vault.keyring().macs());
        sealed.and_then(wire::SealedEntry::leave_sealed).map_err(corrupt)
    }

    /// Destroys what is doomed up to where the walk has come, and moves the cursor there.
    async fn destroy(&self, walk: &mut Walk) -> Result<(), Halt> {
        self.is_where_it_was(walk).await?;
        if walk.at == walk.cursor {
            return Ok(());
        }
        if walk.doomed.erases {
            self.model.forget().await?;
            walk.unforgotten = false;
        } else if !walk.doomed.keys.is_empty() {
            walk.unforgotten = true;
        }
        self.vault.destroy(&walk.doomed.keys, walk.at).await.map_err(later)?;
        if !walk.doomed.keys.is_empty() {
            tracing::debug!(keys = walk.doomed.keys.len(), up_to = %walk.at, "keys that the log dooms were destroyed");
        }
        (walk.doomed, walk.cursor) = (Doomed::default(), walk.at);
        Ok(())
    }

    /// An older key store may be put in the place of the one that we began with, while we run: what lies between its cursor
    /// and ours would never be destroyed in it.
    async fn is_where_it_was(&self, walk: &Walk) -> Result<(), Halt> {
        let cursor = self.vault.destroyed().await.map_err(later)?;
        if cursor >= walk.cursor {
            return Ok(());
        }
        tracing::warn!(%cursor, was = %walk.cursor, "the key store has gone back: keys are destroyed again from there");
        Err(Halt::Moved)
    }

    /// Does what can wait: moves the cursor past entries that doom nothing, and forgets the hashes that were replaced.
    async fn tidy(&self, walk: &mut Walk) -> Result<(), Halt> {
        walk.tidied = Instant::now();
        if walk.unforgotten {
            self.model.forget().await?;
            walk.unforgotten = false;
        }
        self.destroy(walk).await
    }
}

fn corrupt(corrupt: wire::Corrupt) -> Halt {
    Halt::Broken(Broken::Corrupt(corrupt.to_string()))
}
