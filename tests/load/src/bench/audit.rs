//! `postkey audit verify` of a log of a million entries, on files, while nobody serves.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use super::Bench;
use super::rebuild::by_tenths;
use super::stack::{fill, scratch};
use crate::failure::{Failure, Named};
use crate::figures::{Target, ratios};
use crate::measure::Measured;
use crate::postkey::Postkey;
use crate::report::Row;
use crate::seed::{KeySink, LogSink, Population, Signed, sign_all};
use crate::tally::Tally;
use crate::usage::Sample;

/// The log with the public key alone, as an auditor has it; beside it, SHA-256 of the same bytes on one core.
pub async fn verify(bench: &Bench, id: &'static str, title: &'static str) -> Result<Row, Failure> {
    // A tenth of the entries adds a user, in a thousand services; the rest edits them.
    let users = u32::try_from(bench.entries / 10_000).unwrap_or(u32::MAX).max(1);
    let population = Population { services: 1_000, users };
    let folder = scratch()?;
    let data = data_folder(bench, &folder, population).await?;
    let call = |bench: &Bench| {
        let mut call = bench.postkey.call(["audit", "verify", "--json", "--log"]);
        call.arg(format!("sqlite:{}", data.join("log.db").display()));
        call.arg("--checkpoint").arg(data.join("ledger/checkpoint"));
        call.arg("--public-key").arg(data.join("ledger/public-key"));
        call
    };
    let (mut raw, mut verified, mut held) = (vec![signed(&data).await?], Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let (measured, memory) = verify_once(bench, call(bench))?;
        verified.push(measured);
        held.push(memory);
        raw.push(signed(&data).await?);
    }
    let (mut with_keys, mut all) = (Vec::new(), bench.postkey.call(["audit", "verify", "--json", "--data"]));
    all.arg(&data);
    // Whether there are rows or not, they have not been made: only log and keys are looked at.
    let (measured, memory) = verify_once(bench, all)?;
    with_keys.push(measured);
    let rates = |side: &[Measured]| side.iter().map(Measured::rate).collect::<Vec<_>>();
    let of_hashing = ratios(&rates(&raw), &rates(&verified));
    let row = Row::new(id, title).figure(&rates(&verified), "entries/s", Some(Target::AtLeast(100_000.0)));
    let row = row.side("verify", &verified).side("SHA-256 alone", &raw).side("verify with all keys", &with_keys);
    let row = row.note(format!(
        "{} entries over {} users, from start to end of the process",
        bench.entries,
        population.all()
    ));
    let ratio = of_hashing.iter().copied().fold(f64::INFINITY, f64::min);
    let row = row.note(format!("at least {ratio:.2} of the rate of SHA-256 alone of the same bytes, on one core"));
    let row = held.iter().fold(row, |row, held| row.note(by_tenths(held)));
    Ok(row.note(format!("with all keys: {}", by_tenths(&memory))))
}

async fn data_folder(bench: &Bench, folder: &TempDir, population: Population) -> Result<PathBuf, Failure> {
    let data = folder.path().join("data");
    // The first start makes keys, stores, and the log's first entry.
    Postkey::up(&bench.postkey, &data, folder.path()).await?.stop().await;
    let (log, keys) = (LogSink::sqlite(&data.join("log.db")).await?, KeySink::sqlite(&data.join("keys.db")).await?);
    fill(&data, log, keys, population, bench.entries).await?;
    // It holds next to nothing; without it, only log and keys are looked at.
    std::fs::remove_file(data.join("read-model.db")).named("the read model")?;
    Ok(data)
}

/// Signs a checkpoint of the whole log, and measures nothing but the hashing of its entries.
async fn signed(data: &Path) -> Result<Measured, Failure> {
    let begun = Sample::take(&[])?;
    let Signed { entries, seconds } = sign_all(data).await?;
    let usage = begun.until_with_ended(&Sample::take(&[])?, "hashing");
    Ok(Measured { tally: Tally { operations: entries, seconds, ..Tally::default() }, usage })
}

fn verify_once(bench: &Bench, call: Command) -> Result<(Measured, Vec<f64>), Failure> {
    let (before, begun) = (Sample::take(&[])?, Instant::now());
    let (said, held) = bench.postkey.run_watched(call, "postkey audit verify")?;
    let seconds = begun.elapsed().as_secs_f64();
    let usage = before.until_with_ended(&Sample::take(&[])?, "verify");
    let report: Value = serde_json::from_str(&said).named("what postkey audit verify says")?;
    let operations = report["entries"].as_u64().unwrap_or_default();
    if operations != bench.entries || report["sound"] != Value::Bool(true) {
        return Err(Failure::new(
            "postkey audit verify",
            format!("it read {operations} entries: {}", report["findings"]),
        ));
    }
    Ok((Measured { tally: Tally { operations, seconds, ..Tally::default() }, usage }, held))
}
