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
mod token;
mod up;
mod waiting;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Subcommand};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return args::refused(&error),
    };
    journal::start(&cli.journal);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::Failure::failed(format!("the runtime can't start: {error}")).report(),
    };
    let outcome = runtime.block_on(async {
        match cli.subcommand {
            Subcommand::Up(args) => up::up(args).await,
            Subcommand::Command(args) => command::command(args).await,
            Subcommand::Projection(args) => projection::projection(args).await,
            Subcommand::Panel(args) => panel::panel(args).await,
            Subcommand::Init(args) => init::init(&args),
            Subcommand::Token(args) => token::token(args.action),
            Subcommand::Rebuild(args) => rebuild::rebuild(args).await,
            Subcommand::Audit(args) => audit::audit(args).await,
            Subcommand::Keys(action) => keys::keys(action).await,
            Subcommand::Copy(args) => copy::copy(args).await,
            Subcommand::Nats(action) => nats::nats(action).await,
            Subcommand::Postgres(action) => postgres::postgres(action).await,
            Subcommand::Healthy(args) => healthy::healthy(args).await,
            Subcommand::Version => journal::print(format_args!("postkey {}", env!("CARGO_PKG_VERSION"))),
        }
    });
    outcome.map_or_else(failure::Failure::report, |()| ExitCode::SUCCESS)
}
