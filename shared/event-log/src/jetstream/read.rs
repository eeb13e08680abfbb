//! Reads: bulk from any replica, up to the head that the leader has named; what is missing there, from the leader.

use async_nats::{HeaderMap, Message, StatusCode, Subscriber};
use async_stream::try_stream;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::Position;
use futures::{Stream, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Duration, sleep, timeout};
use wire::{Entry, Stored, Subject};

use super::connection::Connection;
use super::faults::{ApiFault, code, damaged};
use super::stream::STREAM;
use crate::{Corrupt, ReadError, Scope};

/// How many entries one question brings, and how many bytes of them: less than a server keeps for a client that is slow
/// (64 MB, and then it hangs up), for several readers on one connection.
const PAGE: u64 = 1_000;
const PAGE_BYTES: usize = 4 << 20;
/// How often what looks like a loss is looked at, and the pause between: a server that takes itself for the leader
/// without being it finds out meanwhile.
const LOOKS: u32 = 3;
const LOOK_AGAIN: Duration = Duration::from_millis(300);
/// How long the next entry of a page may take.
const WITHIN: Duration = Duration::from_secs(2);

/// Headers of a directly read message (ADR-31, <https://github.com/nats-io/nats-architecture-and-design>).
const SUBJECT: &str = "Nats-Subject";
const SEQUENCE: &str = "Nats-Sequence";
/// In an answer of many: the position of the message before this one, 0 for the first.
const BEFORE: &str = "Nats-Last-Sequence";
/// The status of the message after the last one of an answer of many.
const END_OF_ANSWER: u16 = 204;

#[derive(Deserialize)]
struct Got {
    message: GotMessage,
}

#[derive(Deserialize)]
struct GotMessage {
    subject: String,
    seq: u64,
    #[serde(default)]
    data: String,
}

/// The last entry of a subject, from the leader.
pub(super) async fn last_of(connection: &Connection, subject: &Subject) -> Result<Option<Stored>, ReadError> {
    get(connection, &json!({"last_by_subj": subject.as_str()})).await
}

/// The first entry of `scope` after a position, from the leader. For the whole log it is the next one, or the proof, in
/// one answer, that there is a gap; none proves nothing, for a server may lag that takes itself for the leader.
pub(super) async fn next(connection: &Connection, scope: &Scope, after: Position) -> Result<Option<Stored>, ReadError> {
    let found = get(connection, &question(scope, after)).await?;
    match found {
        Some(found) if *scope == Scope::All && found.position > after.next() => {
            Err(Corrupt::Gap { after, found: found.position }.into())
        }
        found => Ok(found),
    }
}

/// What asks for the first message of `scope` after a position.
fn question(scope: &Scope, after: Position) -> serde_json::Value {
    let subject = match scope {
        Scope::All => ">",
        Scope::Subject(subject) => subject.as_str(),
    };
    json!({"seq": after.next().get(), "next_by_subj": subject})
}

/// Asks the leader for one message.
async fn get(connection: &Connection, question: &serde_json::Value) -> Result<Option<Stored>, ReadError> {
    match connection.ask::<Got>(&format!("STREAM.MSG.GET.{STREAM}"), question).await {
        Ok(Got { message: GotMessage { subject, seq, data } }) => {
            let position = Position::new(seq);
            let bytes =
                STANDARD.decode(data).map_err(|_| damaged(position, "a message of the leader's can't be read"))?;
            Ok(Some(stored(position, &subject, bytes)?))
        }
        Err(fault) if fault.is(code::NO_MESSAGE_FOUND) => Ok(None),
        Err(fault) => Err(fault.unavailable()),
    }
}

/// The entries of `scope` after a position and up to `to`, which the leader has named as its end.
pub(super) fn up_to(
    connection: &Connection,
    scope: Scope,
    after: Position,
    to: Position,
) -> impl Stream<Item = Result<Stored, ReadError>> + Send + '_ {
    try_stream! {
        let mut last = after;
        // The next page, asked for while this one comes: what a full page is followed by is known for the whole log only.
        let (mut ahead, mut full): (Option<(Position, Page)>, bool) = (None, false);
        while last < to {
            let before = last;
            let mut page = match ahead.take() {
                Some((from, page)) if from == last => page,
                _ => Page::ask(connection, &scope, last).await?,
            };
            let next_page = Position::new(last.get().saturating_add(PAGE));
            if full && scope == Scope::All && next_page < to {
                ahead = Some((next_page, Page::ask(connection, &scope, next_page).await?));
            }
            while let Some(stored) = page.next().await? {
                // A replica that has lost entries is no proof that the log has.
                if scope == Scope::All && stored.position != last.next() {
                    break;
                }
                last = stored.position;
                yield stored;
            }
            full = last.get() - before.get() >= PAGE;
            if last == before {
                let stored = found_by_the_leader(connection, &scope, last, to).await?;
                tracing::debug!(position = %stored.position, "a replica does not have this entry; the leader does");
                last = stored.position;
                yield stored;
            }
        }
    }
}

/// The next entry, which must be there, for the leader has named a later end.
async fn found_by_the_leader(
    connection: &Connection,
    scope: &Scope,
    last: Position,
    to: Position,
) -> Result<Stored, ReadError> {
    for look in 1..=LOOKS {
        if let Some(stored) = next(connection, scope, last).await? {
            return Ok(stored);
        }
        if look < LOOKS {
            sleep(LOOK_AGAIN).await;
        }
    }
    Err(damaged(last, format!("the log ended at position {to} a moment ago, and has nothing after position {last}")))
}

/// One answer of many messages.
struct Page {
    messages: Subscriber,
    /// The position of the message that came last; 0 before the first.
    last: u64,
}

impl Page {
    async fn ask(connection: &Connection, scope: &Scope, after: Position) -> Result<Self, ReadError> {
        let mut question = question(scope, after);
        if *scope == Scope::All {
            question = json!({"seq": after.next().get()});
        }
        question["batch"] = PAGE.into();
        question["max_bytes"] = PAGE_BYTES.into();
        let inbox = connection.new_inbox();
        let messages = connection.subscribe(inbox.clone()).await.map_err(ApiFault::unavailable)?;
        let asked = connection.subject(&format!("DIRECT.GET.{STREAM}"));
        let published = connection.publish(asked, Some(inbox), question.to_string().into()).await;
        published.map_err(ApiFault::unavailable)?;
        Ok(Self { messages, last: 0 })
    }

    /// The next entry of the answer; none at its end, or where messages were lost on the way.
    async fn next(&mut self) -> Result<Option<Stored>, ReadError> {
        let silent = || ReadError::Unavailable("NATS does not go on with an answer that it has begun".to_owned());
        let message = timeout(WITHIN, self.messages.next()).await.map_err(|_| silent())?.ok_or_else(silent)?;
        match message.status {
            None | Some(StatusCode::OK) => {
                if before(&message) != Some(self.last) {
                    tracing::debug!("a part of an answer of NATS was lost on the way; the rest is asked for again");
                    return Ok(None);
                }
                let stored = direct(message)?;
                self.last = stored.position.get();
                Ok(Some(stored))
            }
            // The end of the answer, and: nothing there.
            Some(status) if status.as_u16() == END_OF_ANSWER || status == StatusCode::NOT_FOUND => Ok(None),
            Some(status) => {
                let what = message.description.unwrap_or_default();
                Err(ReadError::Unavailable(format!("NATS gives no entries now: {status} {what}")))
            }
        }
    }
}

fn header<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    message.headers.as_ref().and_then(|headers: &HeaderMap| headers.get(name)).map(|value| value.as_str())
}

/// Which position an answer says that it brought before this message.
fn before(message: &Message) -> Option<u64> {
    header(message, BEFORE)?.parse().ok()
}

fn direct(message: Message) -> Result<Stored, ReadError> {
    let unnamed = || ReadError::Unavailable("an answer of NATS does not say what it is".to_owned());
    let position =
        header(&message, SEQUENCE).and_then(|seq| seq.parse().ok()).map(Position::new).ok_or_else(unnamed)?;
    stored(position, header(&message, SUBJECT).ok_or_else(unnamed)?, message.payload.to_vec())
}

/// An entry as the stream has it.
pub(super) fn stored(position: Position, subject: &str, bytes: Vec<u8>) -> Result<Stored, ReadError> {
    let subject = Subject::parse(subject).map_err(|_| Corrupt::UnreadableSubject { position })?;
    Ok(Stored { position, entry: Entry { subject, bytes } })
}
