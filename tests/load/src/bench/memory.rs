//! What the product holds in memory while nobody asks for anything.

use std::time::Duration;

use super::Bench;
use super::logins::once;
use super::stack::Stack;
use crate::failure::Failure;
use crate::figures::Target;
use crate::measure::measure;
use crate::report::Row;
use crate::seed::Population;
use crate::usage::Memory;
use crate::work::Job;

/// How long nobody asks for anything: longer than what is put off takes to be done.
const IDLE: Duration = Duration::from_secs(15);

/// `postkey up` with a hundred thousand users, after it has applied them all, each service has been edited, so that the
/// command side has all of them at hand, and some users have signed in, so that every thread has hashed.
pub async fn idle(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let population =
        if bench.quick { Population { services: 100, users: 10 } } else { Population { services: 1_000, users: 100 } };
    let mut held = Vec::new();
    let mut row = Row::new(id, title);
    for _ in 0..bench.rounds {
        let stack = Stack::sqlite_of(bench, population).await?;
        let applied = Memory::of(&stack.postkey.watched())?;
        let edits = measure(&stack.edits_job(bench, 64), &stack.watched()?).await?;
        let logins = Job::Logins(once(bench, &stack, (0, population.services * population.users), 64));
        let logins = measure(&logins, &stack.watched()?).await?;
        tokio::time::sleep(IDLE).await;
        let idle = Memory::of(&stack.postkey.watched())?;
        held.push(idle.resident);
        row = row.side("edits before", &[edits]).side("logins before", &[logins]).note(format!(
            "{} users in {} services: {:.0} MB once they were applied, {:.0} MB idle, {:.0} MB at the most",
            population.all(),
            population.services,
            applied.resident,
            idle.resident,
            idle.most
        ));
        stack.stop().await;
    }
    Ok(row.figure(&held, "MB", Some(Target::AtMost(300.0))))
}
