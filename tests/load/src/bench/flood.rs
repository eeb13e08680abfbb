//! Four times as many logins as can be judged: how many are, and what it does to a Save.

use super::Bench;
use super::logins::{IN_FLIGHT, first_logins, of_users, once, threads};
use super::stack::Stack;
use crate::failure::Failure;
use crate::figures::Target;
use crate::measure::{Measured, Turns, begin, measure};
use crate::report::Row;
use crate::tally::approximate;
use crate::work::{Job, Logins, PacedSaves, Timing};

/// How many times as many as can be judged.
const TIMES: f64 = 4.0;
/// How many are under way: as many as may wait for argon2id (128 a thread), and half as many to be refused.
fn in_flight() -> u32 {
    192 * threads()
}

/// Logins that come four times as fast as they can be judged, to those that come as fast as they are.
pub async fn accepted(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let users = first_logins(bench.timing.warm_up + bench.timing.seconds, in_flight());
    let runs = u32::try_from(2 * bench.rounds + 1).unwrap_or(u32::MAX);
    let stack = Stack::sqlite_of(bench, of_users(bench, runs * users)).await?;
    let watched = stack.watched()?;
    let round = std::cell::Cell::new(0);
    let next = || round.replace(round.get() + 1);
    let capacity = std::cell::Cell::new(0.0);
    let turns = Turns::take(
        bench.rounds,
        async || {
            let calm = measure(&Job::Logins(once(bench, &stack, (next(), users), IN_FLIGHT)), &watched).await?;
            capacity.set(calm.rate());
            Ok(calm)
        },
        async || {
            let flood = once(bench, &stack, (next(), users), in_flight());
            let flood = Logins { per_second: Some(TIMES * capacity.get()), ..flood };
            measure(&Job::Logins(flood), &watched).await
        },
    );
    let turns = turns.await?;
    stack.stop().await;
    let row = Row::new(id, title).turns(&turns, ("flood", "capacity"), Some(Target::AtLeast(0.9)));
    Ok(row.note("right passwords, each user once; whoever is refused tries again; capacity: 64 in flight"))
}

/// Saves with a password, a few a second, during such a flood and without.
pub async fn saves(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    // Of a hundred saves one is the slowest: it takes its time to have a few hundred.
    let seconds = 3.0 * bench.timing.seconds;
    let warm_up = bench.timing.warm_up;
    let calm = first_logins(warm_up + bench.timing.seconds, IN_FLIGHT);
    // It begins before the saves and ends after them.
    let flooded = Timing { warm_up, seconds: seconds + 2.0 };
    let users = calm.max(first_logins(warm_up + flooded.seconds, in_flight()));
    let runs = u32::try_from(bench.rounds + 1).unwrap_or(u32::MAX);
    let stack = Stack::sqlite_of(bench, of_users(bench, runs * users)).await?;
    let watched = stack.watched()?;
    let capacity = measure(&Job::Logins(once(bench, &stack, (0, users), IN_FLIGHT)), &watched).await?.rate();
    let (mut ratios, mut idle, mut during, mut floods) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 1..runs {
        let saves = |when: u32| {
            Job::PacedSaves(PacedSaves {
                command: stack.postkey.commands[0].clone(),
                headers: stack.postkey.tokens.panel(),
                population: stack.population,
                round: 2 * round + when,
                seconds,
            })
        };
        let alone = measure(&saves(0), &watched).await?;
        let flood = Logins {
            per_second: Some(TIMES * capacity),
            timing: flooded,
            ..once(bench, &stack, (round, users), in_flight())
        };
        let mut flooding = begin(&Job::Logins(flood)).await?;
        let sample = flooding.begun().await?;
        let beside = measure(&saves(1), &watched).await?;
        floods.push(flooding.ended(sample).await?.0);
        let p99 = |measured: &Measured| approximate(measured.tally.latencies_us.p99);
        ratios.push(p99(&beside) / p99(&alone));
        idle.push(alone);
        during.push(beside);
    }
    stack.stop().await;
    let row = Row::new(id, title).figure(&ratios, "", Some(Target::AtMost(3.0)));
    let row = row.side("saves during the flood", &during).side("saves, idle", &idle).side("the flood", &floods);
    Ok(row.note("one save at a time, 50 ms apart; CPU is that of all who take part"))
}
