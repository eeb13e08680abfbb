//! The command line. Help teaches by example.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser};
use credential::Profile;

use crate::init::InitArgs;
use crate::journal::JournalArgs;
use crate::rebuild::RebuildArgs;
use crate::token::TokenArgs;

/// Mailbox passwords that change when Save answers, with a history that can be proved.
///
/// One command service writes every change to an event log; one projection service applies it to the read model that
/// webmail checks at login. `postkey up` runs both in one process, on files in one folder.
#[derive(Parser, Debug)]
#[command(
    name = "postkey",
    version,
    after_help = "\
Examples:
  postkey up --demo                  everything on ./postkey-data, with a service and users to try
  postkey up --data /var/lib/postkey everything on that folder; tokens for clients are in its tokens/
  postkey token new --role panel --name shop --customer acme --data /var/lib/postkey
  postkey rebuild --data /var/lib/postkey

Exit codes: 0 done, 1 it failed, 2 usage or could not look. `postkey COMMAND --help` says more."
)]
pub struct Cli {
    #[command(subcommand)]
    pub subcommand: Subcommand,
    #[command(flatten)]
    pub journal: JournalArgs,
}

#[derive(clap::Subcommand, Debug)]
pub enum Subcommand {
    /// Everything in one process, on embedded stores in one folder
    Up(UpArgs),
    /// The command service: validates changes and appends them to the log
    Command(CommandArgs),
    /// The projection service: applies the log to the read model and checks logins
    Projection(ProjectionArgs),
    /// Make the files that separate services need: keyring, ledger key, clients, the command service's token
    Init(InitArgs),
    /// Make or revoke the bearer tokens of clients
    Token(TokenArgs),
    /// Make the read model anew from the log, while no projection service runs
    Rebuild(RebuildArgs),
    /// Print the version
    Version,
}

/// A store's URL, as far as a single machine needs one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteUrl(PathBuf);

impl SqliteUrl {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file by its path.
    pub fn of(path: PathBuf) -> Self {
        Self(path)
    }

    /// The folder that the file is in.
    pub fn folder(&self) -> &Path {
        self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }
}

impl FromStr for SqliteUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(Self(path.trim_start_matches("//").into())),
            _ => Err("write it as sqlite:PATH; this version of postkey has no other stores yet"),
        }
    }
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  postkey up --demo                             on ./postkey-data, with a service and users to try
  postkey up --data /var/lib/postkey            in earnest; clients' tokens are in its tokens/
  postkey up --policy strict --command-listen 127.0.0.1:9081

DIR/endpoints.json says where it listens, while it does. /healthz and /readyz on both say how it is. Back up the whole
folder of a postkey that is stopped; keep the keyring apart from the rest.")]
pub struct UpArgs {
    /// The folder of all files; made on the first start
    #[arg(long, env = "POSTKEY_DATA", default_value = "./postkey-data", value_name = "DIR")]
    pub data: PathBuf,
    /// Make a service acme.example with a few users, once, and print their passwords
    #[arg(long)]
    pub demo: bool,
    /// Where the command service listens; port 0 picks a free one
    #[arg(long, env = "POSTKEY_COMMAND_LISTEN", default_value = "127.0.0.1:8081", value_name = "IP:PORT")]
    pub command_listen: SocketAddr,
    /// Where the projection service listens
    #[arg(long, env = "POSTKEY_PROJECTION_LISTEN", default_value = "127.0.0.1:8082", value_name = "IP:PORT")]
    pub projection_listen: SocketAddr,
    #[command(flatten)]
    pub insecure: InsecureArgs,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub freshness: FreshnessArgs,
}

#[derive(Args, Clone, Copy, Debug)]
pub struct InsecureArgs {
    /// Listen on other addresses than loopback, in plain HTTP, because a proxy in front ends TLS
    #[arg(long, env = "POSTKEY_INSECURE_LISTEN")]
    pub insecure_listen: bool,
}

#[derive(Args, Clone, Copy, Debug)]
pub struct PolicyArgs {
    /// What new passwords must be: guide, standard or strict
    #[arg(long, env = "POSTKEY_POLICY", default_value = "standard")]
    pub policy: Profile,
}

#[derive(Args, Clone, Copy, Debug)]
pub struct FreshnessArgs {
    /// For how many seconds logins are answered while the log can't be asked whether the read model is current
    #[arg(long, env = "POSTKEY_FRESHNESS_BOUND", default_value = "60", value_name = "SECONDS", value_parser = seconds)]
    pub freshness_bound: Duration,
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    match text.parse() {
        Ok(seconds) if seconds <= 3_600 => Ok(Duration::from_secs(seconds)),
        _ => Err("a whole number of seconds, at most 3600"),
    }
}

/// The event log.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// The event log: sqlite:PATH
    #[arg(long, env = "POSTKEY_LOG", value_name = "URL")]
    pub log: SqliteUrl,
}

/// What both services read besides the stores.
#[derive(Args, Clone, Debug)]
pub struct FileArgs {
    /// Who may ask what; `postkey token new` writes it
    #[arg(long, env = "POSTKEY_CLIENTS_FILE", value_name = "FILE")]
    pub clients_file: PathBuf,
    /// The key that checkpoints are signed with, once there are any; checked to be there
    #[arg(long, env = "POSTKEY_LEDGER_KEY_FILE", value_name = "FILE")]
    pub ledger_key_file: Option<PathBuf>,
}

/// The keys that open entries.
#[derive(Args, Clone, Debug)]
pub struct KeyArgs {
    /// The key store: sqlite:PATH
    #[arg(long, env = "POSTKEY_KEYS", value_name = "URL")]
    pub keys: SqliteUrl,
    /// The keyring file that wraps them (mode 0600); `postkey init` makes one
    #[arg(long, env = "POSTKEY_KEYRING_FILE", value_name = "FILE")]
    pub keyring_file: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example, after `postkey init DIR`:
  postkey command --log sqlite:DIR/log.db --keys sqlite:DIR/keys.db --keyring-file DIR/keyring \\
    --clients-file DIR/clients.json --projection-url http://127.0.0.1:8082 --token-file DIR/tokens/service.token

It makes the log where there is none. It writes `listening on URL` to stdout once it listens.")]
pub struct CommandArgs {
    /// Where to listen; port 0 picks a free one
    #[arg(long, env = "POSTKEY_LISTEN", default_value = "127.0.0.1:8081", value_name = "IP:PORT")]
    pub listen: SocketAddr,
    #[command(flatten)]
    pub insecure: InsecureArgs,
    #[command(flatten)]
    pub log: LogArgs,
    #[command(flatten)]
    pub keys: KeyArgs,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// The projection services that share the read model, to ask what is in force
    #[arg(long, env = "POSTKEY_PROJECTION_URL", value_name = "URL", value_delimiter = ',', required = true)]
    pub projection_url: Vec<String>,
    /// The file of the token to ask them with (role service)
    #[arg(long, env = "POSTKEY_TOKEN_FILE", value_name = "FILE")]
    pub token_file: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example, after `postkey init DIR`:
  postkey projection --log sqlite:DIR/log.db --keys sqlite:DIR/keys.db --keyring-file DIR/keyring \\
    --read-model sqlite:DIR/read-model.db --clients-file DIR/clients.json

It waits, listening and red, until the command service has made the log. It writes `listening on URL` to stdout.")]
pub struct ProjectionArgs {
    /// Where to listen; port 0 picks a free one
    #[arg(long, env = "POSTKEY_LISTEN", default_value = "127.0.0.1:8082", value_name = "IP:PORT")]
    pub listen: SocketAddr,
    #[command(flatten)]
    pub insecure: InsecureArgs,
    #[command(flatten)]
    pub log: LogArgs,
    #[command(flatten)]
    pub keys: KeyArgs,
    /// The auth read model: sqlite:PATH
    #[arg(long, env = "POSTKEY_READ_MODEL", value_name = "URL")]
    pub read_model: SqliteUrl,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub freshness: FreshnessArgs,
}
