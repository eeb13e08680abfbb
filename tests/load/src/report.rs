//! The report as it is kept: rows with their figures, as JSON.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::failure::{Failure, Named};
use crate::figures::{Spread, Target};
use crate::machine::{Machine, load_average};
use crate::measure::{Measured, Turns};
use crate::tally::Latencies;

/// Everything that one run has measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Where and with what.
    pub machine: Machine,
    /// Whether it was a smoke run of a few seconds a row, whose figures are no evidence.
    pub quick: bool,
    /// The rows, in order.
    pub rows: Vec<Row>,
}

impl Report {
    /// Writes it as JSON, making the folder where it is missing.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn save(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).named("the report")?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).named(folder.display())?;
        }
        fs::write(path, text + "\n").named(path.display())
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What it is asked for by.
    pub id: &'static str,
    /// What it says.
    pub title: String,
    /// The figure and what it must reach; none where the row failed, which `failure` says.
    pub figure: Option<Figure>,
    /// Who was measured, each under its name.
    pub sides: Vec<Side>,
    /// What must be known to read it.
    pub notes: Vec<String>,
    /// Why there is no figure.
    pub failure: Option<String>,
    /// The load average of the last minute, when the row ended.
    pub load_average: f64,
}

/// What a row is about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Over the rounds.
    pub spread: Spread,
    /// What it is in: empty for a ratio, `ms`, `entries/s`, `s`.
    pub unit: &'static str,
    /// What the median must reach; none where it is told for comparison only.
    pub target: Option<Target>,
    /// Whether it does.
    pub met: Option<bool>,
}

impl Figure {
    /// A figure in a unit, held against a target.
    pub fn new(spread: Spread, unit: &'static str, target: Option<Target>) -> Self {
        Self { spread, unit, target, met: target.map(|target| target.met(spread.median)) }
    }
}

/// One of those that a row measures, over its rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// Who.
    pub name: String,
    /// Operations a second.
    pub per_second: Spread,
    /// How long one took: the median over the rounds of each.
    pub latencies_us: Latencies,
    /// CPU microseconds an operation, of each process that took part; the median over the rounds.
    pub cpu_us: BTreeMap<String, f64>,
    /// What else took CPU time meanwhile: a share of all cores, 0 to 1.
    pub others: Spread,
    /// Operations that failed, by what was answered, over all rounds.
    pub failures: BTreeMap<String, u64>,
}

impl Side {
    /// Of its rounds; none where there were none.
    pub fn of(name: &str, rounds: &[Measured]) -> Option<Self> {
        let middle = |of: fn(&Latencies) -> u64| {
            let mut values: Vec<_> = rounds.iter().map(|round| of(&round.tally.latencies_us)).collect();
            values.sort_unstable();
            values.get(values.len() / 2).copied().unwrap_or(0)
        };
        let mut cpu: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let mut failures = BTreeMap::new();
        for round in rounds {
            round.cpu_us().into_iter().for_each(|(name, micros)| cpu.entry(name).or_default().push(micros));
            for (how, count) in &round.tally.failures {
                *failures.entry(how.clone()).or_insert(0) += count;
            }
        }
        Some(Self {
            name: name.to_owned(),
            per_second: Spread::of(rounds.iter().map(Measured::rate))?,
            latencies_us: Latencies { p50: middle(|l| l.p50), p99: middle(|l| l.p99), max: middle(|l| l.max) },
            cpu_us: cpu.into_iter().filter_map(|(name, values)| Some((name, Spread::of(values)?.median))).collect(),
            others: Spread::of(rounds.iter().map(|round| round.usage.others))?,
            failures,
        })
    }
}

impl Row {
    /// A row without anything yet.
    pub fn new(id: &'static str, title: impl Into<String>) -> Self {
        let (sides, notes) = (Vec::new(), Vec::new());
        Self { id, title: title.into(), figure: None, sides, notes, failure: None, load_average: load_average() }
    }

    /// The same with a figure; none of no measurements.
    #[must_use]
    pub fn figure(mut self, values: &[f64], unit: &'static str, target: Option<Target>) -> Self {
        self.figure = Spread::of(values.iter().copied()).map(|spread| Figure::new(spread, unit, target));
        if self.figure.is_none() {
            self.failure = Some("nothing was measured".to_owned());
        }
        self
    }

    /// The same with the ratio of what was measured by turns, and both sides.
    #[must_use]
    pub fn turns(self, turns: &Turns, (measured, raw): (&str, &str), target: Option<Target>) -> Self {
        let rates = |side: &[Measured]| side.iter().map(Measured::rate).collect::<Vec<_>>();
        let ratios = crate::figures::ratios(&rates(&turns.raw), &rates(&turns.measured));
        self.figure(&ratios, "", target).side(measured, &turns.measured).side(raw, &turns.raw)
    }

    /// The same with one more side.
    #[must_use]
    pub fn side(mut self, name: &str, rounds: &[Measured]) -> Self {
        self.sides.extend(Side::of(name, rounds));
        self
    }

    /// The same with something that must be known to read it.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// A row that could not be measured.
    pub fn failed(id: &'static str, title: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self { failure: Some(why.to_string()), ..Self::new(id, title) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Tally;
    use crate::usage::Usage;

    fn measured(operations: u64, cpu: f64) -> Measured {
        let tally = Tally { operations, seconds: 2.0, ..Tally::default() };
        let usage = Usage { cpu_seconds: BTreeMap::from([("nats".to_owned(), cpu)]), others: 0.1 };
        Measured { tally, usage }
    }

    #[test]
    fn a_row_is_the_median_of_ratios_with_both_sides() {
        let turns = Turns {
            raw: vec![measured(1_000, 0.1), measured(1_000, 0.1), measured(2_000, 0.1)],
            measured: vec![measured(700, 0.07), measured(750, 0.3)],
        };
        let row = Row::new("x", "X").turns(&turns, ("postkey", "raw"), Some(Target::AtLeast(0.6)));
        let figure = row.figure.expect("a figure");
        assert!((figure.spread.median - 0.6).abs() < 1e-9, "0.7 and 0.5: {figure:?}");
        assert_eq!(figure.met, Some(true));
        assert_eq!(row.sides[0].name, "postkey");
        assert!((row.sides[0].per_second.median - 362.5).abs() < 1e-9);
        assert!((row.sides[0].cpu_us["nats"] - 250.0).abs() < 1e-6, "100 and 400 µs");
        assert!((row.sides[1].per_second.median - 500.0).abs() < 1e-9);
    }

    #[test]
    fn a_row_without_measurements_says_so() {
        let row = Row::new("x", "X").turns(&Turns::default(), ("a", "b"), None);
        assert!(row.figure.is_none() && row.failure.is_some() && row.sides.is_empty());
    }
}
