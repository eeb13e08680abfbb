//! What the process says: the log on stderr, answers on stdout.

use std::fmt::Arguments;
use std::io::{self, Write};
use std::panic;

use clap::{Args, ValueEnum};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::failure::Failure;

/// How the log is written.
#[derive(Args, Debug)]
pub struct JournalArgs {
    /// What is logged on stderr
    #[arg(long, global = true, env = "POSTKEY_LOG_LEVEL", default_value = "info")]
    log_level: Level,
    /// As lines for people, or as lines of JSON
    #[arg(long, global = true, env = "POSTKEY_LOG_FORMAT", default_value = "text")]
    log_format: Format,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// The least weighty lines that are logged.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

/// Starts the log, and keeps what a panic says out of it: it could hold anything.
pub fn start(args: &JournalArgs) {
    // sqlx logs statements at debug; their parameters never. A line that can't be written (the disk that takes the log is
    // full, whoever reads it has gone) is lost: neither it nor the report of it may end the process.
    let level = LevelFilter::from(args.log_level);
    // The client of NATS traces what it sends, its login too; and that it is connected, we say ourselves.
    let quiet = Targets::new().with_default(level).with_target("async_nats", level.min(LevelFilter::WARN));
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_target(false)
        .log_internal_errors(false);
    match args.log_format {
        Format::Text => builder.with_ansi(false).finish().with(quiet).init(),
        Format::Json => builder.json().flatten_event(true).finish().with(quiet).init(),
    }
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a thread panicked; this is a bug of postkey's, please report the place");
    }));
}

/// Prints a line on stdout.
pub fn print(line: Arguments<'_>) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(Failure::failed)
}
