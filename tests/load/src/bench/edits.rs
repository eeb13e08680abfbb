//! EditUser against the raw durable write of its log.

use super::Bench;
use super::servers::Broker;
use super::stack::Stack;
use crate::failure::Failure;
use crate::figures::Target;
use crate::measure::{Turns, measure};
use crate::report::Row;
use crate::work::{InsertsSqlite, Job, Publishes};

/// On SQLite, `postkey up`: 64 in flight over all services, to one-row transactions through the same driver.
pub async fn sqlite(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let stack = Stack::sqlite(bench).await?;
    let (path, bytes, timing) = (stack.beside("raw.db"), bench.bytes, bench.timing);
    let raw = Job::InsertsSqlite(InsertsSqlite { path, bytes, timing });
    let row = Row::new(id, title);
    turns(bench, stack, row, (raw, 64), ("one-row transactions", Target::AtLeast(3.0))).await
}

/// On NATS that writes every message to its disk before it acknowledges it, to raw guarded publishes.
pub async fn nats_always(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    nats(bench, false, Row::new(id, title), 0.6).await
}

/// The same on NATS that acknowledges first and writes within two minutes.
pub async fn nats_lazy(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    nats(bench, true, Row::new(id, title), 0.15).await
}

async fn nats(bench: &Bench, lazy: bool, row: Row, target: f64) -> Result<Row, Failure> {
    let stack = Stack::production(bench, Broker::one(lazy), lazy, 1).await?;
    let raw = Job::Publishes(Publishes {
        url: stack.servers.as_ref().map(|servers| servers.broker.urls()).unwrap_or_default(),
        subjects: stack.population.services as usize,
        bytes: bench.bytes,
        in_flight: 512,
        timing: bench.timing,
    });
    turns(bench, stack, row, (raw, 512), ("guarded publishes", Target::AtLeast(target))).await
}

/// Edits and the raw operation by turns.
async fn turns(
    bench: &Bench,
    stack: Stack,
    row: Row,
    (raw, in_flight): (Job, usize),
    (name, target): (&str, Target),
) -> Result<Row, Failure> {
    let (edits, watched) = (stack.edits_job(bench, in_flight), stack.watched()?);
    // The raw operation is the servers' work too, and never the services'.
    let servers: Vec<_> = watched.iter().filter(|process| process.name == "nats").cloned().collect();
    let turns =
        Turns::take(bench.rounds, async || measure(&raw, &servers).await, async || measure(&edits, &watched).await);
    let turns = turns.await?;
    let (services, bytes) = (stack.population.services, bench.bytes);
    stack.stop().await;
    let note = format!(
        "{in_flight} in flight, {services} services, {bytes} bytes an entry; every edit waits until it is in force"
    );
    Ok(row.turns(&turns, ("postkey", name), Some(target)).note(note))
}
