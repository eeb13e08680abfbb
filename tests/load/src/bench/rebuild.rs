//! The read model anew from a log of a million entries.

use std::process::Command;
use std::time::Instant;

use super::Bench;
use super::servers::Broker;
use super::stack::{Production, fill, scratch};
use crate::failure::{Failure, Named};
use crate::figures::Target;
use crate::measure::{Measured, measure};
use crate::postkey::Postkey;
use crate::report::Row;
use crate::seed::{KeySink, LogSink, Population};
use crate::tally::{Tally, approximate};
use crate::usage::{Sample, Watched};
use crate::work::{Job, Reads};

/// The stream of the log.
const STREAM: &str = "POSTKEY";

/// `postkey rebuild` from NATS into PostgreSQL, and beside it how fast the stream is read by somebody who does nothing
/// with it.
pub async fn nats_to_postgres(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let population = population(bench);
    // How a server syncs what it is sent has no part in reading it back.
    let production = Production::seeded(bench, Broker::one(true), true, (population, bench.entries)).await?;
    let url = production.servers.broker.urls();
    let reads = Job::Reads(Reads { url, stream: STREAM.to_owned(), messages: bench.entries });
    let broker = production.servers.broker.watched()?;
    let mut servers = production.servers.broker.watched()?;
    servers.push(production.servers.database.watched());
    let (mut raw, mut rebuilt, mut held) = (vec![measure(&reads, &broker).await?], Vec::new(), Vec::new());
    // The first one fills an empty read model, the second compares with it.
    for _ in 0..bench.rounds.min(2) {
        let (measured, memory) = rebuild(bench, production.calls.rebuild(), &servers)?;
        rebuilt.push(measured);
        held.push(memory);
        raw.push(measure(&reads, &broker).await?);
    }
    Ok(row(id, title, population, bench, (&rebuilt, &held)).side("reading only", &raw))
}

/// `postkey rebuild` of a data folder, from one SQLite file into another.
pub async fn sqlite(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let folder = scratch()?;
    let data = folder.path().join("data");
    // The first start makes keys, stores, and the log's first entry.
    Postkey::up(&bench.postkey, &data, folder.path()).await?.stop().await;
    let (log, keys) = (LogSink::sqlite(&data.join("log.db")).await?, KeySink::sqlite(&data.join("keys.db")).await?);
    let population = population(bench);
    fill(&data, log, keys, population, bench.entries).await?;
    let (mut rebuilt, mut held) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds.min(2) {
        let mut call = bench.postkey.call(["rebuild", "--data"]);
        call.arg(&data);
        let (measured, memory) = rebuild(bench, call, &[])?;
        rebuilt.push(measured);
        held.push(memory);
    }
    Ok(row(id, title, population, bench, (&rebuilt, &held)))
}

/// A tenth of the entries adds a user, in a thousand services; the rest edits them.
fn population(bench: &Bench) -> Population {
    let users = u32::try_from(bench.entries / 10_000).unwrap_or(u32::MAX).max(1);
    Population { services: 1_000, users }
}

fn row(
    id: &'static str,
    title: &'static str,
    population: Population,
    bench: &Bench,
    (rebuilt, held): (&[Measured], &[Vec<f64>]),
) -> Row {
    let rates: Vec<_> = rebuilt.iter().map(Measured::rate).collect();
    let row = Row::new(id, title).figure(&rates, "entries/s", Some(Target::AtLeast(100_000.0)));
    let row = row.side("rebuild", rebuilt).note(format!(
        "{} entries over {} users, from start to end of the process",
        bench.entries,
        population.all()
    ));
    held.iter().fold(row, |row, held| row.note(by_tenths(held)))
}

/// What a process held at the most in each tenth of its time: memory that grows with the entries grows from one to the next.
pub(super) fn by_tenths(held: &[f64]) -> String {
    let tenths = held.chunks(held.len().div_ceil(10).max(1));
    let most: Vec<_> = tenths.map(|tenth| format!("{:.0}", tenth.iter().copied().fold(0.0, f64::max))).collect();
    format!("resident at the most in each tenth of its time: {} MB", most.join(", "))
}

/// Of a call that rebuilds, beside what took part in it.
fn rebuild(bench: &Bench, call: Command, servers: &[Watched]) -> Result<(Measured, Vec<f64>), Failure> {
    let (before, begun) = (Sample::take(servers)?, Instant::now());
    let (said, held) = bench.postkey.run_watched(call, "postkey rebuild")?;
    let seconds = begun.elapsed().as_secs_f64();
    let usage = before.until_with_ended(&Sample::take(servers)?, "rebuild");
    let position: u64 = said.rsplit(' ').next().unwrap_or_default().parse().named("what postkey rebuild says")?;
    if position != bench.entries {
        let wanted = approximate(bench.entries);
        return Err(Failure::new("postkey rebuild", format!("it came to position {position} of {wanted}")));
    }
    let tally = Tally { operations: position, seconds, ..Tally::default() };
    Ok((Measured { tally, usage }, held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_by_tenths() {
        let held: Vec<f64> = (0..20_u32).map(f64::from).collect();
        assert_eq!(
            by_tenths(&held),
            "resident at the most in each tenth of its time: 1, 3, 5, 7, 9, 11, 13, 15, 17, 19 MB"
        );
    }
}
