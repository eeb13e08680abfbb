//! `postkey panel`: the customer panel as a process of its own, and its accounts.

mod account;
mod args;

use std::path::PathBuf;
use std::sync::Arc;

use credential::Hasher;
use postkey_http::{CommandClient, Health, Metrics, QueryClient, VerifyClient};
use postkey_panel::accounts::Accounts;
use secrecy::SecretString;
use throttle::Limits;

pub use self::account::{NewPassword, add};
use self::args::{AloneArgs, PanelAction};
pub use self::args::{PagesArgs, PanelArgs};
use crate::args::warn_of_passwords;
use crate::edges::{SystemClock, SystemEntropy};
use crate::failure::Failure;
use crate::folder::read_token;
use crate::journal::print;
use crate::services::{listen_at, start_hasher, stop_on_signal};

pub async fn panel(args: PanelArgs) -> Result<(), Failure> {
    match args.action {
        Some(PanelAction::Account(action)) => account::account(action).await,
        None => alone(args.alone).await,
    }
}

/// A panel of its own.
async fn alone(args: AloneArgs) -> Result<(), Failure> {
    let stop = stop_on_signal()?;
    let upstream = Upstream {
        command_url: &named(args.command_url, "--command-url")?,
        projection_url: &named(args.projection_url, "--projection-url")?,
        token: read_token(&named(args.token_file, "--token-file")?)?,
        webmail_token: args.webmail_token_file.map(|path: PathBuf| read_token(&path)).transpose()?,
    };
    let accounts = Accounts::open(&named(args.accounts, "--accounts")?).await?;
    let health = Health::new();
    let metrics = args.metrics.of(&health);
    let edge = PanelEdge { hasher: start_hasher()?, limits: args.throttle.limits(), health, metrics };
    let parts = parts(&upstream, accounts.clone(), args.pages, edge)?;
    let listener = listen_at("--listen", args.listen, args.insecure.insecure_listen).await?;
    print(format_args!("listening on http://{}", listener.local_addr()?))?;
    warn_of_passwords(std::env::args_os());
    let ran = postkey_panel::run(parts, listener, stop).await;
    accounts.close().await;
    Ok(ran?)
}

/// What clap has made sure of, but where a subcommand stands.
fn named<T>(value: Option<T>, option: &str) -> Result<T, Failure> {
    value.ok_or_else(|| Failure::usage(format!("{option} is missing")))
}

/// The services that the panel asks.
pub struct Upstream<'a> {
    /// The command service.
    pub command_url: &'a str,
    /// A projection service.
    pub projection_url: &'a str,
    /// The token of role panel.
    pub token: SecretString,
    /// That of role webmail, where there is to be a sign-in page.
    pub webmail_token: Option<SecretString>,
}

/// What the panel has beside its accounts.
pub struct PanelEdge {
    /// The threads that hash.
    pub hasher: Arc<Hasher>,
    /// Who may try a password, and when.
    pub limits: Limits,
    /// The checks that health shows.
    pub health: Health,
    /// What `/metrics` shows, if it does.
    pub metrics: Option<Metrics>,
}

/// What the panel is made of, the same for `up` and for one of its own.
pub fn parts(
    upstream: &Upstream<'_>,
    accounts: Accounts,
    pages: PagesArgs,
    edge: PanelEdge,
) -> Result<postkey_panel::Parts, Failure> {
    let verify = upstream.webmail_token.as_ref().map(|token| VerifyClient::new(upstream.projection_url, token));
    Ok(postkey_panel::Parts {
        accounts,
        sessions: pages.sessions(),
        commands: CommandClient::new(upstream.command_url, &upstream.token)?,
        queries: QueryClient::new(upstream.projection_url, &upstream.token)?,
        verify: verify.transpose()?,
        hasher: edge.hasher,
        limits: edge.limits,
        places: pages.places(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        health: edge.health,
        metrics: edge.metrics,
    })
}
