//! "Save" with a password: how long beyond what it can't do without.

use super::Bench;
use super::servers::Broker;
use super::stack::Stack;
use crate::failure::{Failure, Named};
use crate::figures::Target;
use crate::measure::{Measured, begin};
use crate::report::Row;
use crate::tally::{Latencies, Tally};
use crate::work::{Durable, Job, Saves, SavesTally};

/// On NATS with one replica that syncs always and PostgreSQL, beyond one argon2id and one guarded publish.
pub async fn nats(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let stack = Stack::production(bench, Broker::one(false), false, 1).await?;
    let url = stack.servers.as_ref().map(|servers| servers.broker.urls()).unwrap_or_default();
    let row = saves(bench, &stack, Row::new(id, title), (Durable::Publish(url), Some(Target::AtMost(5.0)))).await;
    stack.stop().await;
    row
}

/// On SQLite, beyond one argon2id and one one-row transaction.
pub async fn sqlite(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let stack = Stack::sqlite(bench).await?;
    let durable = Durable::Insert(stack.beside("raw.db"));
    let row = saves(bench, &stack, Row::new(id, title), (durable, None)).await;
    stack.stop().await;
    row
}

/// Saves one at a time, each after a hash and a durable write of its own.
async fn saves(
    bench: &Bench,
    stack: &Stack,
    row: Row,
    (durable, target): (Durable, Option<Target>),
) -> Result<Row, Failure> {
    let (mut beyond, mut saves, mut hashes, mut writes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..bench.rounds {
        let job = Job::Saves(Saves {
            command: stack.postkey.commands[0].clone(),
            headers: stack.postkey.tokens.panel(),
            population: stack.population,
            durable: durable.clone(),
            bytes: bench.bytes,
            round: u32::try_from(round).unwrap_or(u32::MAX),
            seconds: bench.timing.seconds,
        });
        let mut running = begin(&job).await?;
        running.watch(&stack.watched()?);
        let begun = running.begun().await?;
        let (measured, report) = running.ended(begun).await?;
        let report: SavesTally = serde_json::from_str(&report).named("saves")?;
        beyond.push(report.beyond_ms());
        hashes.push(alone(&measured, report.hashes_us));
        writes.push(alone(&measured, report.writes_us));
        saves.push(alone(&measured, report.tally.latencies_us));
    }
    let row = row.figure(&beyond, "ms", target).side("saves", &saves).side("argon2id", &hashes);
    Ok(row.side("one durable write", &writes).note("one at a time; CPU is that of all three together"))
}

/// One of the three, as if it had run alone: its rate is what its median time allows.
fn alone(measured: &Measured, latencies_us: Latencies) -> Measured {
    let tally = Tally {
        seconds: crate::tally::approximate(measured.tally.operations * latencies_us.p50) / 1e6,
        latencies_us,
        ..measured.tally.clone()
    };
    Measured { tally, usage: measured.usage.clone() }
}
