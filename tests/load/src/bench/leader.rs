//! The server that leads the log's stream is killed under load.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::Value;

use super::Bench;
use super::servers::Broker;
use super::stack::Stack;
use crate::failure::{Failure, Named};
use crate::figures::Target;
use crate::measure::{Measured, begin};
use crate::report::Row;
use crate::tally::approximate;
use crate::work::{Connection, Edits, Insisted, Job, Timing};

/// The stream of the log.
const STREAM: &str = "POSTKEY";
/// How long the load runs before the server is killed, and in all.
const KILLED_AFTER: Duration = Duration::from_secs(3);
const SECONDS: f64 = 25.0;
/// How many commands are under way at a time.
const IN_FLIGHT: usize = 64;

/// Two command services on three servers: how long until commands resume; and that none was lost and none done twice.
pub async fn killed(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let (mut resumed, mut rounds, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    // Every round takes servers of its own: a killed one would have to be waited for.
    for _ in 0..bench.rounds {
        let mut stack = Stack::production(bench, Broker::three(), false, 2).await?;
        let before = stack.postkey.caught_up(stack.population.entries()).await?;
        let outcome = under_load(bench, &mut stack).await?;
        let head = stack.postkey.caught_up(before + outcome.insisted.positions.len() as u64).await?;
        none_lost_none_twice(&outcome.insisted, before, head)?;
        as_acknowledged(&stack, &outcome.insisted).await?;
        let gap = outcome.gap();
        resumed.push(gap.as_secs_f64());
        notes.push(format!(
            "killed: nothing acknowledged until {:.1} s after; slowest command {:.1} s; {} acknowledged, {} asked again, {} \
             of them had been done",
            gap.as_secs_f64(),
            approximate(outcome.insisted.tally.latencies_us.max) / 1e6,
            outcome.insisted.positions.len(),
            outcome.insisted.asked_again,
            outcome.insisted.repeated,
        ));
        rounds.push(outcome.measured);
        stack.stop().await;
    }
    let row = Row::new(id, title).figure(&resumed, "s", Some(Target::AtMost(10.0))).side("postkey", &rounds);
    let row = notes.into_iter().fold(row, Row::note);
    Ok(row.note(
        "checked in each round: every acknowledged position once, no entry besides, every user as last acknowledged",
    ))
}

struct Outcome {
    measured: Measured,
    insisted: Insisted,
    /// When the server was killed, since the timed part began.
    killed: Duration,
}

impl Outcome {
    /// From the kill to the end of the longest silence that had not ended before it.
    fn gap(&self) -> Duration {
        let killed = u64::try_from(self.killed.as_millis()).unwrap_or(u64::MAX);
        resumes_at(&self.insisted.acknowledged_ms, killed)
            .map_or(Duration::MAX, |at| Duration::from_millis(at - killed))
    }
}

/// When acknowledgements came again, in milliseconds: the end of the longest silence that ends after `killed`. None where
/// none came any more.
fn resumes_at(acknowledged_ms: &[u64], killed: u64) -> Option<u64> {
    let silences = acknowledged_ms.windows(2).filter(|pair| pair[1] > killed);
    silences.max_by_key(|pair| pair[1] - pair[0].max(killed)).map(|pair| pair[1])
}

async fn under_load(bench: &Bench, stack: &mut Stack) -> Result<Outcome, Failure> {
    let timing = Timing { warm_up: bench.timing.warm_up, seconds: SECONDS };
    let edits = Edits { timing, insist: true, visit: false, ..stack.edits(bench, IN_FLIGHT) };
    let watched = stack.watched()?;
    let mut running = begin(&Job::Edits(edits)).await?;
    running.watch(&watched);
    let sample = running.begun().await?;
    let begun = Instant::now();
    tokio::time::sleep(KILLED_AFTER).await;
    let Some(servers) = &mut stack.servers else { return Err(Failure::new("the leader", "there are no servers")) };
    let killed = servers.broker.kill_leader(STREAM).await?.duration_since(begun);
    let (measured, report) = running.ended(sample).await?;
    let insisted = serde_json::from_str(&report).named("edits")?;
    Ok(Outcome { measured, insisted, killed })
}

/// Every acknowledged position is one of those that were written meanwhile, and each stands once.
fn none_lost_none_twice(insisted: &Insisted, before: u64, head: u64) -> Result<(), Failure> {
    let expected: Vec<_> = (before + 1..=head).collect();
    if insisted.positions == expected {
        return Ok(());
    }
    let twice = insisted.positions.windows(2).filter(|pair| pair[0] == pair[1]).count();
    Err(Failure::new(
        "commands were lost or done twice",
        format!(
            "{} acknowledgements, {twice} positions given twice, {} entries were written",
            insisted.positions.len(),
            head - before
        ),
    ))
}

/// Every user has the name that was acknowledged last.
async fn as_acknowledged(stack: &Stack, insisted: &Insisted) -> Result<(), Failure> {
    let mut connection = Connection::new(&stack.postkey.projection, &stack.postkey.tokens.panel())?;
    let mut by_service: BTreeMap<u32, Vec<(u32, &str)>> = BTreeMap::new();
    for (service, user, name) in &insisted.last_names {
        by_service.entry(*service).or_default().push((*user, name));
    }
    for (service, users) in by_service {
        let path = format!("/v1/services/{}/users?limit=500", stack.population.service(service));
        let answer = connection.send(Method::GET, &path, None).await?;
        let list: Value = serde_json::from_slice(&answer.body).named("a list of users")?;
        for (user, name) in users {
            let id = stack.population.user(service, user).to_string();
            let found = list["users"].as_array().into_iter().flatten().find(|one| one["user"] == id.as_str());
            let last_name = found.and_then(|found| found["last_name"].as_str());
            if last_name != Some(name) {
                return Err(Failure::new("a user is not as acknowledged", format!("{last_name:?}, not {name}")));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_resume_at_the_end_of_the_longest_silence_after_the_kill() {
        let acknowledged = [0, 10, 2_900, 2_990, 3_010, 8_200, 8_210, 9_000];
        assert_eq!(resumes_at(&acknowledged, 3_000), Some(8_200));
        assert_eq!(resumes_at(&acknowledged, 9_500), None);
        assert_eq!(resumes_at(&[], 0), None);
    }

    #[test]
    fn a_lost_and_a_doubled_command_are_found() {
        let positions = |positions: &[u64]| Insisted { positions: positions.to_vec(), ..Insisted::default() };
        assert_eq!(none_lost_none_twice(&positions(&[6, 7, 8]), 5, 8), Ok(()));
        assert!(none_lost_none_twice(&positions(&[6, 8]), 5, 8).is_err(), "an entry that nobody was told of");
        assert!(none_lost_none_twice(&positions(&[6, 7, 9]), 5, 8).is_err(), "acknowledged and not there");
        assert!(none_lost_none_twice(&positions(&[6, 6, 7]), 5, 7).is_err(), "one position for two commands");
    }
}
