//! The log in a JetStream stream: one message an entry, one subject a service, replicated by NATS.
//!
//! Whoever may publish to the stream can put entries in it, and whoever may administer it can take it away; entries'
//! MACs, positions and the signed ledger find that out, this store does not.

mod administration;
mod config;
mod connection;
mod copying;
mod credentials;
mod faults;
mod follow;
mod reach;
mod read;
mod stream;
mod wake;

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use async_nats::HeaderMap;
use async_stream::try_stream;
use async_trait::async_trait;
use domain::Position;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep};
use wire::{Entry, LogId, Stored};

pub use administration::StreamReport;
pub use config::NatsConfig;
pub use faults::OpenError as JetStreamError;
pub use stream::STREAM;
pub use wake::Wakes;

use self::connection::{APPEND_WITHIN, Connection};
use self::faults::{ApiFault, code, damaged};
use self::reach::Reach;
use self::stream::{Info, Settings};
use crate::{Appended, Corrupt, Head, LogStore, ReadError, Scope};

/// The guard of an append: the last position of its own subject
/// (<https://docs.nats.io/nats-concepts/jetstream/headers>).
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
/// The oldest server that keeps what it has acknowledged: earlier ones lose it at a power cut, some without one.
const OLDEST: (u64, u64, u64) = (2, 15, 1);
/// How many appends of this process may be under way at once; the others wait here. A server that writes each to its disk
/// takes some thousands a second, on a bad day some hundreds: those under way are then answered in time.
const UNDER_WAY: usize = 512;
/// For how long the leader of several servers may name an earlier end than another of them has delivered: it takes over what
/// a majority has stored when it comes to it (measured with 2.15.1 under load: milliseconds; at a change of leaders more).
const LAG: Duration = Duration::from_secs(5);
/// How often a log that can't be followed by its consumer is read instead, and for how long at a time.
const POLL: Duration = Duration::from_millis(50);
const POLLED_FOR: Duration = Duration::from_secs(5);

/// A log in the stream [`STREAM`] of a NATS account.
///
/// - **Durable on return** as far as the servers are: an append is answered once a majority of the stream's replicas has
///   it, each on its disk where its `sync_interval` is `always`. Whether it is, the servers' monitoring says; whoever
///   wires this store asks.
/// - **The guard** is `Nats-Expected-Last-Subject-Sequence` on the entry's own subject, for every append: guards of two
///   kinds on one subject let two writers win.
/// - **Reads** are complete up to where the stream's leader says that they end; a replica that lags or has lost entries
///   is made up for by the leader. A leader is believed while most replicas have let it hear from them within 3 s: one
///   that was cut off does not know yet that there is another.
/// - **Followers** pull from a consumer that is begun anew at each position. With every doubt, of the consumer, its
///   server or the connection, the stream of entries ends with [`ReadError::Unavailable`], within 2 s of it.
/// - **A stream that was deleted** is unavailable; one that was made anew is another log, by its metadata.
/// - **Recovery** is by itself: the connection is made again for as long as it takes, with the credentials that the file
///   has then; and one to a server that does not reach the log's leader for 10 s is given up for another's, where several
///   are named.
///
/// Must be opened, used and dropped inside a tokio runtime.
pub struct JetStreamStore {
    connection: Connection,
    consumer: Option<String>,
    log: LogId,
    /// How many servers held the stream when it was opened.
    replicas: u64,
    /// The settings that were read last, as they stood and as they were understood.
    settings: Mutex<(String, Settings)>,
    alarms: watch::Sender<Alarms>,
    under_way: Semaphore,
    reach: Reach,
}

/// What an operator should know of a log that can be used all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alarms {
    /// What somebody has changed about the stream: it may lose or refuse entries.
    pub drift: Option<String>,
    /// Which of its servers are down or behind.
    pub servers: Option<String>,
    /// Why entries are not followed by the consumer.
    pub consumer: Option<String>,
}

#[derive(Deserialize)]
struct Acknowledged {
    stream: String,
    seq: u64,
    #[serde(default)]
    duplicate: bool,
}

impl JetStreamStore {
    /// Opens the log that the account's stream holds. Which one that is, [`log`](Self::log) says.
    ///
    /// # Errors
    /// Where there is no such stream, it is no log, or can't be asked; where the server is too old.
    pub async fn open(config: &NatsConfig) -> Result<Self, JetStreamError> {
        let store = Self::open_unfinished(config).await?;
        if store.settings().copying { Err(JetStreamError::Unfinished) } else { Ok(store) }
    }

    /// The same, also where a copy into it is under way.
    pub(crate) async fn open_unfinished(config: &NatsConfig) -> Result<Self, JetStreamError> {
        let connection = connect(config).await?;
        let info = info(&connection).await.map_err(|fault| refused(config, fault))?;
        let settings = Settings::read(&info.config)?;
        let store = Self {
            connection,
            consumer: config.consumer.clone(),
            log: settings.log,
            replicas: settings.replicas,
            settings: Mutex::new((info.config.get().to_owned(), settings)),
            alarms: watch::Sender::default(),
            under_way: Semaphore::new(UNDER_WAY),
            reach: Reach::new(config),
        };
        store.note(&info)?;
        Ok(store)
    }

    /// Which log the stream holds, as it said when it was opened.
    pub const fn log(&self) -> LogId {
        self.log
    }

    /// What an operator should know, as it changes. It is found out by whatever asks where the log ends.
    pub fn alarms(&self) -> watch::Receiver<Alarms> {
        self.alarms.subscribe()
    }

    /// Why there is no connection, as it changes; none while there is one.
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.connection.trouble()
    }

    /// Messages between services, to wake each other.
    pub fn wakes(&self) -> Wakes {
        Wakes::new(self.connection.clone())
    }

    fn settings(&self) -> Settings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Asks the leader about the stream.
    async fn info(&self) -> Result<(Info, Settings), ReadError> {
        let info = info(&self.connection).await.map_err(ApiFault::unavailable)?;
        let settings = self.note(&info).map_err(|error| damaged(Position::START, error.to_string()))?;
        Ok((info, settings))
    }

    /// Takes over what the stream says of itself; what has not changed is not looked at again.
    fn note(&self, info: &Info) -> Result<Settings, JetStreamError> {
        let settings = {
            let mut known = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
            if known.0 != info.config.get() {
                *known = (info.config.get().to_owned(), Settings::read(&info.config)?);
            }
            known.1.clone()
        };
        let mut drift = settings.drift.clone();
        if settings.replicas < self.replicas {
            drift.push(format!("num_replicas is {} and was {}", settings.replicas, self.replicas));
        }
        let drift = drift.join("; ");
        let drift = (!drift.is_empty()).then(|| format!("the stream's settings were changed: {drift}"));
        let servers = stream::servers_behind(info.cluster.as_ref());
        self.alarms.send_if_modified(|alarms| {
            let news = alarms.drift != drift || alarms.servers != servers;
            (alarms.drift, alarms.servers) = (drift, servers);
            news
        });
        Ok(settings)
    }

    fn note_consumer(&self, consumer: Option<String>) {
        self.alarms.send_if_modified(|alarms| {
            let news = alarms.consumer != consumer;
            alarms.consumer = consumer;
            news
        });
    }

    /// The log's end, from the leader, and whether it still is this log's.
    async fn end(&self) -> Result<Head, ReadError> {
        let end = self.leaders_end().await;
        self.reach.note(&self.connection, !matches!(end, Err(ReadError::Unavailable(_)))).await;
        end
    }

    async fn leaders_end(&self) -> Result<Head, ReadError> {
        let (info, Settings { log, .. }) = self.info().await?;
        if !info.is_leaders() {
            let what =
                "the server that answers for the log has not heard from most of the others: it may have been replaced";
            return Err(ReadError::Unavailable(what.to_owned()));
        }
        match info.state.head() {
            Ok(position) => Ok(Head { log, position }),
            // Positions in another log mean nothing here, nor does what is wrong with it.
            Err(_) if log != self.log => Ok(Head { log, position: Position::START }),
            Err(error) => Err(error),
        }
    }

    /// The end of this log.
    async fn own_end(&self) -> Result<Position, ReadError> {
        let Head { log, position } = self.end().await?;
        if log == self.log { Ok(position) } else { Err(Corrupt::OtherLog { expected: self.log, found: log }.into()) }
    }

    /// The end of this log, which was seen to go this far at least. Whether one that does not was rolled back, or its
    /// leader lags, is found out by whoever follows it anew.
    async fn end_beyond(&self, seen: Position) -> Result<Position, ReadError> {
        let head = self.own_end().await?;
        if head < seen {
            return Err(ReadError::Unavailable(format!("the log ends at position {head}, and was read up to {seen}")));
        }
        Ok(head)
    }

    /// What became of a publish.
    fn answered(&self, payload: &[u8], expected: Position) -> Appended {
        match faults::read::<Acknowledged>(payload) {
            Ok(Acknowledged { stream, seq, duplicate: false }) if stream == STREAM && seq > expected.get() => {
                Appended::At(Position::new(seq))
            }
            Ok(_) => {
                tracing::error!("NATS has acknowledged an append with what is no position of it");
                Appended::Unknown
            }
            Err(fault) if fault.is(code::WRONG_LAST_SEQUENCE) || fault.is(code::WRONG_LAST_SEQUENCE_IN_FLIGHT) => {
                Appended::Conflict
            }
            Err(fault) if fault.is(code::STREAM_SEALED) => Appended::Closed,
            Err(fault) => {
                tracing::warn!(%fault, "NATS has not taken an append");
                Appended::Unknown
            }
        }
    }
}

#[async_trait]
impl LogStore for JetStreamStore {
    async fn try_append(&self, entry: &Entry, expected: Position) -> Appended {
        if self.settings().copying {
            return Appended::Closed;
        }
        // It is never closed.
        let Ok(_place) = self.under_way.acquire().await else { return Appended::Unknown };
        let mut headers = HeaderMap::new();
        headers.insert(EXPECTED, expected.get().to_string());
        let published = self
            .connection
            .request(entry.subject.as_str().to_owned(), Some(headers), entry.bytes.clone().into(), APPEND_WITHIN)
            .await;
        match published {
            Ok(message) => self.answered(&message.payload, expected),
            Err(fault) => {
                tracing::debug!(%fault, "an append was not answered");
                Appended::Unknown
            }
        }
    }

    fn read(&self, scope: Scope, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        try_stream! {
            let to = match &scope {
                Scope::All => self.own_end().await?,
                Scope::Subject(subject) => {
                    let last = read::last_of(&self.connection, subject);
                    let (_, last) = tokio::try_join!(self.own_end(), last)?;
                    last.map_or(Position::START, |last| last.position)
                }
            };
            let mut entries = std::pin::pin!(read::up_to(&self.connection, scope, after, to));
            while let Some(entry) = entries.next().await {
                yield entry?;
            }
        }
        .boxed()
    }

    fn follow(&self, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        try_stream! {
            let mut last = after;
            loop {
                let without = match follow::begin(&self.connection, self.consumer.as_deref(), last).await {
                    Ok(consumer) => {
                        self.note_consumer(None);
                        let mut entries = std::pin::pin!(follow::pull(self, consumer, last));
                        while let Some(entry) = entries.next().await {
                            let stored = entry?;
                            last = stored.position;
                            yield stored;
                        }
                        "was paused by an administrator, and the log is polled instead: `nats consumer resume` lets it go on"
                    }
                    Err(fault) if self.consumer.is_some() && follow::is_no_consumer(&fault) => {
                        "is missing, and the log is polled instead: `postkey nats setup` makes it"
                    }
                    Err(fault) => Err(fault.unavailable())?,
                };
                // The log can be read all the same, a little later.
                let name = self.consumer.as_deref().unwrap_or_default();
                self.note_consumer(Some(format!("the consumer {name} {without}")));
                let mut polls = true;
                while polls {
                    let begun = Instant::now();
                    while begun.elapsed() < POLLED_FOR {
                        let to = self.end_beyond(last).await?;
                        let mut entries = std::pin::pin!(read::up_to(&self.connection, Scope::All, last, to));
                        while let Some(entry) = entries.next().await {
                            let stored = entry?;
                            last = stored.position;
                            yield stored;
                        }
                        sleep(POLL).await;
                    }
                    polls = follow::is_paused(&self.connection, name).await;
                }
            }
        }
        .boxed()
    }

    async fn at(&self, position: Position) -> Result<Option<Stored>, ReadError> {
        let before = Position::new(position.get().saturating_sub(1));
        let found = read::next(&self.connection, &Scope::All, before).await?;
        Ok(found.filter(|stored| stored.position == position))
    }

    async fn head(&self, scope: Scope) -> Result<Head, ReadError> {
        match scope {
            Scope::All => self.end().await,
            Scope::Subject(subject) => {
                let (end, last) = tokio::join!(self.end(), read::last_of(&self.connection, &subject));
                Ok(Head { log: end?.log, position: last?.map_or(Position::START, |last| last.position) })
            }
        }
    }

    fn lag(&self) -> Duration {
        if self.settings().replicas > 1 { LAG } else { Duration::ZERO }
    }
}

async fn connect(config: &NatsConfig) -> Result<Connection, JetStreamError> {
    let connection = Connection::open(config).await?;
    let version = connection.server_info().version;
    if is_recent(&version) { Ok(connection) } else { Err(JetStreamError::Version(version)) }
}

/// Whether a server of this version may be trusted with the log.
pub fn is_recent(version: &str) -> bool {
    let release = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<u64> = release.trim_start_matches('v').split('.').map_while(|part| part.parse().ok()).collect();
    matches!(numbers[..], [major, minor, patch] if (major, minor, patch) >= OLDEST)
}

async fn info(connection: &Connection) -> Result<Info, ApiFault> {
    connection.ask(&format!("STREAM.INFO.{STREAM}"), &json!({})).await
}

fn refused(config: &NatsConfig, fault: ApiFault) -> JetStreamError {
    match fault {
        fault if fault.is(code::STREAM_NOT_FOUND) => JetStreamError::Missing,
        // Waiting gives nobody rights.
        fault if fault.is_for_want_of_rights() => JetStreamError::Refused(format!(
            "the stream {STREAM} can't be asked after with these credentials, this API prefix and this inbox prefix ({fault}): \
             an administrator says which are yours"
        )),
        ApiFault::NoAnswer(reason) => JetStreamError::Unavailable { servers: config.shown(), reason },
        fault => JetStreamError::Refused(fault.to_string()),
    }
}
