//! Logins against argon2id and nothing else, and repeated ones against HTTP and nothing else.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::Bench;
use super::stack::Stack;
use crate::failure::{Failure, Named};
use crate::figures::Target;
use crate::measure::{Turns, measure};
use crate::report::Row;
use crate::seed::Population;
use crate::usage::Watched;
use crate::work::{Hashes, Job, Logins, echo};

/// How many logins are in flight where nothing else is said.
pub const IN_FLIGHT: u32 = 64;
/// More argon2ids than a thread does in a second.
const A_SECOND: f64 = 120.0;

/// How many threads hash.
pub fn threads() -> u32 {
    std::thread::available_parallelism().map_or(1, |threads| u32::try_from(threads.get()).unwrap_or(u32::MAX))
}

/// How many users sign in for the first time in so many seconds, at most, `in_flight` of them at a time.
pub fn first_logins(seconds: f64, in_flight: u32) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of some seconds")]
    let done = (f64::from(threads()) * A_SECOND * seconds) as u32;
    done + in_flight
}

/// At least so many users who sign in: those of all services but the first.
pub const fn of_users(bench: &Bench, users: u32) -> Population {
    let Population { services, .. } = bench.population();
    Population { services, users: users.div_ceil(services - 1) }
}

/// Logins of users who sign in once, each round of others.
pub fn once(bench: &Bench, stack: &Stack, (round, users): (u32, u32), in_flight: u32) -> Logins {
    Logins {
        base: stack.postkey.projection.clone(),
        path: "/v1/auth/verify".to_owned(),
        headers: stack.postkey.tokens.webmail(),
        population: stack.population,
        from: round * users,
        users,
        again: false,
        judged: false,
        in_flight,
        per_second: None,
        timing: bench.timing,
    }
}

/// Right passwords of users in turn, 64 in flight, to bare argon2id on as many threads as there are cores.
pub async fn logins(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let users = first_logins(bench.timing.warm_up + bench.timing.seconds, IN_FLIGHT);
    let rounds = u32::try_from(bench.rounds).unwrap_or(u32::MAX);
    let stack = Stack::sqlite_of(bench, of_users(bench, rounds * users)).await?;
    let raw = Job::Hashes(Hashes { threads: threads() as usize, timing: bench.timing });
    let watched = stack.watched()?;
    let mut round = 0;
    let turns = Turns::take(
        bench.rounds,
        async || measure(&raw, &[]).await,
        async || {
            let logins = Job::Logins(once(bench, &stack, (round, users), IN_FLIGHT));
            round += 1;
            measure(&logins, &watched).await
        },
    );
    let turns = turns.await?;
    stack.stop().await;
    let row = Row::new(id, title).turns(&turns, ("postkey", "argon2id"), Some(Target::AtLeast(0.95)));
    Ok(row.note("each login is of another user; the load generator shares the cores with what it measures"))
}

/// The same users again and again, 64 in flight, to the same bodies sent to an echo over as many connections.
pub async fn repeated(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let stack = Stack::sqlite(bench).await?;
    let echo = Echo::start().await?;
    let logins = Logins { again: true, ..once(bench, &stack, (0, IN_FLIGHT), IN_FLIGHT) };
    let echoes = Logins { base: echo.base.clone(), path: echo::PATH.to_owned(), ..logins.clone() };
    let (logins, echoes) = (Job::Logins(logins), Job::Echoes(echoes));
    let watched = stack.watched()?;
    let turns = Turns::take(
        bench.rounds,
        async || measure(&echoes, std::slice::from_ref(&echo.watched)).await,
        async || measure(&logins, &watched).await,
    );
    let turns = turns.await?;
    stack.stop().await;
    let row = Row::new(id, title).turns(&turns, ("postkey", "echo"), Some(Target::AtLeast(0.3)));
    Ok(row.note("64 users, known to the cache from the warm-up on; the load is one thread, and shares the cores"))
}

/// The echo in a process of its own. Dropped, it is killed.
struct Echo {
    base: String,
    watched: Watched,
    _process: Child,
}

impl Echo {
    async fn start() -> Result<Self, Failure> {
        let own = std::env::current_exe().named("the bench's own path")?;
        let mut process = Command::new(own);
        let mut process = process.arg("echo").stdout(Stdio::piped()).kill_on_drop(true).spawn().named("the echo")?;
        let (Some(stdout), Some(pid)) = (process.stdout.take(), process.id()) else {
            return Err(Failure::new("the echo", "no pipe"));
        };
        let said = BufReader::new(stdout).lines().next_line().await.named("the echo")?;
        let base = said.ok_or_else(|| Failure::new("the echo", "it ended early"))?;
        Ok(Self { base, watched: Watched::new("echo", pid), _process: process })
    }
}
