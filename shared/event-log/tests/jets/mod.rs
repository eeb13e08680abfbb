//! What the tests of the JetStream store share: an administrator's view of the stream, and writers that keep count.

#![allow(dead_code, reason = "each test target uses its part of it")]

pub mod proxy;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::response::Response;
use async_nats::{Client, ConnectOptions, HeaderMap, ServerAddr, Subscriber};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::Position;
use futures::StreamExt;
use futures::future::join_all;
use futures::stream::BoxStream;
use postkey_event_log::contract::{entry, service};
use postkey_event_log::{AppendError, EventLog, JetStreamStore, LogStore, NatsConfig, ReadError, Scope};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use uuid::Uuid;
use wire::{LogId, Stored};

pub const LOG: LogId = LogId::new(Uuid::from_u128(1));
pub const OTHER: LogId = LogId::new(Uuid::from_u128(2));

pub fn position(number: u64) -> Position {
    Position::new(number)
}

/// Whoever the URLs say.
pub fn config(urls: &str) -> NatsConfig {
    NatsConfig::new(urls.split(',').map(str::to_owned).collect())
}

/// A new log in a stream with so many replicas. A cluster that has just begun may need to be asked again.
pub async fn made(config: &NatsConfig, replicas: usize) -> Arc<JetStreamStore> {
    Arc::new(within(30, async || JetStreamStore::create(config, LOG, replicas).await.ok()).await)
}

pub fn log_over(store: &Arc<JetStreamStore>) -> Arc<EventLog> {
    Arc::new(EventLog::new(Arc::clone(store) as Arc<dyn LogStore>, LOG))
}

/// Asks again until there is an answer.
pub async fn within<T>(seconds: u64, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "no answer within {seconds} s");
        sleep(Duration::from_millis(20)).await;
    }
}

/// An administrator, who speaks to JetStream without postkey.
pub struct Administrator(Client);

impl Administrator {
    pub async fn connect(urls: &str) -> Self {
        let servers: Vec<ServerAddr> = urls.split(',').map(|url| url.parse().expect("a URL")).collect();
        let options = match (servers[0].username(), servers[0].password()) {
            (Some(user), Some(password)) => {
                ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
            }
            _ => ConnectOptions::new(),
        };
        Self(options.ignore_discovered_servers().connect(servers).await.expect("a server"))
    }

    /// Hears what is sent to a subject, from when this returns.
    pub async fn listens(&self, subject: &'static str) -> Subscriber {
        let subscriber = self.0.subscribe(subject).await.expect("connected");
        self.0.flush().await.expect("connected");
        subscriber
    }

    /// Asks JetStream's API, and has an answer that is no refusal.
    pub async fn api(&self, operation: &str, question: &Value) -> Value {
        match self.try_api(operation, question).await {
            Some(Response::Ok(answer)) => answer,
            Some(Response::Err { error }) => panic!("{operation}: {error}"),
            None => panic!("{operation}: no answer"),
        }
    }

    async fn try_api(&self, operation: &str, question: &Value) -> Option<Response<Value>> {
        let answer = self.0.request(format!("$JS.API.{operation}"), question.to_string().into()).await.ok()?;
        Some(serde_json::from_slice(&answer.payload).expect("JSON"))
    }

    pub async fn info(&self) -> Value {
        self.api("STREAM.INFO.POSTKEY", &json!({})).await
    }

    /// Makes the stream by hand.
    pub async fn make(&self, settings: Value) {
        self.api("STREAM.CREATE.POSTKEY", &settings).await;
    }

    /// Why no stream with these settings can be made now: JetStream's code. It is made where one can be.
    pub async fn refused_to_make(&self, settings: &Value) -> Option<u64> {
        match self.try_api("STREAM.CREATE.POSTKEY", settings).await? {
            Response::Err { error } => Some(error.error_code().0),
            Response::Ok(_) => None,
        }
    }

    /// Changes one of its settings.
    pub async fn set(&self, name: &str, value: Value) {
        let mut config = self.info().await["config"].clone();
        config[name] = value;
        self.api("STREAM.UPDATE.POSTKEY", &config).await;
    }

    pub async fn delete(&self) {
        self.api("STREAM.DELETE.POSTKEY", &json!({})).await;
    }

    /// Puts an entry in without a guard.
    pub async fn put(&self, number: u64, text: &str) -> u64 {
        let entry = entry(number, text);
        let context = async_nats::jetstream::new(self.0.clone());
        let published = context.publish_with_headers(entry.subject.to_string(), HeaderMap::new(), entry.bytes.into());
        published.await.expect("sent").await.expect("stored").sequence
    }

    /// The names of the stream's consumers.
    pub async fn consumers(&self) -> Vec<String> {
        let names = self.api("CONSUMER.NAMES.POSTKEY", &json!({})).await["consumers"].take();
        serde_json::from_value(names).unwrap_or_default()
    }

    /// Deletes one, which may be gone already.
    pub async fn delete_consumer(&self, name: &str) {
        self.try_api(&format!("CONSUMER.DELETE.POSTKEY.{name}"), &json!({})).await;
    }

    /// The node that holds the stream's only consumer, by its number.
    pub async fn server_of_consumer(&self) -> Option<usize> {
        let names = self.consumers().await;
        let [name] = names.as_slice() else { return None };
        match self.try_api(&format!("CONSUMER.INFO.POSTKEY.{name}"), &json!({})).await? {
            Response::Ok(info) => info["cluster"]["leader"].as_str()?.strip_prefix('n')?.parse().ok(),
            Response::Err { .. } => None,
        }
    }

    /// Asks the stream's leader to make room for this node.
    pub async fn step_down_for(&self, node: usize) {
        let question = json!({"placement": {"preferred": format!("n{node}")}});
        self.try_api("STREAM.LEADER.STEPDOWN.POSTKEY", &question).await;
    }

    /// A message as the stream's leader holds it: its subject and its bytes.
    pub async fn message(&self, position: u64) -> (String, Vec<u8>) {
        let message = self.api("STREAM.MSG.GET.POSTKEY", &json!({"seq": position})).await["message"].take();
        let bytes = STANDARD.decode(message["data"].as_str().unwrap_or_default()).expect("base64");
        (message["subject"].as_str().expect("a subject").to_owned(), bytes)
    }

    /// The node that leads the stream, by its number.
    pub async fn leader(&self) -> Option<usize> {
        match self.try_api("STREAM.INFO.POSTKEY", &json!({})).await? {
            Response::Ok(info) => info["cluster"]["leader"].as_str()?.strip_prefix('n')?.parse().ok(),
            Response::Err { .. } => None,
        }
    }
}

/// The settings of a hand-made stream that is a log, but for what a test changes.
pub fn by_hand(log: LogId) -> Value {
    json!({
        "name": "POSTKEY", "subjects": ["postkey.>"], "retention": "limits", "storage": "file", "discard": "new",
        "max_msg_size": 65536, "allow_direct": true, "num_replicas": 1, "metadata": {"postkey-log": log.to_string()},
    })
}

/// Writers, each of a service of its own, that ask again until they know what became of each entry.
pub struct Writers {
    ended: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Vec<Stored>>>,
}

impl Writers {
    pub fn start(log: &Arc<EventLog>, count: u64) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let tasks = (0..count).map(|writer| tokio::spawn(write(Arc::clone(log), writer, Arc::clone(&ended)))).collect();
        Self { ended, tasks }
    }

    /// Lets each come to the end of its present entry, and looks whether what they were told is true: exactly theirs
    /// stands in the log, each once, in order and where it was said to stand.
    pub async fn end_and_check(self, store: &JetStreamStore) -> usize {
        self.ended.store(true, Ordering::SeqCst);
        let mut told = BTreeMap::new();
        for writer in join_all(self.tasks).await {
            for stored in writer.expect("no panic") {
                assert!(told.insert(stored.position, stored.entry).is_none(), "one position was given twice");
            }
        }
        let found = within(30, async || {
            let entries: Vec<_> = store.read(Scope::All, Position::START).collect().await;
            entries.into_iter().collect::<Result<Vec<Stored>, ReadError>>().ok()
        });
        let found = found.await;
        assert!(found.iter().map(|stored| stored.position.get()).eq(1..=found.len() as u64), "no contiguous log");
        let told: Vec<_> = told.into_iter().map(|(position, entry)| Stored { position, entry }).collect();
        assert_eq!(told.len(), found.len());
        assert!(told == found, "the log is not what the writers were told");
        found.len()
    }
}

async fn write(log: Arc<EventLog>, writer: u64, ended: Arc<AtomicBool>) -> Vec<Stored> {
    let (mut last, mut told) = (Position::START, Vec::new());
    while !ended.load(Ordering::SeqCst) {
        let entry = entry(writer, format!("{writer}: {}", told.len()));
        last = loop {
            match log.append(&entry, last).await {
                Ok(position) => break position,
                Err(AppendError::Unavailable) => {}
                Err(error) => panic!("writer {writer}, after {last}: {error}"),
            }
        };
        told.push(Stored { position: last, entry });
    }
    told
}

/// Follows until so many have come, and again after each doubt; says how many doubts there were. What it has given up is gone
/// before the pause: a pull that stands takes what another follower is sent.
pub async fn followed(log: &EventLog, after: Position, count: usize) -> (Vec<Stored>, usize) {
    let (mut found, mut doubts) = (Vec::new(), 0);
    loop {
        let last = found.last().map_or(after, |stored: &Stored| stored.position);
        let mut entries = log.follow(last);
        loop {
            if found.len() == count {
                return (found, doubts);
            }
            match entries.next().await.expect("no end but by an error") {
                Ok(stored) => found.push(stored),
                Err(ReadError::Unavailable(_)) => break,
                Err(error) => panic!("{error}"),
            }
        }
        drop(entries);
        doubts += 1;
        // Pauses differ, so that two that share a consumer do not come again in step.
        sleep(Duration::from_millis(20 + RandomState::new().build_hasher().finish() % 80)).await;
    }
}

/// How long a follower may go on with a consumer that is no more. It gives up after 2 s; the rest is for machines that are
/// busy with other tests. The client's own ordered consumer stalls for 11 s and more.
pub const NOTICED: Duration = Duration::from_secs(6);

/// The next position that a follower comes to; it follows again after each doubt.
pub async fn next<'l>(
    log: &'l EventLog,
    entries: &mut BoxStream<'l, Result<Stored, ReadError>>,
    last: Position,
) -> Position {
    loop {
        match entries.next().await.expect("no end but by an error") {
            Ok(stored) => return stored.position,
            Err(ReadError::Unavailable(_)) => *entries = log.follow(last),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Rounds in which forty append to one service at once, half of them by each log, all expecting the same position: one
/// wins each, and everybody knows who.
pub async fn race(logs: [&Arc<EventLog>; 2], rounds: usize) {
    let mut last = Position::START;
    for round in 0..rounds {
        let racers = (0..40).map(|racer| {
            let log = Arc::clone(logs[racer % 2]);
            let entry = entry(1, format!("round {round}, racer {racer}"));
            tokio::spawn(async move { (log.append(&entry, last).await, entry) })
        });
        let answers: Vec<_> = join_all(racers).await.into_iter().map(|racer| racer.expect("no panic")).collect();
        let winners: Vec<_> = answers.iter().filter(|(answer, _)| *answer != Err(AppendError::Conflict)).collect();
        let [(Ok(won), entry)] = winners[..] else { panic!("round {round}: {winners:?}") };
        let found = logs[0].read(Scope::service(service(1)), last).next().await.expect("one").expect("sound");
        assert_eq!(found, Stored { position: *won, entry: entry.clone() });
        last = *won;
    }
    let head = logs[1].head(Scope::All).await.expect("sound").position;
    assert_eq!(head.get(), rounds as u64, "a loser has taken a position");
}
