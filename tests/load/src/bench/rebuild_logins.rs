//! Logins while the running service makes its read model anew, against logins alone.

use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::Value;

use super::Bench;
use super::logins::{IN_FLIGHT, first_logins, of_users, once};
use super::servers::Broker;
use super::stack::Stack;
use crate::failure::{Failure, Named};
use crate::figures::{Target, ratios};
use crate::measure::{Measured, begin, measure};
use crate::report::Row;
use crate::seed::Population;
use crate::tally::approximate;
use crate::usage::Watched;
use crate::work::{Connection, Job, Logins, Timing, Verdicts};

/// The share of what can be judged that comes.
const SHARE: f64 = 0.5;
/// How many may be under way: where logins stand still for seconds, they are counted with all that they waited.
const AT_MOST: u32 = 4 * IN_FLIGHT;
/// How often a rebuild is asked how it stands.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Longer than any rebuild takes.
const ENDED_WITHIN: Duration = Duration::from_secs(600);

/// From SQLite into SQLite, `postkey up`.
pub async fn sqlite(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let setting = Setting::of(bench);
    let stack = Stack::sqlite_with(bench, setting.population, setting.entries).await?;
    turns(bench, stack, setting, Row::new(id, title)).await
}

/// From NATS into PostgreSQL.
pub async fn postgres(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    let setting = Setting::of(bench);
    // How a server syncs what it is sent has no part in reading it back.
    let stack =
        Stack::production_with(bench, Broker::one(true), (true, 1), (setting.population, setting.entries)).await?;
    turns(bench, stack, setting, Row::new(id, title)).await
}

/// What is seeded, and how long a side takes.
#[derive(Clone, Copy)]
struct Setting {
    population: Population,
    entries: u64,
    /// How many users may sign in in one run.
    users: u32,
    timing: Timing,
}

impl Setting {
    fn of(bench: &Bench) -> Self {
        // Of a hundred logins one is the slowest: it takes its time to have some hundreds.
        let timing = Timing { seconds: 3.0 * bench.timing.seconds, ..bench.timing };
        let users = first_logins(timing.warm_up + timing.seconds, AT_MOST);
        // What can be judged, and then by turns.
        let runs = u32::try_from(2 * bench.rounds + 2).unwrap_or(u32::MAX);
        let population = of_users(bench, runs * users);
        // A rebuild comes to its end meanwhile, comparing and swapping too; then the next one begins.
        let entries = bench.entries.min(200_000).max(population.entries());
        Self { population, entries, users, timing }
    }
}

/// Logins alone and beside rebuilds by turns.
async fn turns(bench: &Bench, stack: Stack, setting: Setting, row: Row) -> Result<Row, Failure> {
    let watched = stack.watched()?;
    let capacity = Job::Logins(once(bench, &stack, (0, setting.users), IN_FLIGHT));
    let capacity = measure(&capacity, &watched).await?.rate();
    let mut judging =
        Judging { bench, stack: &stack, watched, setting, per_second: SHARE * capacity, runs: 1, taken: 0, refused: 0 };
    let (mut alone, mut beside, mut notes) = (vec![judging.logins().await?], Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let (measured, note) = judging.beside_rebuilds().await?;
        beside.push(measured);
        notes.push(note);
        alone.push(judging.logins().await?);
    }
    let (taken, refused) = (judging.taken, judging.refused);
    stack.stop().await;
    let p99 = |side: &[Measured]| -> Vec<_> {
        side.iter().map(|measured| approximate(measured.tally.latencies_us.p99)).collect()
    };
    let row = row.figure(&ratios(&p99(&alone), &p99(&beside)), "", Some(Target::AtMost(1.5)));
    let row = row.side("logins during rebuilds", &beside).side("logins alone", &alone).note(format!(
        "half of the {capacity:.0} logins a second that can be judged, each of another user, every tenth with a wrong password"
    ));
    let row = row.note(format!(
        "checked in each answer: {taken} right passwords were taken, each as the user's, {refused} wrong ones refused, no \
         verdict was wrong"
    ));
    let row = notes.into_iter().fold(row, Row::note);
    Ok(row.note(format!("a log of {} entries over {} users", setting.entries, setting.population.all())))
}

/// Logins whose verdicts are looked at, each run of other users.
struct Judging<'a> {
    bench: &'a Bench,
    stack: &'a Stack,
    watched: Vec<Watched>,
    setting: Setting,
    per_second: f64,
    /// Runs so far.
    runs: u32,
    taken: u64,
    refused: u64,
}

impl Judging<'_> {
    /// Fails where a verdict is wrong.
    async fn logins(&mut self) -> Result<Measured, Failure> {
        let logins = Job::Logins(Logins {
            judged: true,
            per_second: Some(self.per_second),
            timing: self.setting.timing,
            ..once(self.bench, self.stack, (self.runs, self.setting.users), AT_MOST)
        });
        self.runs += 1;
        let mut running = begin(&logins).await?;
        running.watch(&self.watched);
        let begun = running.begun().await?;
        let (measured, report) = running.ended(begun).await?;
        let Verdicts { taken, refused, wrong, .. } = serde_json::from_str(&report).named("logins")?;
        if wrong > 0 {
            let all = taken + refused + wrong;
            let failures = &measured.tally.failures;
            return Err(Failure::new("logins", format!("{wrong} wrong verdicts of {all}: {failures:?}")));
        }
        self.taken += taken;
        self.refused += refused;
        Ok(measured)
    }

    /// The same while rebuilds run one after the other from before their beginning to after their end; and how these went.
    async fn beside_rebuilds(&mut self) -> Result<(Measured, String), Failure> {
        let mut rebuilds = Rebuilds::begin(self.stack).await?;
        let measured = tokio::select! {
            measured = self.logins() => measured?,
            failure = rebuilds.go_on() => return Err(failure),
        };
        let note = rebuilds.told();
        // Nobody's work goes on beside the logins that come next.
        Rebuilds::ended(self.stack).await?;
        Ok((measured, note))
    }
}

/// Live rebuilds, one after the other.
struct Rebuilds {
    connection: Connection,
    begun: Instant,
    /// When one was last seen to be under way.
    seen: Instant,
    /// How long there was none, at the most.
    none: Duration,
    /// How many have ended, and how many entries they read.
    ended: u32,
    entries: u64,
    /// How many the present one has read.
    present: u64,
}

impl Rebuilds {
    async fn begin(stack: &Stack) -> Result<Self, Failure> {
        let mut connection = connection(stack)?;
        start(&mut connection).await?;
        let now = Instant::now();
        Ok(Self { connection, begun: now, seen: now, none: Duration::ZERO, ended: 0, entries: 0, present: 0 })
    }

    /// Starts the next one as soon as one has ended, without end; where one comes to nothing, this ends with why.
    async fn go_on(&mut self) -> Failure {
        loop {
            if let Err(failure) = self.look().await {
                return failure;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn look(&mut self) -> Result<(), Failure> {
        match look(&mut self.connection).await? {
            Standing::UnderWay(read) => self.present = read,
            Standing::Swapped(read) => {
                (self.ended, self.entries, self.present) = (self.ended + 1, self.entries + read, 0);
                start(&mut self.connection).await?;
                self.none += self.seen.elapsed();
            }
        }
        self.seen = Instant::now();
        Ok(())
    }

    fn told(&self) -> String {
        let seconds = self.begun.elapsed().as_secs_f64();
        format!(
            "rebuilds that ended in {seconds:.1} s: {}, at {:.0} entries/s; one was under way at least {:.0} % of the time",
            self.ended,
            approximate(self.entries + self.present) / seconds,
            100.0 * (1.0 - self.none.as_secs_f64() / seconds)
        )
    }

    /// Waits until none is under way.
    async fn ended(stack: &Stack) -> Result<(), Failure> {
        let (mut connection, begun) = (connection(stack)?, Instant::now());
        while let Standing::UnderWay(read) = look(&mut connection).await? {
            if begun.elapsed() > ENDED_WITHIN {
                return Err(Failure::new("a rebuild", format!("it does not end, after {read} entries")));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }
}

/// How a rebuild stands, and how many entries it has read.
enum Standing {
    UnderWay(u64),
    Swapped(u64),
}

fn connection(stack: &Stack) -> Result<Connection, Failure> {
    Connection::new(&stack.postkey.projection, &stack.postkey.tokens.operator())
}

async fn start(connection: &mut Connection) -> Result<(), Failure> {
    let answer = connection.send(Method::POST, "/v1/rebuild", None).await?;
    if answer.status == 202 { Ok(()) } else { Err(Failure::new("a rebuild", answer.code())) }
}

/// Fails where it came to nothing.
async fn look(connection: &mut Connection) -> Result<Standing, Failure> {
    let answer = connection.send(Method::GET, "/v1/rebuild", None).await?;
    let said: Value = serde_json::from_slice(&answer.body).named("how a rebuild stands")?;
    let read = said["position"].as_u64().unwrap_or_default();
    match said["state"].as_str() {
        Some("filling" | "comparing") => Ok(Standing::UnderWay(read)),
        Some("swapped") if said["differences"].as_array().is_some_and(Vec::is_empty) => Ok(Standing::Swapped(read)),
        _ => Err(Failure::new("a rebuild", said)),
    }
}
