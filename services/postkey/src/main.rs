//! The one binary of postkey: wiring only. Nothing is decided here.

mod args;
mod audit;
mod command;
mod copy;
mod demo;
mod edges;
mod failure;
mod folder;
mod healthy;
mod init;
mod journal;
mod keys;
mod ledger_files;
mod locks;
mod nats;
mod panel;
mod postgres;
mod progress;
mod projection;
mod rebuild;
mod services;
mod stores;
mod subcommand;
mod token;
mod typed;
mod up;
mod waiting;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match typed::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return args::refused(&error),
    };
    journal::start(&cli.journal);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::Failure::failed(format!("the runtime can't start: {error}")).report(),
    };
    let outcome = runtime.block_on(subcommand::run(cli.subcommand));
    outcome.map_or_else(failure::Failure::report, |()| ExitCode::SUCCESS)
}
