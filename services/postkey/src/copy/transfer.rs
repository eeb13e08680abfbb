//! Entries from one end of a copy to the other, and back again to be compared.

use std::time::Duration;

use domain::Position;
use event_log::{CopyError, EventLog, ReadError, Scope};
use futures::TryStreamExt;
use ledger::{Frontier, leaf_hash};
use tokio::time::{Instant, sleep};
use wire::{LogId, Stored};

use crate::failure::Failure;
use crate::stores::LogHandle;

/// Entries that are taken at once.
const AT_ONCE: usize = 1_000;
/// For how long a store may be away, or servers elect their leader, before it is given up for now.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The pause before it is asked again.
pub const PAUSE: Duration = Duration::from_millis(250);

/// Does a step until it is done, refused, or has not been answered for too long.
pub async fn persistently<T>(mut step: impl AsyncFnMut() -> Result<T, CopyError>) -> Result<T, CopyError> {
    let begun = Instant::now();
    loop {
        match step().await {
            Err(CopyError::Unavailable(what)) if begun.elapsed() < PATIENCE => {
                tracing::debug!(%what, "a step of the copy is tried again");
                sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}

/// Two ends of a copy.
pub struct Transfer<'a> {
    from: EventLog,
    to: EventLog,
    target: &'a LogHandle,
}

impl<'a> Transfer<'a> {
    pub fn new(from: &LogHandle, to: &'a LogHandle, log: LogId) -> Self {
        Self { from: EventLog::new(from.store(), log), to: EventLog::new(to.store(), log), target: to }
    }

    /// Takes over what the target lacks, up to `head`, telling `step` how far it has come.
    pub async fn fill(&self, head: Position, step: impl Fn(Position)) -> Result<(), Failure> {
        let (mut before, mut since) = (None, Instant::now());
        loop {
            let end = self.target.copy_end();
            let after = persistently(async || end.standing().await).await?.head;
            step(after);
            if after >= head {
                return Ok(());
            }
            if before != Some(after) {
                (before, since) = (Some(after), Instant::now());
            }
            match self.fill_after(after, head, &step).await {
                Ok(()) => {}
                Err(error @ (CopyError::Unavailable(_) | CopyError::NotNext)) if since.elapsed() < PATIENCE => {
                    // Something may still be on its way; the target itself says what has come.
                    tracing::debug!(%error, "the copy goes on from where the target ends");
                    sleep(PAUSE).await;
                }
                Err(error) => {
                    let what = "the copy was cut off, and the same command goes on with it";
                    return Err(Failure::failed(format!("{error}; {what}")));
                }
            }
        }
    }

    async fn fill_after(&self, after: Position, head: Position, step: impl Fn(Position)) -> Result<(), CopyError> {
        let entries = self.from.read(Scope::All, after).map_err(CopyError::from);
        let wanted = entries.try_take_while(|stored| std::future::ready(Ok(stored.position <= head)));
        let mut parts = std::pin::pin!(wanted.try_chunks(AT_ONCE).map_err(|error| error.1));
        let mut next = parts.try_next().await?;
        while let Some(part) = next {
            // While one is taken, the next is read.
            let (taken, read) = futures::join!(self.target.copy_end().take(&part), parts.try_next());
            taken?;
            if let Some(last) = part.last() {
                step(last.position);
            }
            next = read?;
        }
        Ok(())
    }

    /// Reads both from the first entry to `head`, byte by byte, and answers the tree that the target's entries make:
    /// equal bytes at equal positions have equal roots.
    ///
    /// # Errors
    /// Names the first position that differs; then the target stays what it is, closed to everybody.
    pub async fn compare(&self, head: Position, step: impl Fn(Position)) -> Result<Frontier, Failure> {
        let mut tree = Frontier::default();
        let mut since = Instant::now();
        loop {
            let before = tree.size();
            match self.compare_after(&mut tree, head, &step).await {
                Ok(None) => return Ok(tree),
                Ok(Some(differs)) => {
                    return Err(Failure::failed(format!(
                        "the copy differs from the log at position {differs}, and stays closed: delete it, and begin again \
                         with --lost"
                    )));
                }
                Err(ReadError::Unavailable(what)) if since.elapsed() < PATIENCE || tree.size() > before => {
                    tracing::debug!(%what, "the comparison goes on from where it was");
                    if tree.size() > before {
                        since = Instant::now();
                    }
                    sleep(PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Goes on where the tree ends. `Some`: the position at which the two differ.
    async fn compare_after(
        &self,
        tree: &mut Frontier,
        head: Position,
        step: impl Fn(Position),
    ) -> Result<Option<Position>, ReadError> {
        let after = Position::new(tree.size());
        let (mut ours, mut theirs) = (self.from.read(Scope::All, after), self.to.read(Scope::All, after));
        while tree.size() < head.get() {
            let at = Position::new(tree.size()).next();
            let (our, their): (Option<Stored>, Option<Stored>) =
                futures::try_join!(ours.try_next(), theirs.try_next())?;
            let Some(their) = their.filter(|their| our.as_ref() == Some(their)) else { return Ok(Some(at)) };
            tree.push(leaf_hash(&their.entry.bytes));
            if at.get().is_multiple_of(1_024) {
                step(at);
            }
        }
        Ok(None)
    }
}
