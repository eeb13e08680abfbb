//! How one of a hundred thousand users stood at a moment.

use super::Bench;
use super::servers::Broker;
use super::stack::Stack;
use crate::failure::Failure;
use crate::figures::Target;
use crate::measure::measure;
use crate::report::Row;
use crate::seed::Population;
use crate::tally::approximate;
use crate::work::{Job, Moments};

/// On SQLite, `postkey up`.
pub async fn sqlite(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let (population, entries) = seeded(bench);
    let stack = Stack::sqlite_with(bench, population, entries).await?;
    asked(bench, stack, entries, Row::new(id, title)).await
}

/// The same on NATS and PostgreSQL.
pub async fn nats(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let seeded = seeded(bench);
    // How a server syncs what it is sent has no part in reading it back.
    let stack = Stack::production_with(bench, Broker::one(true), (true, 1), seeded).await?;
    asked(bench, stack, seeded.1, Row::new(id, title)).await
}

/// Who there is, and how many entries: two edits of each user after all were added.
fn seeded(bench: &Bench) -> (Population, u64) {
    let population =
        if bench.quick { Population { services: 100, users: 10 } } else { Population { services: 1_000, users: 100 } };
    (population, population.entries() + 2 * population.all())
}

/// One question at a time.
async fn asked(bench: &Bench, stack: Stack, entries: u64, row: Row) -> Result<Row, Failure> {
    let job = Job::Moments(Moments {
        base: stack.postkey.projection.clone(),
        headers: stack.postkey.tokens.auditor(),
        population: stack.population,
        entries,
        timing: bench.timing,
    });
    let (watched, mut rounds) = (stack.watched()?, Vec::new());
    for _ in 0..bench.rounds {
        rounds.push(measure(&job, &watched).await?);
    }
    let users = stack.population.all();
    stack.stop().await;
    let p99: Vec<_> = rounds.iter().map(|round| approximate(round.tally.latencies_us.p99) / 1e3).collect();
    let row = row.figure(&p99, "ms", Some(Target::AtMost(50.0))).side("postkey", &rounds);
    Ok(row.note(format!(
        "one at a time, any of {users} users, of {entries} entries in all; as of any position from where the user was added; \
         checked in each answer: who it is, and that it is the last change up to there"
    )))
}
