//! `load`: the bench, and the processes of load that it starts.

use std::process::ExitCode;

use clap::Parser;
use load::args::{Cli, Subcommand};

/// As the product has it, so that the echo is no slower by it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let done = match Cli::parse().subcommand {
        Subcommand::Bench(args) => load::bench::run(args),
        Subcommand::Work => load::work::work(),
        Subcommand::Echo => load::work::echo::serve(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            #[expect(clippy::print_stderr, reason = "what went wrong is told on stderr")]
            {
                eprintln!("load: {failure}");
            }
            ExitCode::FAILURE
        }
    }
}
