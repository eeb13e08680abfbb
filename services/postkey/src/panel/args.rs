//! The command line of the panel.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use postkey_panel::Places;
use postkey_panel::accounts::Limits;
use reqwest::Url;

use super::account::AccountAction;
use crate::args::{InsecureArgs, MetricsArgs, ThrottleArgs};

/// Whoever keeps mail running on a machine has this address (RFC 5321 §4.5.1).
const SUPPORT: &str = "mailto:postmaster@localhost";
/// The longest session: a month.
const LONGEST_SESSION: u64 = 31 * 86_400;

#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples, where the services run by `postkey command` and `postkey projection`:
  postkey token new --role panel --name panel --customer '*' --clients-file DIR/clients.json > DIR/tokens/panel.token
  postkey panel account add ann --customer acme --accounts DIR/panel.db
  postkey panel --command-url http://127.0.0.1:8081 --projection-url http://127.0.0.1:8082 \\
    --token-file DIR/tokens/panel.token --accounts DIR/panel.db

Behind a proxy that ends TLS:
  postkey panel … --public-url https://panel.example --behind-proxy --webmail-url https://webmail.example \\
    --support-url https://help.example

It writes `listening on URL` to stdout once it listens. Customers sign in by accounts of its own, which
`postkey panel account --help` is about; `postkey up` serves the panel too."
)]
pub struct PanelArgs {
    #[command(subcommand)]
    pub action: Option<PanelAction>,
    #[command(flatten)]
    pub alone: AloneArgs,
}

#[derive(clap::Subcommand, Debug)]
pub enum PanelAction {
    /// Who may sign in to the panel: add, list, disable, give another password
    #[command(subcommand)]
    Account(AccountAction),
}

/// A panel in a process of its own. What is required is not asked for beside a subcommand, so the fields can't require it.
#[derive(Args, Debug)]
pub struct AloneArgs {
    /// Where to listen; port 0 picks a free one
    #[arg(long, env = "POSTKEY_LISTEN", default_value = "127.0.0.1:8080", value_name = "IP:PORT")]
    pub listen: SocketAddr,
    #[command(flatten)]
    pub insecure: InsecureArgs,
    /// The command service, which changes are sent to
    #[arg(long, env = "POSTKEY_COMMAND_URL", value_name = "URL", required = true, hide_env_values = true)]
    pub command_url: Option<String>,
    /// A projection service, which is asked for lists
    #[arg(long, env = "POSTKEY_PROJECTION_URL", value_name = "URL", required = true, hide_env_values = true)]
    pub projection_url: Option<String>,
    /// The file of the token to ask both with (role panel, made with --customer '*')
    #[arg(long, env = "POSTKEY_TOKEN_FILE", value_name = "FILE", required = true)]
    pub token_file: Option<PathBuf>,
    /// The file of the token to check webmail sign-ins with (role webmail); without it there is no webmail sign-in page
    #[arg(long, env = "POSTKEY_WEBMAIL_TOKEN_FILE", value_name = "FILE")]
    pub webmail_token_file: Option<PathBuf>,
    /// The file of accounts and sessions; made where there is none
    #[arg(long, env = "POSTKEY_ACCOUNTS", value_name = "FILE", required = true)]
    pub accounts: Option<PathBuf>,
    #[command(flatten)]
    pub throttle: ThrottleArgs,
    #[command(flatten)]
    pub metrics: MetricsArgs,
    #[command(flatten)]
    pub pages: PagesArgs,
}

/// What the panel's pages say of other places, and for how long somebody stays signed in.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Panel")]
pub struct PagesArgs {
    /// Where browsers reach the panel, where that is not where it listens; https:// makes its cookies ones for TLS only
    #[arg(long, env = "POSTKEY_PUBLIC_URL", value_name = "URL", value_parser = origin)]
    public_url: Option<String>,
    /// Take who asks from the last address of X-Forwarded-For: only where a proxy in front always writes it
    #[arg(long, env = "POSTKEY_BEHIND_PROXY")]
    behind_proxy: bool,
    /// Where "Go to Webmail" leads, https:// or http:// [default: the panel's own webmail sign-in page, if it has one]
    #[arg(long, env = "POSTKEY_WEBMAIL_URL", value_name = "URL", value_parser = page)]
    webmail_url: Option<String>,
    /// Where people get help: https://, http:// or mailto:
    #[arg(long, env = "POSTKEY_SUPPORT_URL", value_name = "URL", value_parser = page_or_mail, default_value = SUPPORT)]
    support_url: String,
    /// After how many seconds without a click somebody has to sign in again
    #[arg(long, env = "POSTKEY_SESSION_IDLE", value_name = "SECONDS", value_parser = session, default_value = "1800")]
    session_idle: Duration,
    /// After how many seconds in any case
    #[arg(long, env = "POSTKEY_SESSION_LIFETIME", value_name = "SECONDS", value_parser = session, default_value = "43200")]
    session_lifetime: Duration,
}

impl PagesArgs {
    /// How long a session lasts.
    pub const fn sessions(&self) -> Limits {
        Limits { idle: self.session_idle, whole: self.session_lifetime }
    }

    /// Where things are.
    pub fn places(self) -> Places {
        Places {
            public: self.public_url,
            forwarded: self.behind_proxy,
            webmail: self.webmail_url,
            support: self.support_url,
        }
    }
}

fn session(text: &str) -> Result<Duration, &'static str> {
    match text.parse() {
        Ok(seconds @ 1..=LONGEST_SESSION) => Ok(Duration::from_secs(seconds)),
        _ => Err("a whole number of seconds, 1 to 2678400"),
    }
}

/// An origin (RFC 6454 §6.2): scheme, host and port, and nothing behind them.
fn origin(text: &str) -> Result<String, &'static str> {
    let plain = http(text).filter(|url| url.path() == "/" && url.query().or(url.fragment()).is_none());
    // As a browser writes it: in lower case, without the scheme's own port.
    plain.map(|url| url.origin().ascii_serialization()).ok_or("write it as https://HOST[:PORT], without a path")
}

fn page(text: &str) -> Result<String, &'static str> {
    http(text).map(String::from).ok_or("write it as https://HOST/… or http://HOST/…, without a user")
}

fn page_or_mail(text: &str) -> Result<String, &'static str> {
    let mail = Url::parse(text).ok().filter(|url| url.scheme() == "mailto" && url.path().contains('@'));
    let url = mail.or_else(|| http(text));
    url.map(String::from)
        .ok_or("write it as https://HOST/…, http://HOST/… or mailto:NAME@HOST, without a user before the host")
}

/// A page of the web, without a user or a password before its host.
fn http(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.has_host();
    (plain && matches!(url.scheme(), "http" | "https")).then_some(url)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Subcommand};

    const ALONE: [&str; 10] = [
        "postkey",
        "panel",
        "--command-url",
        "http://127.0.0.1:8081",
        "--projection-url",
        "http://127.0.0.1:8082",
        "--token-file",
        "panel.token",
        "--accounts",
        "panel.db",
    ];

    fn panel(arguments: &[&str]) -> Result<PanelArgs, clap::Error> {
        match Cli::try_parse_from(arguments)?.subcommand {
            Subcommand::Panel(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_panel_of_its_own_needs_both_services_a_token_and_accounts() {
        let args = panel(&ALONE).unwrap();
        assert_eq!((args.alone.listen, args.action.is_none()), ("127.0.0.1:8080".parse().unwrap(), true));
        for left_out in (2..ALONE.len()).step_by(2) {
            let without = [&ALONE[..left_out], &ALONE[left_out + 2..]].concat();
            let refused = panel(&without).unwrap_err().to_string();
            assert!(refused.contains(ALONE[left_out]), "{refused}");
        }
    }

    #[test]
    fn beside_a_subcommand_nothing_of_a_running_panel_is_asked_for_or_taken() {
        let listed = panel(&["postkey", "panel", "account", "list", "--accounts", "panel.db"]).unwrap();
        assert!(matches!(listed.action, Some(PanelAction::Account(AccountAction::List { .. }))));
        assert!(panel(&[&ALONE[..], &["account", "list"]].concat()).is_err());
        for wrong in [&["add", "ann"][..], &["add", "a b", "--customer", "acme"], &["add", "ann", "--customer", "a b"]]
        {
            assert!(panel(&[&["postkey", "panel", "account"][..], wrong].concat()).is_err(), "{wrong:?}");
        }
    }

    fn pages(arguments: &[&str]) -> Result<PagesArgs, clap::Error> {
        panel(&[&ALONE[..], arguments].concat()).map(|args| args.alone.pages)
    }

    #[test]
    fn sessions_last_half_an_hour_idle_and_half_a_day_in_all_unless_told_otherwise() {
        let usual = pages(&[]).unwrap().sessions();
        assert_eq!((usual.idle, usual.whole), (Limits::default().idle, Limits::default().whole));
        let told = pages(&["--session-idle", "60", "--session-lifetime", "600"]).unwrap().sessions();
        assert_eq!((told.idle.as_secs(), told.whole.as_secs()), (60, 600));
        for wrong in ["0", "-1", "1.5", "2678401", "x"] {
            assert!(pages(&["--session-idle", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn browsers_reach_the_panel_at_an_origin() {
        let public = |url| pages(&["--public-url", url]).map(|pages| pages.places().public.unwrap());
        assert_eq!(public("https://Panel.example:443/").unwrap(), "https://panel.example");
        assert_eq!(public("http://127.0.0.1:8080").unwrap(), "http://127.0.0.1:8080");
        for wrong in ["panel.example", "https://", "https://a.example/panel", "https://a.example?x", "ftp://a.example"]
        {
            assert!(public(wrong).is_err(), "{wrong}");
        }
        assert!(public("https://u:TOP-SECRET@a.example").is_err());
    }

    #[test]
    fn links_lead_to_pages_or_to_a_mail() {
        let usual = pages(&[]).unwrap().places();
        assert_eq!((usual.webmail, usual.support.as_str(), usual.forwarded), (None, SUPPORT, false));
        for link in ["https://help.example/postkey?x=1", "mailto:help@acme.example"] {
            assert_eq!(pages(&["--support-url", link]).unwrap().places().support, link);
        }
        for wrong in ["javascript:alert(1)", "mailto:", "help.example", "https://u@help.example", "data:text/html,x"] {
            assert!(pages(&["--support-url", wrong]).is_err(), "{wrong}");
        }
        assert!(pages(&["--webmail-url", "mailto:help@acme.example"]).is_err());
    }
}
