//! The ledger's rows that no batch brought: those of a log that is older than they are, and of entries that a rebuild has
//! applied. Whoever leads adds them from the log, some at a time.
//!
//! The log's own bytes say whether the rows that are there are its own. Where they are not, nothing is added any more and a
//! person is called; the projector goes on, for nobody's password depends on them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::Position;
use event_log::{EventLog, Scope};
use futures::TryStreamExt;
use keys::Vault;
use ledger::{Frontier, Hash, leaf_hash};
use postkey_http::HealthCheck;
use tokio::time::Instant;
use wire::Stored;

use super::{Halt, read_up};
use crate::read_model::{Applied, ApplyError, Leaf, LedgerRows, LedgerState};

/// So many leaves are added at once: more than a batch has entries, so that an end is come to behind any number of batches.
const AT_ONCE: u64 = 4_096;
/// How often it is looked again whether nothing is missing: somebody may have taken rows away, or mended them.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What the ledger's rows are mended by.
const MEND: &str = "find out who changed it; then, as the owner of the database, delete all rows of `ledger_leaf` and `ledger_node`: \
     with the next change they are made anew from the log";

/// Adds what the ledger lacks, for as long as its process leads.
pub(super) struct BackFill {
    log: Arc<EventLog>,
    vault: Vault,
    rows: Arc<dyn LedgerRows>,
    health: HealthCheck,
    state: State,
}

enum State {
    /// It was not looked at yet.
    Unknown,
    /// It lacks what comes after this tree.
    Lacks(Frontier),
    /// It had no lack when it was looked at.
    Whole(Instant),
    /// Its rows were not the log's when it was looked at.
    Broken(Instant),
    /// It is further than the other rows, as the log is.
    Ahead,
}

impl BackFill {
    /// Of the live generation's log. How it stands shows in `health`.
    pub fn new(log: Arc<EventLog>, vault: Vault, rows: Arc<dyn LedgerRows>, health: HealthCheck) -> Self {
        Self { log, vault, rows, health, state: State::Unknown }
    }

    /// Whether there is something to do when nothing else is.
    pub fn is_due(&self) -> bool {
        match self.state {
            State::Unknown | State::Lacks(_) => true,
            State::Whole(at) | State::Broken(at) => at.elapsed() >= LOOK_AGAIN,
            // Entries are to come.
            State::Ahead => false,
        }
    }

    /// Whether it is known that there is something to do with each batch.
    pub const fn lacks(&self) -> bool {
        matches!(self.state, State::Lacks(_) | State::Ahead)
    }

    /// Looks what is missing, or adds some of it, where the live generation stands at `applied`.
    ///
    /// # Errors
    /// Where rows or log can't be asked now, or another works on them too.
    pub async fn go_on(&mut self, applied: Option<&Applied>) -> Result<(), Halt> {
        let state = std::mem::replace(&mut self.state, State::Unknown);
        let next = match (state, applied) {
            (State::Lacks(frontier), Some(applied)) => self.add(frontier, applied).await?,
            (state, applied) => self.look(applied, matches!(state, State::Whole(_))).await?,
        };
        self.state = match next {
            Next::Lacks(frontier) => State::Lacks(frontier),
            Next::Whole => {
                self.health.green();
                State::Whole(Instant::now())
            }
            Next::Ahead(size) => {
                self.health.yellow(format!("the ledger has {size} leaves, and the rows come to them again"));
                State::Ahead
            }
            // Sign-ins do not stand on it.
            Next::Broken(what) => {
                self.health.impaired(format!("{what}; nothing is added to it any more: {MEND}"));
                State::Broken(Instant::now())
            }
        };
        Ok(())
    }

    /// `known`: its nodes were seen to be there.
    async fn look(&self, applied: Option<&Applied>, known: bool) -> Result<Next, Halt> {
        let state = self.rows.ledger().await?;
        if state.applied.as_ref() != applied {
            return Err(Halt::Moved);
        }
        let at = super::position(applied);
        if state.size > at {
            let size = state.size;
            let head = self.log.head(Scope::All).await.map_err(|error| Halt::Later(error.to_string()))?;
            if head.position >= size && self.leaf_in_log(size).await? == state.last {
                // Rows that were made anew, as after their tables were set up again.
                return Ok(Next::Ahead(size));
            }
            return Ok(Next::Broken(format!(
                "the ledger has {size} leaves, but the rows are applied up to position {at}"
            )));
        }
        if known && (state.size, state.last) == (at, applied.and_then(|applied| applied.leaf)) {
            return Ok(Next::Whole);
        }
        let frontier = match self.frontier(&state).await? {
            Ok(frontier) => frontier,
            Err(what) => return Ok(Next::Broken(what)),
        };
        match applied {
            Some(_) if state.size < at => {
                self.health.yellow(format!("the ledger is made from the log: {} of {at} leaves are there", state.size));
                let ours = self.leaf_in_log(state.size).await?;
                if ours == state.last { Ok(Next::Lacks(frontier)) } else { Ok(others(state.size)) }
            }
            Some(applied) if (state.last, &frontier) != (applied.leaf, &applied.frontier) => Ok(others(at)),
            _ => Ok(Next::Whole),
        }
    }

    /// The ledger's frontier, of its own nodes; what is wrong where they are not there.
    async fn frontier(&self, state: &LedgerState) -> Result<Result<Frontier, String>, Halt> {
        let plan = Frontier::plan(state.size.get());
        let mut nodes = HashMap::new();
        for range in plan.nodes() {
            nodes.extend(self.rows.nodes(&range).await?.into_iter().map(|node| ((node.level, node.index), node.hash)));
        }
        let taken_up = plan.take_up(|level, index| nodes.get(&(level, index)).copied());
        Ok(taken_up.map_err(|missing| format!("the ledger's rows are damaged: {missing}")))
    }

    async fn leaf_in_log(&self, at: Position) -> Result<Option<Hash>, Halt> {
        if at == Position::START {
            return Ok(None);
        }
        let before = Position::new(at.get() - 1);
        let stored: Option<Stored> = self.log.read(Scope::All, before).try_next().await?;
        // It came further a moment ago: whoever answers now may lag.
        let stored = stored.ok_or_else(|| Halt::Later("an entry of the log can't be read now".to_owned()))?;
        Ok(Some(leaf_hash(&stored.entry.bytes)))
    }

    async fn add(&self, mut frontier: Frontier, applied: &Applied) -> Result<Next, Halt> {
        let size = Position::new(frontier.size());
        let to = applied.position.min(Position::new(size.get() + AT_ONCE));
        let stored: Vec<Stored> = read_up(&self.log, size, to).try_collect().await?;
        let (mut leaves, mut nodes) = (Vec::with_capacity(stored.len()), Vec::new());
        for stored in &stored {
            // Its MAC was right when it was applied; it says whom the entry is about.
            let opened = wire::authenticate(stored, self.log.id(), self.vault.keyring().macs());
            let opened = match opened.and_then(wire::SealedEntry::leave_sealed) {
                Ok(opened) => opened,
                Err(corrupt) => return Ok(Next::Broken(format!("the ledger can't be made from the log: {corrupt}"))),
            };
            leaves.push(Leaf::of(&opened));
            frontier.append(opened.link.leaf, &mut nodes);
        }
        if frontier.size() < to.get() {
            return Err(Halt::Later("the log's entries can't be read now".to_owned()));
        }
        if frontier.size() == applied.position.get() && frontier != applied.frontier {
            return Ok(others(size));
        }
        match self.rows.extend(self.log.id(), &leaves, &nodes).await {
            Ok(()) if to < applied.position => {
                let at = applied.position;
                self.health.yellow(format!("the ledger is made from the log: {to} of {at} leaves are there"));
                Ok(Next::Lacks(frontier))
            }
            Ok(()) => {
                tracing::info!(leaves = to.get(), "the ledger has a leaf for each entry that is applied");
                Ok(Next::Whole)
            }
            Err(ApplyError::ReadModel(error)) => Err(error.into()),
            Err(ApplyError::Moved | ApplyError::NotLeading | ApplyError::AddressTwice) => Err(Halt::Moved),
        }
    }
}

/// What was found.
enum Next {
    Lacks(Frontier),
    Whole,
    Ahead(Position),
    Broken(String),
}

fn others(up_to: Position) -> Next {
    Next::Broken(format!("the ledger's rows up to position {up_to} are not those of the log"))
}
