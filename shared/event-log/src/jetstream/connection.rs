//! The connection to NATS, and what became of it.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{
    Client, ClientError, ConnectErrorKind, ConnectOptions, Event, HeaderMap, Message, Request, ServerAddr, ServerError,
    Subscriber,
};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::config::{NatsConfig, login, without_login};
use super::credentials::{Credentials, readable, sign};
use super::faults::{ApiFault, OpenError};

/// How long one append may take. One that waits for the disk of a busy server takes most of a second.
pub(super) const APPEND_WITHIN: Duration = Duration::from_secs(3);
/// How long one question may take. Short, so that an append whose leader stands still is looked up, and made again with
/// the next leader, within its deadline.
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// After what time without an answer a question that changes nothing is asked again, beside the one under way: while servers
/// elect a leader nobody hears the first, and the new leader would be found out only after the whole of [`ASK_WITHIN`].
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How long making a stream may take: several servers elect a leader for it before they answer, which alone can take longer
/// than a question may.
pub(super) const MAKE_WITHIN: Duration = Duration::from_secs(10);
/// The pause before servers that were not ready are asked again.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(250);
/// How long a first connection may take in all.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long one server may take to greet: one that stands still takes connections and says nothing, and the others wait
/// behind it.
const GREET_WITHIN: Duration = Duration::from_secs(2);
/// The longest pause between two attempts to connect again.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How often a quiet connection is tried: one that is cut off without a word is given up at the third try.
const PING: Duration = Duration::from_secs(1);

/// A connection that comes back by itself, and says while it is away why it is.
#[derive(Clone)]
pub(super) struct Connection {
    client: Client,
    api: Arc<str>,
    /// Why there is no connection; none while there is one.
    trouble: watch::Sender<Option<String>>,
    /// What the servers have refused last: whoever asks for what it may not gets no other answer than this.
    refusal: Arc<Mutex<Option<Refusal>>>,
}

/// What the servers have refused, and when.
struct Refusal {
    what: String,
    at: Instant,
}

impl Connection {
    /// Connects once; whoever wants to try again does so.
    pub async fn open(config: &NatsConfig) -> Result<Self, OpenError> {
        let unreachable = |reason: String| OpenError::Unavailable { servers: config.shown(), reason };
        let trouble = watch::Sender::new(None);
        let servers: Result<Vec<ServerAddr>, _> = config.servers.iter().map(|url| url.parse()).collect();
        let named = login(&servers.map_err(|_| OpenError::Url)?);
        // The client logs its servers' addresses.
        let servers: Result<Vec<ServerAddr>, _> = config.servers.iter().map(|url| without_login(url).parse()).collect();
        let servers = servers.map_err(|_| OpenError::Url)?;
        let options = match &config.credentials {
            None => named.map_or_else(ConnectOptions::new, |(user, password)| {
                ConnectOptions::with_user_and_password(user, password)
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
        let (heard, refused, files) = (trouble.clone(), Arc::clone(&refusal), config.files());
        let mut options = options
            .name("postkey")
            .custom_inbox_prefix(&config.inbox_prefix)
            .connection_timeout(GREET_WITHIN)
            .ping_interval(PING)
            .ignore_discovered_servers()
            .reconnect_delay_callback(|attempts| {
                let before = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
                let pause = Duration::from_millis(50).saturating_mul(before);
                pause.min(LONGEST_PAUSE)
            })
            .event_callback(move |event| {
                note(&heard, &refused, &files, &event);
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

    /// The client, for what may wait until there is a connection.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// A subject for answers that nobody else has.
    pub fn new_inbox(&self) -> String {
        self.client.new_inbox()
    }

    /// What the server that is connected to said when it was connected to.
    pub fn server_info(&self) -> async_nats::ServerInfo {
        self.client.server_info()
    }

    /// What is wrong with the connection, as it changes.
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.subscribe()
    }

    /// Asks, and waits for one answer, for so long.
    pub async fn request(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
        within: Duration,
    ) -> Result<Message, ApiFault> {
        let mut request = Request::new().payload(payload).timeout(None);
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        let message = self.handed_over(within, self.client.send_request(subject, request)).await?;
        // Events are lost when there are many at once.
        if self.trouble.borrow().is_some() && self.is_connected() {
            self.trouble.send_replace(None);
        }
        Ok(message)
    }

    /// Sends a message, with a subject for answers where some are wanted. It may be lost.
    pub async fn publish(&self, subject: String, reply: Option<String>, payload: Bytes) -> Result<(), ApiFault> {
        match reply {
            Some(reply) => self.handed_over(ASK_WITHIN, self.client.publish_with_reply(subject, reply, payload)).await,
            None => self.handed_over(ASK_WITHIN, self.client.publish(subject, payload)).await,
        }
    }

    /// Begins to hear what is sent to a subject.
    pub async fn subscribe(&self, subject: String) -> Result<Subscriber, ApiFault> {
        self.handed_over(ASK_WITHIN, self.client.subscribe(subject)).await
    }

    /// Gives this connection up for one to any of the servers; it may be the same one again.
    pub async fn try_another_server(&self) {
        tracing::warn!("the log's leader is out of reach of this NATS server: another one is tried");
        if let Err(error) = self.client.force_reconnect().await {
            tracing::debug!(%error, "the NATS client has ended");
        }
    }

    /// Whether there is a connection, whatever can be reached over it.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Has the client do something, if it is connected, and not for longer than this: behind a server that stands still
    /// the client takes a while to notice, and until then takes no more than fits into its queue.
    async fn handed_over<T, E: fmt::Display>(
        &self,
        within: Duration,
        what: impl Future<Output = Result<T, E>>,
    ) -> Result<T, ApiFault> {
        if !self.is_connected() {
            let why = self.trouble.borrow().clone();
            return Err(ApiFault::NoAnswer(why.unwrap_or_else(|| "there is no connection to NATS".to_owned())));
        }
        let begun = Instant::now();
        let failed = match timeout(within, what).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "NATS does not answer in time".to_owned(),
        };
        let mut refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = refusal.take().filter(|refusal| refusal.at >= begun).map(|refusal| refusal.what);
        Err(ApiFault::NoAnswer(refused.unwrap_or(failed)))
    }

    /// Asks JetStream's API what changes nothing, and reads the first answer.
    pub async fn ask<T: DeserializeOwned>(&self, operation: &str, question: &impl Serialize) -> Result<T, ApiFault> {
        let mut asked = FuturesUnordered::new();
        loop {
            asked.push(self.api(operation, question));
            // The first that is given up ends it, after `ASK_WITHIN`.
            if let Ok(Some(answer)) = timeout(ASK_AGAIN_AFTER, asked.next()).await {
                return answer;
            }
        }
    }

    /// Asks JetStream's API and reads its answer.
    pub async fn api<T: DeserializeOwned>(&self, operation: &str, question: &impl Serialize) -> Result<T, ApiFault> {
        self.api_within(operation, question, ASK_WITHIN).await
    }

    /// The same for what may take longer.
    pub async fn api_within<T: DeserializeOwned>(
        &self,
        operation: &str,
        question: &impl Serialize,
        within: Duration,
    ) -> Result<T, ApiFault> {
        let question = serde_json::to_vec(question).map_err(|error| ApiFault::Nonsense(error.to_string()))?;
        let message = self.request(self.subject(operation), None, question.into(), within).await?;
        super::faults::read(&message.payload)
    }

    /// The subject of an operation of JetStream's API.
    pub fn subject(&self, operation: &str) -> String {
        format!("{}.{operation}", self.api)
    }
}

/// Keeps what the connection says, for health and for the next question.
fn note(trouble: &watch::Sender<Option<String>>, refusal: &Mutex<Option<Refusal>>, files: &[PathBuf], event: &Event) {
    let lost = |why: String| {
        trouble.send_if_modified(|trouble| {
            let news = trouble.as_ref() != Some(&why);
            *trouble = Some(why);
            news
        })
    };
    match event {
        Event::Connected => {
            if trouble.send_replace(None).is_some() {
                tracing::info!("connected to NATS again");
            }
        }
        Event::Disconnected => {
            tracing::warn!("the connection to NATS is lost");
            // Why, was said just before, or will be with the next attempt.
            if trouble.borrow().is_none() {
                lost("the connection to NATS is lost".to_owned());
            }
        }
        event if is_refused(event) => {
            let what = "NATS refuses these credentials: give postkey ones that the servers know";
            if lost(what.to_owned()) {
                tracing::error!(what);
            }
        }
        Event::ServerError(error) => {
            tracing::error!(%error, "NATS refuses");
            let what = format!("NATS says: {error}");
            *refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(Refusal { what, at: Instant::now() });
        }
        Event::ClientError(error) => {
            // Of a file that is gone the client says no more than "TLS error".
            let gone = files.iter().find_map(|file| readable(file).err());
            lost(match gone {
                Some(gone) => format!("NATS can't be reached: {gone}"),
                None => format!("NATS can't be reached: {error}"),
            });
            tracing::debug!(%error, "an error of the NATS client");
        }
        Event::SlowConsumer(_) => tracing::warn!("entries came faster than they were taken; they are read again"),
        Event::LameDuckMode => tracing::info!(%event, "the connection to NATS"),
        Event::Draining | Event::Closed => tracing::debug!(%event, "the connection to NATS"),
    }
}

/// Whether a server does not know, or no longer knows, who we are. At a later connection the client says so in words only.
fn is_refused(event: &Event) -> bool {
    let kinds = [ConnectErrorKind::AuthorizationViolation, ConnectErrorKind::Authentication];
    match event {
        Event::ServerError(ServerError::AuthorizationViolation) => true,
        Event::ServerError(ServerError::Other(what)) => what.to_lowercase().contains("authentication"),
        Event::ClientError(ClientError::Other(what)) => kinds.iter().any(|kind| *what == kind.to_string()),
        _ => false,
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn a_question_that_nobody_answers_is_asked_again_before_it_is_given_up() {
        // JetStream answers for itself what it does not know.
        let url = servers::Nats::shared().account();
        let config = NatsConfig { api_prefix: "ELSEWHERE".to_owned(), ..NatsConfig::new(vec![url]) };
        let connection = Connection::open(&config).await.expect("a server");
        let leader = Connection::open(&config).await.expect("a server");
        let leader = leader.client();
        let mut questions = leader.subscribe("ELSEWHERE.>").await.expect("connected");
        // Heard by itself, its subscription stands.
        leader.publish("ELSEWHERE.HERE", "".into()).await.expect("connected");
        questions.next().await.expect("its own word");
        let question = json!({});
        let asking = connection.ask::<Value>("WHERE", &question);
        // As of a server without a leader, and then of the new leader.
        let answering = async {
            questions.next().await.expect("a question");
            let again = questions.next().await.expect("a question");
            let answer = leader.publish(again.reply.expect("it wants an answer"), r#"{"at":7}"#.into());
            answer.await.expect("connected");
            std::future::pending().await
        };
        let answer = tokio::select! { answer = asking => answer, () = answering => return };
        assert_eq!(answer.expect("the second was answered"), json!({"at": 7}));
    }
}
