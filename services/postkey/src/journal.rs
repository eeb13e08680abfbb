//! What the process says: the log on stderr, answers on stdout.

use std::fmt::Arguments;
use std::io::{self, Write};
use std::panic;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// How the log is written.
#[derive(Args, Debug)]
pub struct JournalArgs {
    /// What is logged on stderr: error, warn, info, debug, or a filter such as "info,event_log=debug"
    #[arg(long, global = true, env = "POSTKEY_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    log_level: String,
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

/// Starts the log, and keeps what a panic says out of it: it could hold anything.
pub fn start(args: &JournalArgs) {
    // sqlx logs statements at debug; their parameters never.
    let filter = EnvFilter::try_new(&args.log_level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    match args.log_format {
        Format::Text => builder.with_ansi(false).init(),
        Format::Json => builder.json().flatten_event(true).init(),
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
