//! Logins against argon2id and nothing else.

use super::Bench;
use super::stack::Stack;
use crate::failure::Failure;
use crate::figures::Target;
use crate::measure::{Turns, measure};
use crate::report::Row;
use crate::work::{Hashes, Job, Logins};

/// Right passwords of users in turn, 64 in flight, to bare argon2id on as many threads as there are cores.
pub async fn logins(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let stack = Stack::sqlite(bench).await?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let raw = Job::Hashes(Hashes { threads, timing: bench.timing });
    let watched = stack.watched()?;
    let mut from = 0;
    let turns = Turns::take(
        bench.rounds,
        async || measure(&raw, &[]).await,
        async || {
            from += 2_000;
            let logins = Job::Logins(Logins {
                projection: stack.postkey.projection.clone(),
                headers: stack.postkey.tokens.webmail(),
                population: stack.population,
                from,
                in_flight: 64,
                timing: bench.timing,
            });
            measure(&logins, &watched).await
        },
    );
    let turns = turns.await?;
    stack.stop().await;
    let row = Row::new(id, title).turns(&turns, ("postkey", "argon2id"), Some(Target::AtLeast(0.9)));
    Ok(row.note("each login is of another user; the load generator shares the cores with what it measures"))
}
