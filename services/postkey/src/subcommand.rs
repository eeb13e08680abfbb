//! Which file runs which subcommand.

use crate::args::Subcommand;
use crate::failure::Failure;
use crate::{
    audit, command, copy, healthy, init, journal, keys, nats, panel, postgres, projection, rebuild, token, up,
};

/// Runs it to its end.
pub(crate) async fn run(subcommand: Subcommand) -> Result<(), Failure> {
    match subcommand {
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
}
