//! The configuration file of a nats-server (<https://docs.nats.io/running-a-nats-service/configuration>).

use std::fmt::Write as _;

use crate::nats::NatsOptions;

/// How many accounts a server has.
pub(crate) const ACCOUNTS: usize = 256;

/// Where a node stands among others.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    pub(crate) name: String,
    pub(crate) port: u16,
    pub(crate) monitor: u16,
    /// How the nodes reach each other; none for a server of its own.
    pub(crate) routes: Option<Routes>,
}

/// How a node and the others reach each other.
#[derive(Debug, Clone)]
pub(crate) struct Routes {
    /// Its port for the other nodes.
    pub(crate) own: u16,
    /// The ports at which it reaches them; its own may be among them.
    pub(crate) others: Vec<u16>,
    /// The port that those are told which hear of it from each other only, where it is not `own`.
    pub(crate) told: Option<u16>,
}

/// The whole file. `store` is where JetStream keeps its streams.
pub(crate) fn text(seat: &Seat, store: &str, options: &NatsOptions) -> String {
    let Seat { name, port, monitor, routes } = seat;
    let sync = if options.lazy_sync { "" } else { "sync_interval: always" };
    let mut text = format!(
        "server_name: {name}\nlisten: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{monitor}\"\n\
         jetstream {{ store_dir: \"{store}\", {sync} }}\n"
    );
    if let Some(Routes { own, others, told }) = routes {
        let routes: Vec<_> = others.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
        let routes = routes.join(", ");
        let told = told.map(|port| format!("advertise: \"127.0.0.1:{port}\", ")).unwrap_or_default();
        let _ = writeln!(
            text,
            "cluster {{ name: test, listen: \"127.0.0.1:{own}\", {told}no_advertise: true, routes: [{routes}] }}"
        );
    }
    text.push_str(&options.config.clone().unwrap_or_else(accounts));
    text
}

/// The user and password of an account: `a0` to `a63`, each with JetStream; and of the system account, `sys`.
pub(crate) fn login(account: &str) -> String {
    format!("{account}:password-of-{account}")
}

fn accounts() -> String {
    let user = |name: &str| format!("users: [{{ user: {name}, password: \"password-of-{name}\" }}]");
    let mut text = format!("system_account: SYS\naccounts {{\n  SYS {{ {} }}\n", user("sys"));
    for account in (0..ACCOUNTS).map(|n| format!("a{n}")) {
        let _ = writeln!(text, "  {account} {{ jetstream: enabled, {} }}", user(&account));
    }
    text.push_str("}\n");
    text
}
