//! Following by a pull consumer: begun anew at each position that is followed from, and given up at the first doubt.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::{Message, StatusCode, Subscriber};
use async_stream::try_stream;
use domain::Position;
use futures::future::{Either, select};
use futures::{Stream, StreamExt};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use wire::Stored;

use super::JetStreamStore;
use super::connection::Connection;
use super::faults::{ApiFault, code};
use super::read::{next, stored};
use super::stream::STREAM;
use crate::{ReadError, Scope};

/// How many entries one pull may bring: fewer than the client keeps in hand, so that none is dropped.
const BATCH: usize = 2_000;
/// And how many bytes: less than a server keeps for a client that is slow (64 MB, and then it hangs up).
const BATCH_BYTES: usize = 16 << 20;
/// How long a pull waits for them; then it is made again.
const EXPIRES: Duration = Duration::from_secs(30);
/// How often the server says that it is still there.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// A server that says nothing for so long is gone; the consumer is then begun anew, on another one.
const SILENCE: Duration = Duration::from_millis(1_500);
/// The pause before a consumer that nobody knows yet is asked again.
const AGAIN: Duration = Duration::from_millis(10);
/// How often a quiet log is asked where it ends: a consumer that has stalled, or a stream that was put in another's
/// place, says nothing of itself.
const LOOK: Duration = Duration::from_secs(1);
/// A consumer of ours that nobody pulls from any more goes away after this.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// For how long one is looked for that is to be deleted and is not there: it may have been asked for just before.
const ASK_AGAIN_FOR: Duration = Duration::from_secs(5);

/// The status with which a pull ends early, for a reason that stands in its description.
const NOT_NOW: u16 = 409;

/// Tells consumers that one process makes from each other.
static MADE: AtomicU64 = AtomicU64::new(0);

/// A consumer to pull from. One of our own is deleted with it.
pub(super) struct Consumer {
    name: String,
    own: Option<Connection>,
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let Some(connection) = self.own.take() else { return };
        // Without a runtime, or an answer, it is forgotten a little later.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let delete = format!("CONSUMER.DELETE.{STREAM}.{}", self.name);
        runtime.spawn(async move {
            let begun = Instant::now();
            // The server may still be making it.
            while let Err(fault) = connection.api::<IgnoredAny>(&delete, &json!({})).await
                && is_no_consumer(&fault)
                && begun.elapsed() < ASK_AGAIN_FOR
            {
                sleep(SILENCE).await;
            }
        });
    }
}

/// Prepares the consumer to go on after a position.
pub(super) async fn begin(
    connection: &Connection,
    durable: Option<&str>,
    after: Position,
) -> Result<Consumer, ApiFault> {
    let from = after.next().get();
    if let Some(name) = durable {
        reset(connection, name, from).await?;
        return Ok(Consumer { name: name.to_owned(), own: None });
    }
    let inbox = connection.new_inbox();
    let unique = inbox.rsplit('.').next().unwrap_or_default();
    let name = format!("follow-{unique}-{}", MADE.fetch_add(1, Ordering::Relaxed));
    let mut config = consumer(&name);
    config["deliver_policy"] = "by_start_sequence".into();
    config["opt_start_seq"] = from.into();
    config["inactive_threshold"] = nanoseconds(FORGOTTEN).into();
    config["mem_storage"] = true.into();
    config["num_replicas"] = 1.into();
    let consumer = Consumer { name, own: Some(connection.clone()) };
    make(connection, &consumer.name, config).await?;
    Ok(consumer)
}

/// Sets a durable consumer to a position. Where it is missing nobody answers to that (nats-server 2.15.1), so that its
/// state is asked for beside it.
async fn reset(connection: &Connection, name: &str, from: u64) -> Result<(), ApiFault> {
    let (question, reset) = (json!({"seq": from}), format!("CONSUMER.RESET.{STREAM}.{name}"));
    let (nothing, info) = (json!({}), format!("CONSUMER.INFO.{STREAM}.{name}"));
    let mut reset = std::pin::pin!(connection.api::<IgnoredAny>(&reset, &question));
    let info = std::pin::pin!(connection.api::<IgnoredAny>(&info, &nothing));
    let answer = match select(reset.as_mut(), info).await {
        Either::Left((answer, _)) => answer,
        Either::Right((Err(fault), _)) if is_no_consumer(&fault) => Err(fault),
        Either::Right(_) => reset.await,
    };
    answer.map(|_| ())
}

/// Whether an administrator has paused a consumer (`CONSUMER.PAUSE`): it takes pulls and says that it is there, and brings
/// nothing. Where that can't be told, it is not.
pub(super) async fn is_paused(connection: &Connection, name: &str) -> bool {
    #[derive(Deserialize)]
    struct Info {
        #[serde(default)]
        paused: bool,
    }
    let info = connection.api::<Info>(&format!("CONSUMER.INFO.{STREAM}.{name}"), &json!({})).await;
    info.is_ok_and(|info| info.paused)
}

/// The settings of a consumer that entries are pulled from: one at a time, acknowledged by nobody, for the position that
/// is applied is kept where it is applied.
fn consumer(name: &str) -> serde_json::Value {
    json!({"name": name, "ack_policy": "none", "deliver_policy": "all", "replay_policy": "instant", "max_waiting": 16})
}

/// Makes a durable consumer, for whoever may not make its own; one that is there already stays.
pub(super) async fn make_durable(connection: &Connection, name: &str) -> Result<(), ApiFault> {
    let mut config = consumer(name);
    config["durable_name"] = name.into();
    make(connection, name, config).await
}

async fn make(connection: &Connection, name: &str, config: serde_json::Value) -> Result<(), ApiFault> {
    let question = json!({"stream_name": STREAM, "config": config});
    connection.api::<IgnoredAny>(&format!("CONSUMER.CREATE.{STREAM}.{name}"), &question).await.map(|_| ())
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The entries after a position, from a consumer that was begun there. Ends with the first doubt; and without one where
/// the consumer was paused.
pub(super) fn pull(
    store: &JetStreamStore,
    consumer: Consumer,
    after: Position,
) -> impl Stream<Item = Result<Stored, ReadError>> + Send + '_ {
    try_stream! {
        let mut last = after;
        // Where the log was seen to end, while less of it has come.
        let mut owed = after;
        let mut pulling = Pulling::new(&store.connection, consumer).await?;
        loop {
            match pulling.next(owed > last).await? {
                Pulled::Entry(stored) => {
                    if stored.position != last.next() {
                        Err(in_time(skipped(&store.connection, last, stored.position)).await?)?;
                    }
                    last = stored.position;
                    yield stored;
                }
                Pulled::Quiet if pulling.is_paused().await => return,
                Pulled::Quiet if owed > last => {
                    Err(ReadError::Unavailable(format!(
                        "the log ends at position {owed}, but the consumer has stalled at {last}; it is begun anew"
                    )))?;
                }
                Pulled::Quiet => owed = in_time(store.end_beyond(last)).await?,
            }
        }
    }
}

/// What is asked while the consumer's server is quiet must not hide for longer that it is gone.
async fn in_time<T>(question: impl Future<Output = Result<T, ReadError>>) -> Result<T, ReadError> {
    let silent = |_| ReadError::Unavailable("the log's leader does not answer in time".to_owned());
    timeout(SILENCE, question).await.map_err(silent)?
}

/// A consumer that nobody acknowledges to loses what was under way when a connection broke. What the leader does not
/// have, while it has what follows, is another matter.
async fn skipped(connection: &Connection, last: Position, found: Position) -> Result<ReadError, ReadError> {
    if found > last {
        next(connection, &Scope::All, last).await?;
    }
    Ok(ReadError::Unavailable(format!("the consumer went from position {last} to {found}; it is begun anew")))
}

enum Pulled {
    Entry(Stored),
    /// Nothing has come for a while, and the server is there.
    Quiet,
}

/// One pull after the other on one inbox.
struct Pulling<'c> {
    connection: &'c Connection,
    /// Kept for as long as it is pulled from.
    consumer: Consumer,
    next: String,
    inbox: String,
    messages: Subscriber,
    /// What the present pull may still bring; at zero, the next one is due.
    outstanding: usize,
    /// When the last entry came, or the log was last looked at.
    heard: Instant,
    /// When the server last said anything.
    answered: Instant,
}

impl<'c> Pulling<'c> {
    async fn new(connection: &'c Connection, consumer: Consumer) -> Result<Self, ReadError> {
        let inbox = connection.new_inbox();
        let messages = connection.subscribe(inbox.clone()).await.map_err(ApiFault::unavailable)?;
        let next = connection.subject(&format!("CONSUMER.MSG.NEXT.{STREAM}.{}", consumer.name));
        let now = Instant::now();
        Ok(Self { connection, consumer, next, inbox, messages, outstanding: 0, heard: now, answered: now })
    }

    /// One that is ours alone is paused by nobody.
    async fn is_paused(&self) -> bool {
        self.consumer.own.is_none() && is_paused(self.connection, &self.consumer.name).await
    }

    async fn ask(&mut self) -> Result<(), ReadError> {
        let question = json!({
            "batch": BATCH,
            "max_bytes": BATCH_BYTES,
            "expires": nanoseconds(EXPIRES),
            "idle_heartbeat": nanoseconds(HEARTBEAT),
        });
        let asked = self.connection.publish(self.next.clone(), Some(self.inbox.clone()), question.to_string().into());
        asked.await.map_err(ApiFault::unavailable)?;
        self.outstanding = BATCH;
        Ok(())
    }

    /// What comes next; quiet after a while, or, where something should have come, after one heartbeat without it.
    async fn next(&mut self, owed: bool) -> Result<Pulled, ReadError> {
        loop {
            if self.outstanding == 0 {
                self.ask().await?;
            }
            let silent = || ReadError::Unavailable("the consumer's server says nothing any more".to_owned());
            let message = timeout(SILENCE, self.messages.next()).await.map_err(|_| silent())?.ok_or_else(silent)?;
            if message.status != Some(StatusCode::NO_RESPONDERS) {
                self.answered = Instant::now();
            }
            match message.status {
                None | Some(StatusCode::OK) => {
                    self.outstanding -= 1;
                    self.heard = Instant::now();
                    return delivered(message).map(Pulled::Entry);
                }
                Some(StatusCode::IDLE_HEARTBEAT) if owed || self.heard.elapsed() >= LOOK => {
                    self.heard = Instant::now();
                    return Ok(Pulled::Quiet);
                }
                Some(StatusCode::IDLE_HEARTBEAT) => {}
                // It has waited long enough, or has brought what it may.
                Some(StatusCode::TIMEOUT | StatusCode::NOT_FOUND) => self.outstanding = 0,
                // In a cluster, one that was just made is not known everywhere at once.
                Some(StatusCode::NO_RESPONDERS) if self.answered.elapsed() < SILENCE => {
                    sleep(AGAIN).await;
                    self.outstanding = 0;
                }
                Some(status) => {
                    let what = message.description.as_deref().unwrap_or("no more entries");
                    let full = ["Batch Completed", "Message Size Exceeds MaxBytes"];
                    if status.as_u16() == NOT_NOW && full.iter().any(|full| what.starts_with(full)) {
                        self.outstanding = 0;
                        continue;
                    }
                    return Err(ReadError::Unavailable(format!("the consumer is gone: {status} {what}")));
                }
            }
        }
    }
}

/// An entry as a consumer delivers it: its position stands in the subject for acknowledgements (ADR-15): either
/// `$JS.ACK.<stream>.<consumer>.<delivered>.<position>.…`, or with domain and account before the stream.
fn delivered(message: Message) -> Result<Stored, ReadError> {
    let reply = message.reply.as_ref().map(async_nats::Subject::as_str).unwrap_or_default();
    let tokens: Vec<_> = reply.split('.').collect();
    let position = if tokens.len() < 11 { tokens.get(5) } else { tokens.get(7) };
    let position = position.and_then(|token| token.parse().ok()).map(Position::new);
    let position = position
        .ok_or_else(|| ReadError::Unavailable("a message of the consumer does not say where it stands".to_owned()))?;
    stored(position, message.subject.as_str(), message.payload.to_vec())
}

/// Whether the consumer can't be had, though JetStream can be asked: it was deleted, or may not be made.
pub(super) fn is_no_consumer(fault: &ApiFault) -> bool {
    fault.is(code::CONSUMER_NOT_FOUND)
}
