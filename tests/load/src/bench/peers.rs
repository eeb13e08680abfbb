//! EditUser against other event-sourcing crates on the same commands.

use serde_json::json;
use tokio::process::Command;

use super::Bench;
use super::servers::{Broker, Database};
use super::stack::Stack;
use crate::failure::Failure;
use crate::figures::Target;
use crate::measure::{Measured, Turns, measure, measure_program};
use crate::report::Row;
use crate::usage::Watched;

/// How many connections a peer has to PostgreSQL.
const POOL: u32 = 16;
/// How many commands are under way at a time.
const IN_FLIGHT: usize = 64;

/// What a peer does otherwise, for the table.
const LESS: &str = "the peer runs in the load's own process: no HTTP, no tokens, no encryption, no MAC, no idempotency key; \
                    a user is its unit, so that no plan or address is checked over a service";

/// One peer in a database of its own, which holds its users after the first round.
pub struct Peer<'a> {
    bench: &'a Bench,
    name: &'static str,
    database: String,
    added: bool,
}

impl<'a> Peer<'a> {
    /// A peer by its name, in a fresh database.
    pub fn new(bench: &'a Bench, name: &'static str, database: &Database) -> Self {
        Self { bench, name, database: database.database(), added: false }
    }

    /// One round of edits.
    ///
    /// # Errors
    /// Where there is no such program, or it fails.
    pub async fn edits(&mut self, postgres: &Watched) -> Result<Measured, Failure> {
        let program = self.bench.peers.as_ref();
        let program =
            program.ok_or_else(|| Failure::new(self.name, "--peers names no program; make bench builds it"))?;
        let job = json!({
            "peer": self.name, "database": self.database, "pool": POOL, "users": self.bench.population().all(),
            "add": !self.added, "in_flight": IN_FLIGHT, "warm_up": self.bench.timing.warm_up,
            "seconds": self.bench.timing.seconds,
        });
        let watched = [postgres.clone()];
        let measured = measure_program(Command::new(program), self.name, &job.to_string(), &watched).await?;
        self.added = true;
        Ok(measured)
    }
}

/// A view that is written with every command, as ours waits for its read model.
const VIEW: &str = "its view is written after the commit, in a transaction of its own";
/// Events and nothing else.
const NO_VIEW: &str = "it keeps no view: what it has stored can be read by nobody but itself";

/// On NATS that syncs always and PostgreSQL, to `cqrs-es` with a view on the same PostgreSQL.
pub async fn nats_to_cqrs(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let row = nats_to(bench, Row::new(id, title), "cqrs-es with a view", Some(Target::AtLeast(2.0))).await?;
    Ok(row.note(VIEW))
}

/// The same to `cqrs-es` that only stores events.
pub async fn nats_to_cqrs_events(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let row = nats_to(bench, Row::new(id, title), "cqrs-es", None).await?;
    Ok(row.note(NO_VIEW))
}

/// The same to `disintegrate`.
pub async fn nats_to_disintegrate(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let row = nats_to(bench, Row::new(id, title), "disintegrate", None).await?;
    Ok(row.note(NO_VIEW).note("a command that it refuses for a conflict has failed"))
}

/// On SQLite, to `cqrs-es` with a view.
pub async fn sqlite_to_cqrs(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let (database, stack) = (Database::start()?, Stack::sqlite(bench).await?);
    let peer = Peer::new(bench, "cqrs-es with a view", &database);
    let row = to(bench, stack, Row::new(id, title), (peer, database.watched()), Some(Target::AtLeast(2.0))).await?;
    Ok(row.note(VIEW))
}

async fn nats_to(bench: &Bench, row: Row, name: &'static str, target: Option<Target>) -> Result<Row, Failure> {
    let stack = Stack::production(bench, Broker::one(false), false, 1).await?;
    let servers = stack.servers.as_ref().ok_or_else(|| Failure::new(name, "there are no servers"))?;
    let peer = (Peer::new(bench, name, &servers.database), servers.database.watched());
    to(bench, stack, row, peer, target).await
}

/// Edits and the peer's by turns.
async fn to(
    bench: &Bench,
    stack: Stack,
    row: Row,
    (mut peer, postgres): (Peer<'_>, Watched),
    target: Option<Target>,
) -> Result<Row, Failure> {
    let (edits, watched, name) = (stack.edits_job(bench, IN_FLIGHT), stack.watched()?, peer.name);
    let turns =
        Turns::take(bench.rounds, async || peer.edits(&postgres).await, async || measure(&edits, &watched).await);
    let turns = turns.await?;
    stack.stop().await;
    Ok(row.turns(&turns, ("postkey", name), target).note(LESS))
}
