//! The projector with the ledger's rows against itself without them.

use std::cell::Cell;

use super::Bench;
use super::servers::Database;
use super::stack::SeededFolder;
use crate::failure::Failure;
use crate::figures::Target;
use crate::measure::{Measured, Turns};
use crate::report::Row;
use crate::seed::{Population, Source, To};
use crate::tally::Tally;

/// On SQLite, as fast as the log can be read.
pub async fn sqlite(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    turns(bench, None, false, Row::new(id, title)).await
}

/// On SQLite, one entry a batch.
pub async fn sqlite_single(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    turns(bench, None, true, Row::new(id, title)).await
}

/// On PostgreSQL, as fast as the log can be read.
pub async fn postgres(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    turns(bench, Some(Database::start()?), false, Row::new(id, title)).await
}

/// On PostgreSQL, one entry a batch.
pub async fn postgres_single(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    turns(bench, Some(Database::start()?), true, Row::new(id, title)).await
}

/// One log, applied to fresh read models by turns.
async fn turns(bench: &Bench, database: Option<Database>, single: bool, row: Row) -> Result<Row, Failure> {
    let population = Population { services: 1_000, users: 10 };
    let entries = bench.entries.clamp(11_001, 200_000);
    let up_to = if single { entries.min(20_000) } else { entries };
    let seeded = SeededFolder::new(bench, population, entries).await?;
    let source = Source::open(&seeded.data()).await?;
    let models = Cell::new(0);
    let applied = async |ledger: bool| {
        models.set(models.get() + 1);
        let (path, url) = (seeded.beside(&format!("rows-{}", models.get())), database.as_ref().map(Database::database));
        let to = url.as_deref().map_or(To::Sqlite(&path), To::Postgres);
        let seconds = source.apply(to, up_to, ledger, single).await?;
        let tally = Tally { operations: up_to, seconds, ..Tally::default() };
        Ok(Measured { tally, ..Measured::default() })
    };
    let turns = Turns::take(bench.rounds, async || applied(false).await, async || applied(true).await).await?;
    let batch = if single { "one entry a batch" } else { "as many entries a batch as there are" };
    let row = row.turns(&turns, ("with the ledger", "without"), Some(Target::AtLeast(0.8)));
    Ok(row.note(format!("{up_to} entries, {batch}; the log in SQLite, in this process")))
}
