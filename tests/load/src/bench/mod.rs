//! The rows of the table, and what runs them.

mod as_of;
mod audit;
mod checkpoint;
mod edits;
mod flood;
mod leader;
mod logins;
mod memory;
mod peers;
mod projector;
mod rebuild;
mod rebuild_logins;
mod saves;
mod servers;
mod stack;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::BenchArgs;
use crate::failure::{Failure, Named};
use crate::machine::{Machine, load_average};
use crate::postkey::Binary;
use crate::report::{Report, Row};
use crate::seed::{Population, edit_bytes};
use crate::table;
use crate::work::Timing;

/// What all rows need.
pub struct Bench {
    /// The product.
    pub postkey: Binary,
    /// The peers' program.
    pub peers: Option<PathBuf>,
    /// How long each side of a round runs.
    pub timing: Timing,
    /// How many rounds.
    pub rounds: usize,
    /// Whether it is a smoke run.
    pub quick: bool,
    /// How many entries the log has that the read model is rebuilt from.
    pub entries: u64,
    /// How long the entry of an edit is: what raw operations carry.
    pub bytes: usize,
}

impl Bench {
    /// Who there is in rows of edits, logins and saves.
    pub const fn population(&self) -> Population {
        if self.quick { Population { services: 600, users: 2 } } else { Population { services: 1_000, users: 20 } }
    }
}

type Measure = for<'a> fn(&'a Bench) -> LocalBoxFuture<'a, Result<Row, Failure>>;

/// A row by its id: what it says, and how it is measured.
struct Plan {
    id: &'static str,
    title: &'static str,
    measure: Measure,
}

macro_rules! plan {
    ($id:literal, $title:literal, $measure:path) => {
        Plan { id: $id, title: $title, measure: |bench| $measure(bench, $id, $title).boxed_local() }
    };
}

/// The rows, in the table's order.
const PLANS: &[Plan] = &[
    plan!("edits-nats-always", "EditUser ÷ guarded publishes, NATS sync always, 512 in flight", edits::nats_always),
    plan!("edits-nats-lazy", "EditUser ÷ guarded publishes, NATS default sync, 512 in flight", edits::nats_lazy),
    plan!("edits-cqrs-es", "EditUser, NATS sync always ÷ cqrs-es with a view, 64 in flight", peers::nats_to_cqrs),
    plan!("edits-cqrs-es-sqlite", "EditUser, SQLite ÷ cqrs-es with a view, 64 in flight", peers::sqlite_to_cqrs),
    plan!("edits-cqrs-es-events", "EditUser, NATS sync always ÷ cqrs-es, events only", peers::nats_to_cqrs_events),
    plan!("edits-disintegrate", "EditUser, NATS sync always ÷ disintegrate, 64 in flight", peers::nats_to_disintegrate),
    plan!("edits-sqlite", "EditUser, SQLite ÷ one-row transactions at FULL, 64 in flight", edits::sqlite),
    plan!("logins", "logins ÷ bare argon2id on all cores", logins::logins),
    plan!("logins-repeated", "repeated logins from the cache ÷ a bare axum JSON echo, 64 in flight", logins::repeated),
    plan!("flood-logins", "login flood at 4 × capacity: accepted logins ÷ capacity", flood::accepted),
    plan!("flood-saves", "login flood at 4 × capacity: p99 of Save ÷ idle", flood::saves),
    plan!("save-nats", "Save with password, NATS: p50 beyond argon2id and one publish", saves::nats),
    plan!("save-sqlite", "Save with password, SQLite: p50 beyond argon2id and one transaction", saves::sqlite),
    plan!("rebuild", "rebuild from NATS into PostgreSQL", rebuild::nats_to_postgres),
    plan!("rebuild-sqlite", "rebuild from SQLite into SQLite", rebuild::sqlite),
    plan!(
        "rebuild-logins",
        "p99 of logins while a rebuild runs ÷ without, SQLite, half of capacity",
        rebuild_logins::sqlite
    ),
    plan!(
        "rebuild-logins-postgres",
        "p99 of logins while a rebuild runs ÷ without, PostgreSQL, half of capacity",
        rebuild_logins::postgres
    ),
    plan!("ledger-sqlite", "projector with ledger ÷ without, SQLite", projector::sqlite),
    plan!(
        "ledger-sqlite-single",
        "projector with ledger ÷ without, SQLite, one entry a batch",
        projector::sqlite_single
    ),
    plan!("ledger-postgres", "projector with ledger ÷ without, PostgreSQL", projector::postgres),
    plan!(
        "ledger-postgres-single",
        "projector with ledger ÷ without, PostgreSQL, one entry a batch",
        projector::postgres_single
    ),
    plan!("audit-verify", "postkey audit verify of a log in a file, with the public key alone", audit::verify),
    plan!("as-of", "p99 of a user as of a moment, one of 100,000, SQLite", as_of::sqlite),
    plan!("as-of-nats", "p99 of a user as of a moment, one of 100,000, NATS and PostgreSQL", as_of::nats),
    plan!("checkpoint", "from a Save in force to a checkpoint that holds it, SQLite: the longest", checkpoint::sqlite),
    plan!(
        "checkpoint-nats",
        "from a Save in force to a checkpoint that holds it, NATS and PostgreSQL: the longest",
        checkpoint::nats
    ),
    plan!("memory", "resident memory at 100,000 users, SQLite, idle", memory::idle),
    plan!("leader-killed", "leader of the stream killed: until commands resume", leader::killed),
];

/// Measures what was asked for, prints the table, and keeps the report. A row that fails is told in its place; the others
/// go on.
///
/// # Errors
/// Where there is nothing to measure, a row has failed, or the report can't be kept.
pub fn run(args: BenchArgs) -> Result<(), Failure> {
    let plans = chosen(&args.only)?;
    let or = |given: Option<f64>, quick: f64, full: f64| given.unwrap_or(if args.quick { quick } else { full });
    let seconds = or(args.seconds, 2.0, 5.0);
    let bench = Bench {
        postkey: Binary::find(args.postkey)?,
        peers: args.peers.map(|path| path.canonicalize()).transpose().named("the peers' program")?,
        // What is in flight when it begins must have come through once, also where each waits for a slow disk in turn.
        timing: Timing { warm_up: (seconds / 5.0).max(1.0), seconds },
        rounds: args.rounds.unwrap_or(if args.quick { 1 } else { 3 }),
        quick: args.quick,
        entries: args.entries.unwrap_or(if args.quick { 20_000 } else { 1_000_000 }).max(11_001),
        bytes: edit_bytes()?,
    };
    let machine = Machine::here(bench.postkey.path(), &std::env::temp_dir());
    let mut report = Report { machine, quick: args.quick, rows: Vec::new() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().named("the runtime")?;
    for plan in plans {
        tell(&format!("{} …", plan.title));
        let measured = AssertUnwindSafe((plan.measure)(&bench)).catch_unwind();
        let row = runtime.block_on(async {
            tokio::select! {
                row = measured => Some(row),
                () = told_to_stop() => None,
            }
        });
        // What the row had started ended with it.
        let Some(row) = row else { return Err(Failure::new("the bench", "it was told to stop")) };
        let mut row = row.unwrap_or_else(|_| Err(Failure::new("it panicked", "what it said is above")));
        if let Ok(row) = &mut row {
            row.load_average = load_average();
        }
        report.rows.push(row.unwrap_or_else(|failure| Row::failed(plan.id, plan.title, failure)));
        report.save(&args.out)?;
    }
    say(&table::text(&report));
    tell(&format!("the same as JSON: {}", args.out.display()));
    match report.rows.iter().filter(|row| row.failure.is_some()).count() {
        0 => Ok(()),
        failed => Err(Failure::new("rows that could not be measured", failed)),
    }
}

/// Ends when somebody wants the bench to end.
async fn told_to_stop() {
    let by = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => drop(signal.recv().await),
            // Then it ends as it would have without.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = by(SignalKind::interrupt()) => {}
        () = by(SignalKind::terminate()) => {}
    }
}

fn chosen(only: &[String]) -> Result<Vec<&'static Plan>, Failure> {
    if let Some(unknown) = only.iter().find(|id| !PLANS.iter().any(|plan| plan.id == id.as_str())) {
        let ids: Vec<_> = PLANS.iter().map(|plan| plan.id).collect();
        return Err(Failure::new(format!("there is no row {unknown}"), format!("choose from {}", ids.join(", "))));
    }
    Ok(PLANS.iter().filter(|plan| only.is_empty() || only.iter().any(|id| id == plan.id)).collect())
}

#[expect(clippy::print_stderr, reason = "what is under way is told on stderr")]
fn tell(what: &str) {
    eprintln!("{what}");
}

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn say(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_chosen_by_their_ids() {
        let ids = |only: &[&str]| {
            let only: Vec<_> = only.iter().map(|id| (*id).to_owned()).collect();
            chosen(&only).map(|plans| plans.iter().map(|plan| plan.id).collect::<Vec<_>>())
        };
        assert_eq!(ids(&[]).unwrap().len(), PLANS.len());
        assert_eq!(ids(&["logins", "edits-sqlite"]).unwrap(), ["edits-sqlite", "logins"]);
        assert!(ids(&["nonsense"]).is_err());
    }

    #[test]
    fn no_two_rows_have_one_id() {
        let mut ids: Vec<_> = PLANS.iter().map(|plan| plan.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), PLANS.len());
    }
}
