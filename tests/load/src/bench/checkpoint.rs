//! How long until a checkpoint holds what is in force.

use super::Bench;
use super::servers::Broker;
use super::stack::Stack;
use crate::failure::Failure;
use crate::figures::Target;
use crate::measure::measure;
use crate::report::Row;
use crate::tally::approximate;
use crate::work::{Checkpoints, Job};

/// How many saves a round has.
const SAVES: u32 = 16;

/// On SQLite, `postkey up`.
pub async fn sqlite(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    held(bench, Stack::sqlite(bench).await?, Row::new(id, title)).await
}

/// On NATS with one replica that syncs always, and PostgreSQL.
pub async fn nats(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    held(bench, Stack::production(bench, Broker::one(false), false, 1).await?, Row::new(id, title)).await
}

/// One save at a time, while nobody else asks for anything.
async fn held(bench: &Bench, stack: Stack, row: Row) -> Result<Row, Failure> {
    let (watched, mut rounds) = (stack.watched()?, Vec::new());
    for round in 0..bench.rounds {
        let job = Job::Checkpoints(Checkpoints {
            command: stack.postkey.commands[0].clone(),
            headers: stack.postkey.tokens.panel(),
            projection: stack.postkey.projection.clone(),
            auditor: stack.postkey.tokens.auditor(),
            population: stack.population,
            round: u32::try_from(round).unwrap_or(u32::MAX),
            saves: SAVES,
        });
        rounds.push(measure(&job, &watched).await?);
    }
    stack.stop().await;
    let longest = rounds.iter().map(|round| approximate(round.tally.latencies_us.max) / 1e6).reduce(f64::max);
    let longest: Vec<_> = longest.into_iter().collect();
    let row = row.figure(&longest, "s", Some(Target::AtMost(1.0))).side("postkey", &rounds);
    Ok(row.note(format!(
        "{} saves of a password, one at a time, up to 0.85 s apart; the checkpoint is asked for every 5 ms; CPU is that of \
         saves and questions",
        rounds.len() * SAVES as usize
    )))
}
