//! Where NATS is, as whom it is spoken to, and over what.

use std::fmt;
use std::path::PathBuf;

use async_nats::ServerAddr;
use percent_encoding::percent_decode_str;

/// Where a NATS cluster is, and as whom it is spoken to.
#[derive(Clone)]
pub struct NatsConfig {
    /// The servers' URLs, `nats://host:port` or `tls://host:port`; any of them will do. A user and password in one of
    /// them are shown to all, where there are no credentials.
    pub servers: Vec<String>,
    /// A file with an nkey's seed, or a credentials file (JWT and seed); read again at each connection.
    pub credentials: Option<PathBuf>,
    /// The certificates of authorities to trust, as PEM, instead of the system's.
    pub ca: Option<PathBuf>,
    /// This client's certificate and its key, as PEM.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Whether TLS begins before the server says anything, as the servers' `handshake_first` wants it.
    pub tls_first: bool,
    /// What questions to JetStream begin with: `$JS.API`, or what an account behind service imports names it.
    pub api_prefix: String,
    /// What the subjects of answers begin with; an account may allow each identity its own only.
    pub inbox_prefix: String,
    /// The durable consumer to follow by, made beforehand; without one, a consumer is made for each time.
    pub consumer: Option<String>,
}

impl NatsConfig {
    /// Whoever the URLs say, over whatever they say.
    pub fn new(servers: Vec<String>) -> Self {
        Self {
            servers,
            credentials: None,
            ca: None,
            client_certificate: None,
            tls_first: false,
            api_prefix: "$JS.API".to_owned(),
            inbox_prefix: "_INBOX".to_owned(),
            consumer: None,
        }
    }

    /// All that is read again at each connection.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let certificate = self.client_certificate.iter().flat_map(|(certificate, key)| [certificate, key]);
        self.credentials.iter().chain(&self.ca).chain(certificate).cloned().collect()
    }

    /// The servers in words, without what their URLs may hold of secrets.
    pub fn shown(&self) -> String {
        self.servers.iter().map(|url| without_login(url)).collect::<Vec<_>>().join(",")
    }
}

/// A URL without the user and password that may stand in it.
pub(super) fn without_login(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit('@').next().unwrap_or(rest)),
        None => url.rsplit('@').next().unwrap_or(url).to_owned(),
    }
}

/// The first user and password in the servers' URLs, where they stand percent-encoded.
pub(super) fn login(servers: &[ServerAddr]) -> Option<(String, String)> {
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    servers.iter().find_map(|server| Some((plain(server.username()?), plain(server.password()?))))
}

impl fmt::Debug for NatsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsConfig").field("servers", &self.shown()).finish_non_exhaustive()
    }
}
