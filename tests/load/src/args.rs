//! The command line of the bench.

use std::path::PathBuf;

use clap::{Args, Parser};

/// Measures postkey against the raw operations that it is made of, in one run on one machine.
#[derive(Parser, Debug)]
#[command(name = "load", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub subcommand: Subcommand,
}

/// What it can do.
#[derive(clap::Subcommand, Debug)]
pub enum Subcommand {
    /// Measure the rows and print the table
    Bench(BenchArgs),
    /// Carry out one job of load, read as JSON from stdin; the bench starts these itself
    #[command(hide = true)]
    Work,
    /// Answer JSON with the same JSON until killed; the bench starts it itself
    #[command(hide = true)]
    Echo,
}

/// What to measure, and how.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  load bench                                      every row
  load bench --only edits-sqlite --only logins    two of them
  load bench --quick                              a smoke run, a few seconds a row")]
pub struct BenchArgs {
    /// A few seconds a row: shows that it runs; its figures are no evidence
    #[arg(long)]
    pub quick: bool,
    /// The row to measure, by its id; may be given several times [default: all]
    #[arg(long, value_name = "ROW")]
    pub only: Vec<String>,
    /// Seconds that each side of a round is timed [default: 5, with --quick 2]
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<f64>,
    /// Rounds of each row [default: 3, with --quick 1]
    #[arg(long, value_name = "N")]
    pub rounds: Option<usize>,
    /// Entries of the log that the read model is rebuilt from [default: 1000000, with --quick 20000]
    #[arg(long, value_name = "N")]
    pub entries: Option<u64>,
    /// The postkey to measure [default: the one beside this program]
    #[arg(long, env = "POSTKEY_BIN", value_name = "FILE")]
    pub postkey: Option<PathBuf>,
    /// The program of tests/load/peers; without it the rows that need it fail
    #[arg(long, value_name = "FILE")]
    pub peers: Option<PathBuf>,
    /// Where the report goes as JSON
    #[arg(long, value_name = "FILE", default_value = "target/bench/bench.json")]
    pub out: PathBuf,
}
