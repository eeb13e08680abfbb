//! The command line. Help teaches by example.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, ValueEnum};
use credential::Profile;
use event_log::NatsConfig;
use postkey_http::{Health, Metrics};
use throttle::Limits;

use crate::audit::AuditArgs;
use crate::copy::CopyArgs;
use crate::failure::Failure;
use crate::healthy::HealthyArgs;
use crate::init::InitArgs;
use crate::journal::JournalArgs;
use crate::keys::KeysAction;
use crate::nats::NatsAction;
use crate::panel::{PagesArgs, PanelArgs};
use crate::postgres::PostgresAction;
use crate::rebuild::RebuildArgs;
use crate::stores::{ActivityArgs, ActivityLimitArgs, LogUrl, StoreUrl};
use crate::token::TokenArgs;

/// Mailbox passwords that change when Save answers, with a history that can be proved.
///
/// One command service writes every change to an event log; one projection service applies it to the read model that
/// webmail checks at login; the panel is where customers do it. `postkey up` runs all three in one process, on files in one folder.
#[derive(Parser, Debug)]
#[command(
    name = "postkey",
    version,
    after_help = "\
Examples:
  postkey up --demo                  everything on ./postkey-data, with a service and users to try
  postkey up --data /var/lib/postkey everything on that folder; tokens for clients are in its tokens/
  postkey panel account add ann --customer acme --data /var/lib/postkey
  postkey token new --role panel --name shop --customer acme --data /var/lib/postkey
  postkey rebuild --data /var/lib/postkey
  postkey audit verify --data /var/lib/postkey --pin seen

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
    /// The customer panel, a frontend over both, and who may sign in to it
    Panel(PanelArgs),
    /// Make the files that separate services need: keyring, ledger key, clients, the command service's token
    Init(InitArgs),
    /// Make or revoke the bearer tokens of clients
    Token(TokenArgs),
    /// Make the read model anew from the log, also while logins run
    Rebuild(RebuildArgs),
    /// Look at history without trust in the services: verify, replay, show, export, prove, tail
    Audit(AuditArgs),
    /// Replace keys by new ones
    #[command(subcommand)]
    Keys(KeysAction),
    /// Move the log to another store: closes it where it is, and opens it where it goes, once both are the same
    Copy(CopyArgs),
    /// Make or look at the stream that holds the log in NATS
    #[command(subcommand)]
    Nats(NatsAction),
    /// Make or migrate the databases of PostgreSQL
    #[command(subcommand)]
    Postgres(PostgresAction),
    /// Ask a service whether it is well, for health checks
    Healthy(HealthyArgs),
    /// Print the version
    Version,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  postkey up --demo                             on ./postkey-data, with a service, users and a sign-in to the panel to try
  postkey up --data /var/lib/postkey            in earnest; clients' tokens are in its tokens/
  postkey panel account add ann --customer acme --data /var/lib/postkey   lets a customer sign in to its panel
  postkey up --policy strict --command-listen 127.0.0.1:9081

DIR/endpoints.json says where it listens, while it does. /healthz and /readyz on each say how it is. Back up the whole
folder of a postkey that is stopped; keep the keyring apart from the rest.")]
pub struct UpArgs {
    /// The folder of all files; made on the first start
    #[arg(long, env = "POSTKEY_DATA", default_value = "./postkey-data", value_name = "DIR")]
    pub data: PathBuf,
    /// Make a service acme.example with a few users and a sign-in to the panel, once, and print their passwords
    #[arg(long)]
    pub demo: bool,
    /// Where the customer panel listens; port 0 picks a free one
    #[arg(long, env = "POSTKEY_PANEL_LISTEN", default_value = "127.0.0.1:8080", value_name = "IP:PORT")]
    pub panel_listen: SocketAddr,
    /// Where the command service listens
    #[arg(long, env = "POSTKEY_COMMAND_LISTEN", default_value = "127.0.0.1:8081", value_name = "IP:PORT")]
    pub command_listen: SocketAddr,
    /// Where the projection service listens
    #[arg(long, env = "POSTKEY_PROJECTION_LISTEN", default_value = "127.0.0.1:8082", value_name = "IP:PORT")]
    pub projection_listen: SocketAddr,
    #[command(flatten)]
    pub insecure: InsecureArgs,
    #[command(flatten)]
    pub deciding: DecidingArgs,
    #[command(flatten)]
    pub projecting: ProjectingArgs,
    #[command(flatten)]
    pub throttle: ThrottleArgs,
    #[command(flatten)]
    pub metrics: MetricsArgs,
    #[command(flatten)]
    pub activity: ActivityLimitArgs,
    #[command(flatten)]
    pub pages: PagesArgs,
}

#[derive(Args, Clone, Copy, Debug)]
pub struct InsecureArgs {
    /// Listen on other addresses than loopback, in plain HTTP, because a proxy in front ends TLS
    #[arg(long, env = "POSTKEY_INSECURE_LISTEN")]
    pub insecure_listen: bool,
}

/// How the command service decides.
#[derive(Args, Clone, Copy, Debug)]
pub struct DecidingArgs {
    /// What new passwords must be: guide, standard or strict
    #[arg(long, env = "POSTKEY_POLICY", default_value = "standard")]
    pub policy: Profile,
    /// How many users the command service keeps in memory, about 1 KiB each, of the services asked for lately
    #[arg(long, env = "POSTKEY_USERS_IN_MEMORY", default_value_t = postkey_command::MOST_USERS, value_name = "N")]
    pub users_in_memory: usize,
}

/// How the projection service stands by its rows.
#[derive(Args, Clone, Copy, Debug)]
pub struct ProjectingArgs {
    /// For how many seconds logins are answered while the log can't be asked whether the read model is current
    #[arg(long, env = "POSTKEY_FRESHNESS_BOUND", default_value = "60", value_name = "SECONDS", value_parser = seconds)]
    pub freshness_bound: Duration,
    /// How many entries a second are folded again in the background, to find rows that were changed behind our back; 0: none
    #[arg(long, env = "POSTKEY_DRIFT_ENTRIES_PER_SECOND", default_value_t = 500, value_name = "N")]
    pub drift_entries_per_second: u64,
}

#[derive(Args, Clone, Copy, Debug)]
pub struct ThrottleArgs {
    /// How many accounts and origins with wrong passwords are remembered: so many with few, and as many that have to wait
    #[arg(long, env = "POSTKEY_THROTTLE_ENTRIES", default_value_t = Limits::ENTRIES, value_name = "N", value_parser = entries)]
    throttle_entries: NonZeroUsize,
}

impl ThrottleArgs {
    /// Who may try a password, and when.
    pub fn limits(self) -> Limits {
        Limits::keeping(self.throttle_entries)
    }
}

fn entries(text: &str) -> Result<NonZeroUsize, &'static str> {
    match text.parse::<NonZeroUsize>() {
        Ok(entries) if (256..=16_777_216).contains(&entries.get()) => Ok(entries),
        _ => Err("256 to 16777216"),
    }
}

#[derive(Args, Clone, Copy, Debug)]
pub struct MetricsArgs {
    /// Whether /metrics shows what happens, to whoever can reach the service
    #[arg(long, env = "POSTKEY_METRICS", default_value = "on")]
    metrics: Switch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

impl MetricsArgs {
    /// The metrics of a service, where there are to be any.
    pub fn of(self, health: &Health) -> Option<Metrics> {
        (self.metrics == Switch::On).then(|| Metrics::new(health))
    }
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
    /// The event log: sqlite:PATH, or nats://HOST:PORT[,HOST:PORT…] (tls:// for TLS)
    #[arg(long, env = "POSTKEY_LOG", value_name = "URL", hide_env_values = true)]
    pub log: LogUrl,
    #[command(flatten)]
    pub nats: NatsArgs,
}

/// How NATS is spoken to, and what is asked of it.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "NATS")]
pub struct NatsArgs {
    /// Who we are: a file with an nkey's seed, or a .creds file; read again at each connection
    #[arg(long, env = "POSTKEY_NATS_CREDENTIALS", value_name = "FILE")]
    pub nats_credentials: Option<PathBuf>,
    /// The certificates of the authorities to trust, instead of the system's (PEM)
    #[arg(long, env = "POSTKEY_NATS_CA", value_name = "FILE")]
    pub nats_ca: Option<PathBuf>,
    /// Our certificate (PEM), where the servers ask for one
    #[arg(long, env = "POSTKEY_NATS_CLIENT_CERT", value_name = "FILE", requires = "nats_client_key")]
    pub nats_client_cert: Option<PathBuf>,
    /// The key of our certificate (PEM)
    #[arg(long, env = "POSTKEY_NATS_CLIENT_KEY", value_name = "FILE", requires = "nats_client_cert")]
    pub nats_client_key: Option<PathBuf>,
    /// TLS begins before the server says anything, as `handshake_first` wants it
    #[arg(long, env = "POSTKEY_NATS_TLS_FIRST")]
    pub nats_tls_first: bool,
    /// Every server's monitoring, http://HOST:8222: a writer asks them whether they sync before they acknowledge
    #[arg(long, env = "POSTKEY_NATS_MONITOR", value_name = "URL", value_delimiter = ',')]
    pub nats_monitor: Vec<String>,
    /// How many servers hold the log: where it is made, and checked where it is there [default: 3 in a cluster, else 1]
    #[arg(long, env = "POSTKEY_NATS_REPLICAS", value_name = "N", value_parser = replicas)]
    pub nats_replicas: Option<usize>,
    /// What questions to JetStream begin with, where an account behind service imports names it otherwise
    #[arg(long, env = "POSTKEY_NATS_API_PREFIX", value_name = "PREFIX", default_value = "$JS.API")]
    pub nats_api_prefix: String,
    /// What the subjects of answers to us begin with
    #[arg(long, env = "POSTKEY_NATS_INBOX_PREFIX", value_name = "PREFIX", default_value = "_INBOX")]
    pub nats_inbox_prefix: String,
    /// The durable consumer to follow by, one for each projection; without one, we make our own each time
    #[arg(long, env = "POSTKEY_NATS_CONSUMER", value_name = "NAME", value_parser = consumer_name)]
    pub nats_consumer: Option<String>,
    /// Accept servers that acknowledge before they have written to their disks: a power cut loses changes then
    #[arg(long, env = "POSTKEY_ALLOW_LAZY_SYNC")]
    pub allow_lazy_sync: bool,
}

impl LogArgs {
    /// A log that needs no more than its URL.
    pub fn of(log: LogUrl) -> Self {
        Self { log, nats: NatsArgs::default() }
    }
}

impl NatsArgs {
    /// What the store wants to know.
    pub fn config(&self, servers: &[String]) -> NatsConfig {
        NatsConfig {
            credentials: self.nats_credentials.clone(),
            ca: self.nats_ca.clone(),
            client_certificate: self.nats_client_cert.clone().zip(self.nats_client_key.clone()),
            tls_first: self.nats_tls_first,
            api_prefix: self.nats_api_prefix.clone(),
            inbox_prefix: self.nats_inbox_prefix.clone(),
            consumer: self.nats_consumer.clone(),
            ..NatsConfig::new(servers.to_vec())
        }
    }
}

/// A consumer's name is a token of the subjects by which it is asked.
pub fn consumer_name(text: &str) -> Result<String, &'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !text.is_empty() && text.len() <= 64 && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("up to 64 of A-Z, a-z, 0-9, - and _")
    }
}

fn replicas(text: &str) -> Result<usize, &'static str> {
    match text.parse() {
        Ok(replicas @ (1 | 3 | 5)) => Ok(replicas),
        _ => Err("1, 3 or 5"),
    }
}

/// What both services read besides the stores.
#[derive(Args, Clone, Debug)]
pub struct FileArgs {
    /// Who may ask what; `postkey token new` writes it
    #[arg(long, env = "POSTKEY_CLIENTS_FILE", value_name = "FILE")]
    pub clients_file: PathBuf,
    /// The key that the projection signs checkpoints with; without it, it serves what others sign
    #[arg(long, env = "POSTKEY_LEDGER_KEY_FILE", value_name = "FILE")]
    pub ledger_key_file: Option<PathBuf>,
}

/// The keys that open entries.
#[derive(Args, Clone, Debug)]
pub struct KeyArgs {
    /// The key store: sqlite:PATH, or postgres://ROLE@HOST:PORT/DATABASE
    #[arg(long, env = "POSTKEY_KEYS", value_name = "URL", hide_env_values = true)]
    pub keys: StoreUrl,
    /// The file of that role's password
    #[arg(long, env = "POSTKEY_KEYS_PASSWORD_FILE", value_name = "FILE")]
    pub keys_password_file: Option<PathBuf>,
    /// The keyring file that wraps them (mode 0600); `postkey init` makes one
    #[arg(long, env = "POSTKEY_KEYRING_FILE", value_name = "FILE")]
    pub keyring_file: PathBuf,
}

impl KeyArgs {
    /// Keys that need no password.
    pub const fn of(keys: StoreUrl, keyring_file: PathBuf) -> Self {
        Self { keys, keys_password_file: None, keyring_file }
    }

    /// Where they are, with the role's password.
    pub fn url(&self) -> Result<StoreUrl, Failure> {
        self.keys.clone().with_password_file(self.keys_password_file.as_deref())
    }
}

/// The auth read model.
#[derive(Args, Clone, Debug)]
pub struct ReadModelArgs {
    /// The auth read model: sqlite:PATH, or postgres://ROLE@HOST:PORT/DATABASE
    #[arg(long, env = "POSTKEY_READ_MODEL", value_name = "URL", hide_env_values = true)]
    pub read_model: StoreUrl,
    /// The file of that role's password
    #[arg(long, env = "POSTKEY_READ_MODEL_PASSWORD_FILE", value_name = "FILE")]
    pub read_model_password_file: Option<PathBuf>,
}

impl ReadModelArgs {
    /// Where it is, with the role's password.
    pub fn url(&self) -> Result<StoreUrl, Failure> {
        self.read_model.clone().with_password_file(self.read_model_password_file.as_deref())
    }
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example, after `postkey init DIR`:
  postkey command --log sqlite:DIR/log.db --keys sqlite:DIR/keys.db --keyring-file DIR/keyring \\
    --clients-file DIR/clients.json --projection-url http://127.0.0.1:8082 --token-file DIR/tokens/service.token

On NATS JetStream and PostgreSQL, any number of them beside each other:
  postkey command --log nats://n1:4222,n2:4222,n3:4222 --nats-monitor http://n1:8222,http://n2:8222,http://n3:8222 \\
    --keys postgres://postkey_keys@db/postkey_keys --keys-password-file FILE --keyring-file FILE \\
    --clients-file FILE --projection-url http://p1:8082,http://p2:8082 --token-file FILE

It makes the log where there is none and it may. It writes `listening on URL` to stdout once it listens; what it waits
for, such as a server that is down, stands in its /healthz.")]
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
    pub deciding: DecidingArgs,
    #[command(flatten)]
    pub throttle: ThrottleArgs,
    #[command(flatten)]
    pub metrics: MetricsArgs,
    #[command(flatten)]
    pub activity: ActivityArgs,
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

On NATS JetStream and PostgreSQL, two beside each other on one database: one leads, the other takes over within 5 s:
  postkey projection --log nats://n1:4222,n2:4222,n3:4222 --keys postgres://postkey_keys@db/postkey_keys \\
    --keys-password-file FILE --keyring-file FILE --read-model postgres://postkey_projector@db/postkey \\
    --read-model-password-file FILE --clients-file FILE

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
    #[command(flatten)]
    pub read_model: ReadModelArgs,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub projecting: ProjectingArgs,
    #[command(flatten)]
    pub throttle: ThrottleArgs,
    #[command(flatten)]
    pub metrics: MetricsArgs,
    #[command(flatten)]
    pub activity: ActivityArgs,
}

/// Says so where a URL on the command line holds a password: whoever may list this machine's processes reads it there.
pub fn warn_of_passwords(mut arguments: impl Iterator<Item = OsString>) {
    if arguments.any(|argument| holds_password(&argument.to_string_lossy())) {
        tracing::warn!(
            "a URL on the command line holds a password, which everybody on this machine can see: give a file \
             (--nats-credentials, --keys-password-file, --read-model-password-file, --activity-password-file), or the URL by its variable POSTKEY_…"
        );
    }
}

/// Whether one of the URLs in an argument has a password before its host (RFC 3986 §3.2.1).
fn holds_password(argument: &str) -> bool {
    argument.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        authority.split(',').any(|server| server.rsplit_once('@').is_some_and(|(login, _)| login.contains(':')))
    })
}

/// Tells what is wrong with the command line, or shows the help that was asked for. A value that is no URL of a store is
/// not repeated: it may hold a password.
pub fn refused(error: &clap::Error) -> ExitCode {
    let secret =
        matches!(error.get(ContextKind::InvalidValue), Some(ContextValue::String(value)) if value.contains("://"));
    if !secret {
        // Where nobody can be told, the exit code still tells.
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    }
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument.as_str(),
        _ => "an argument",
    };
    let why = std::error::Error::source(error).map(|why| format!(": {why}")).unwrap_or_default();
    Failure::usage(format!("a value for {argument} can't be read{why}")).report()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_seen_and_nothing_else_is_taken_for_one() {
        for url in [
            "postgres://role:word@db/x",
            "--log=nats://a:b@n1:4222",
            "nats://n1:1,a:b@n2:4222",
            "tls://n1,tls://a:b@n2",
        ] {
            assert!(holds_password(url), "{url}");
        }
        for plain in
            ["postgres://role@db:5432/x", "nats://n1:4222,n2:4222", "http://127.0.0.1:8082/a:b@c", "a:b@c", "--listen"]
        {
            assert!(!holds_password(plain), "{plain}");
        }
    }
}
