//! What is typed goes before what the environment says: in a container whose environment names the stores, a command may still be
//! given others.

use std::ffi::OsString;

use clap::builder::{OsStr, Resettable};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::args::Cli;

/// Reads a command line. Of two arguments that exclude each other the typed one counts, where the environment says the other; of
/// two that the environment says, the one that has no default.
///
/// # Errors
/// What is wrong with it: two that exclude each other, where both were typed, too.
pub fn parse(line: impl Iterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let line: Vec<_> = line.collect();
    let mut command = Cli::command();
    // Only where each value comes from is asked here; what is wrong is found below.
    if let Ok(found) = Cli::command().ignore_errors(true).try_get_matches_from(&line) {
        command = unheard(command, &found);
    }
    let mut matches = command.try_get_matches_from(&line)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut Cli::command()))
}

/// The same command, whose environment says nothing that is excluded.
fn unheard(command: Command, found: &ArgMatches) -> Command {
    if let Some((name, found)) = found.subcommand() {
        return command.mut_subcommand(name, |subcommand| unheard(subcommand, found));
    }
    let is_excluded = |arg: &&Arg| {
        let says = |arg: &Arg| found.value_source(arg.get_id().as_str());
        says(arg) == Some(ValueSource::EnvVariable)
            && command.get_arguments().filter(|other| exclude(&command, arg, other)).any(|other| match says(other) {
                Some(ValueSource::CommandLine) => true,
                Some(ValueSource::EnvVariable) => !arg.get_default_values().is_empty(),
                _ => false,
            })
    };
    let excluded: Vec<_> = command.get_arguments().filter(is_excluded).map(|arg| arg.get_id().clone()).collect();
    let deaf = |arg: Arg| arg.env(Resettable::<OsStr>::Reset);
    excluded.into_iter().fold(command, |command, id| command.mut_arg(id, deaf))
}

/// Whether two arguments exclude each other: one of them says so.
fn exclude(command: &Command, one: &Arg, other: &Arg) -> bool {
    let says = |one: &Arg, other: &Arg| {
        command.get_arg_conflicts_with(one).iter().any(|excluded| excluded.get_id() == other.get_id())
    };
    says(one, other) || says(other, one)
}
