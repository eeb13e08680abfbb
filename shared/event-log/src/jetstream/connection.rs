//! The connection to NATS: as whom, over what, and what became of it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{
    Auth, AuthError, Client, ConnectOptions, Event, HeaderMap, Message, Request, ServerAddr, ServerError,
};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::faults::{ApiFault, OpenError};

/// How long one question may take. A publish that waits for the disk of a busy server takes most of a second.
const WITHIN: Duration = Duration::from_secs(3);
/// How long a first connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The longest pause between two attempts to connect again.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How often a connection is tried: one that is cut off without a word is noticed after two of these.
const PING: Duration = Duration::from_secs(2);

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

    /// The servers in words, without what their URLs may hold of secrets.
    pub fn shown(&self) -> String {
        let shown = self.servers.iter().map(|url| match url.split_once("://") {
            Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit('@').next().unwrap_or(rest)),
            None => url.rsplit('@').next().unwrap_or(url).to_owned(),
        });
        shown.collect::<Vec<_>>().join(",")
    }
}

impl fmt::Debug for NatsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsConfig").field("servers", &self.shown()).finish_non_exhaustive()
    }
}

/// A connection that comes back by itself, and says while it is away why it is.
#[derive(Clone)]
pub(super) struct Connection {
    client: Client,
    api: Arc<str>,
    /// Why there is no connection; none while there is one.
    trouble: watch::Sender<Option<String>>,
    /// What the servers have refused last: whoever asks for what it may not gets no other answer than this.
    refusal: Arc<Mutex<Option<String>>>,
}

impl Connection {
    /// Connects once; whoever wants to try again does so.
    pub async fn open(config: &NatsConfig) -> Result<Self, OpenError> {
        let unreachable = |reason: String| OpenError::Unavailable { servers: config.shown(), reason };
        let trouble = watch::Sender::new(None);
        let servers: Result<Vec<ServerAddr>, _> = config.servers.iter().map(|url| url.parse()).collect();
        let servers = servers.map_err(|_| OpenError::Url)?;
        let named = servers.iter().find_map(|server| Some((server.username()?, server.password()?)));
        let options = match &config.credentials {
            None => named.map_or_else(ConnectOptions::new, |(user, password)| {
                ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
            }),
            Some(path) => {
                // Looked at here, so that a file that can't be is said at once and in its own words.
                Credentials::read(path)?;
                let path = path.clone();
                ConnectOptions::with_auth_callback(move |nonce| {
                    let signed = sign(&path, &nonce);
                    async move { signed }
                })
            }
        };
        let refusal = Arc::new(Mutex::new(None));
        let (heard, refused) = (trouble.clone(), Arc::clone(&refusal));
        let mut options = options
            .name("postkey")
            .custom_inbox_prefix(&config.inbox_prefix)
            .connection_timeout(CONNECT_WITHIN)
            .request_timeout(Some(WITHIN))
            .ping_interval(PING)
            .ignore_discovered_servers()
            .reconnect_delay_callback(|attempts| {
                let pause = Duration::from_millis(50).saturating_mul(u32::try_from(attempts).unwrap_or(u32::MAX));
                pause.min(LONGEST_PAUSE)
            })
            .event_callback(move |event| {
                note(&heard, &refused, &event);
                async {}
            });
        if let Some(ca) = &config.ca {
            options = options.require_tls(true).add_root_certificates(readable(ca)?);
        }
        if let Some((certificate, key)) = &config.client_certificate {
            options = options.require_tls(true).add_client_certificate(readable(certificate)?, readable(key)?);
        }
        if config.tls_first {
            options = options.tls_first();
        }
        let connecting = tokio::time::timeout(CONNECT_WITHIN, options.connect(servers));
        let client = match connecting.await {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return Err(unreachable(in_words(&error))),
            Err(_) => return Err(unreachable("no answer".to_owned())),
        };
        Ok(Self { client, api: config.api_prefix.as_str().into(), trouble, refusal })
    }

    /// The client, for subscriptions and publishes.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// What is wrong with the connection, as it changes.
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.subscribe()
    }

    /// The version of the server that is connected to.
    pub fn version(&self) -> String {
        self.client.server_info().version
    }

    /// Asks, and waits for one answer.
    pub async fn request(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> Result<Message, ApiFault> {
        if self.client.connection_state() != async_nats::connection::State::Connected {
            let why = self.trouble.borrow().clone();
            return Err(ApiFault::NoAnswer(why.unwrap_or_else(|| "there is no connection".to_owned())));
        }
        let mut request = Request::new().payload(payload);
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        self.client.send_request(subject, request).await.map_err(|error| {
            let refused = self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take();
            ApiFault::NoAnswer(refused.unwrap_or_else(|| error.to_string()))
        })
    }

    /// Asks JetStream's API and reads its answer.
    pub async fn api<T: DeserializeOwned>(&self, operation: &str, question: &impl Serialize) -> Result<T, ApiFault> {
        let question = serde_json::to_vec(question).map_err(|error| ApiFault::Nonsense(error.to_string()))?;
        let message = self.request(self.subject(operation), None, question.into()).await?;
        super::faults::read(&message.payload)
    }

    /// The subject of an operation of JetStream's API.
    pub fn subject(&self, operation: &str) -> String {
        format!("{}.{operation}", self.api)
    }
}

/// Keeps what the connection says, for health and for the next question.
fn note(trouble: &watch::Sender<Option<String>>, refusal: &Mutex<Option<String>>, event: &Event) {
    match event {
        Event::Connected => {
            if trouble.send_replace(None).is_some() {
                tracing::info!("connected to NATS again");
            }
        }
        Event::Disconnected => {
            trouble.send_if_modified(|trouble| {
                let news = trouble.is_none();
                trouble.get_or_insert_with(|| "the connection to NATS is lost".to_owned());
                news
            });
            tracing::warn!("the connection to NATS is lost");
        }
        Event::ServerError(ServerError::AuthorizationViolation) => {
            let what = "NATS refuses these credentials: give postkey ones that the servers know";
            tracing::error!(what);
            trouble.send_replace(Some(what.to_owned()));
        }
        Event::ServerError(error) => {
            tracing::error!(%error, "NATS refuses");
            *refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("NATS says: {error}"));
        }
        Event::ClientError(error) => {
            trouble.send_if_modified(|trouble| {
                let news = trouble.is_none();
                trouble.get_or_insert_with(|| format!("NATS can't be reached: {error}"));
                news
            });
            tracing::debug!(%error, "an error of the NATS client");
        }
        Event::SlowConsumer(_) => tracing::warn!("entries came faster than they were taken; they are read again"),
        Event::LameDuckMode | Event::Draining | Event::Closed => tracing::info!(%event, "the connection to NATS"),
    }
}

/// A client's proof of who it is.
struct Credentials {
    jwt: Option<String>,
    key: nkeys::KeyPair,
}

impl Credentials {
    /// Reads a seed alone, or a credentials file: the user's JWT and its seed between marked lines
    /// (<https://docs.nats.io/using-nats/developer/connecting/creds>).
    fn read(path: &Path) -> Result<Self, OpenError> {
        let unusable = |what: String| OpenError::Credentials { path: path.to_owned(), what };
        let text = zeroize::Zeroizing::new(std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?);
        let marked = |name: &str| {
            let begin = text.find(&format!("-----BEGIN {name}-----"))?;
            text[begin..].lines().nth(1).map(str::trim)
        };
        let jwt = marked("NATS USER JWT").map(str::to_owned);
        let seed = match &jwt {
            Some(_) => marked("USER NKEY SEED"),
            None => text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')),
        };
        let seed = seed.ok_or_else(|| unusable("there is no nkey's seed in it".to_owned()))?;
        // The error says nothing of the seed, but nothing of use to a person either.
        let key = nkeys::KeyPair::from_seed(seed).map_err(|_| unusable("it holds no valid nkey's seed".to_owned()))?;
        Ok(Self { jwt, key })
    }
}

fn sign(path: &Path, nonce: &[u8]) -> Result<Auth, AuthError> {
    let credentials = Credentials::read(path).map_err(|error| AuthError::new(error.to_string()))?;
    let mut auth = Auth::new();
    auth.signature = Some(credentials.key.sign(nonce).map_err(|_| AuthError::new("the nkey can't sign"))?);
    match credentials.jwt {
        Some(jwt) => auth.jwt = Some(jwt),
        None => auth.nkey = Some(credentials.key.public_key()),
    }
    Ok(auth)
}

fn readable(path: &Path) -> Result<PathBuf, OpenError> {
    match std::fs::File::open(path) {
        Ok(_) => Ok(path.to_owned()),
        Err(error) => Err(OpenError::Credentials { path: path.to_owned(), what: error.to_string() }),
    }
}

/// An error and what lies under it; the client's own words name no secrets.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        source = error.source();
    }
    words
}
