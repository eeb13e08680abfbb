//! Reads: bulk from any replica, up to the head that the leader has named; what is missing there, from the leader.

use async_nats::{HeaderMap, Message, StatusCode, Subscriber};
use async_stream::try_stream;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::Position;
use futures::{Stream, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Duration, timeout};
use wire::{Entry, Stored, Subject};

use super::connection::Connection;
use super::faults::{code, damaged};
use super::stream::STREAM;
use crate::{Corrupt, ReadError, Scope};

/// How many entries one question brings.
const PAGE: usize = 1_000;
/// How long the next entry of a page may take.
const WITHIN: Duration = Duration::from_secs(2);

/// Headers of a directly read message (ADR-31, <https://github.com/nats-io/nats-architecture-and-design>).
const SUBJECT: &str = "Nats-Subject";
const SEQUENCE: &str = "Nats-Sequence";
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

/// The entry at a position, from the leader.
pub(super) async fn at(connection: &Connection, position: Position) -> Result<Option<Stored>, ReadError> {
    get(connection, &json!({"seq": position.get()})).await
}

/// The first entry of `scope` after a position, from the leader.
async fn next(connection: &Connection, scope: &Scope, after: Position) -> Result<Option<Stored>, ReadError> {
    match scope {
        Scope::All => at(connection, after.next()).await,
        Scope::Subject(subject) => {
            get(connection, &json!({"seq": after.next().get(), "next_by_subj": subject.as_str()})).await
        }
    }
}

/// Asks the leader for one message.
async fn get(connection: &Connection, question: &serde_json::Value) -> Result<Option<Stored>, ReadError> {
    match connection.api::<Got>(&format!("STREAM.MSG.GET.{STREAM}"), question).await {
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
        while last < to {
            let before = last;
            let mut page = Page::ask(connection, &scope, last).await?;
            while let Some(stored) = page.next().await? {
                // A replica that has lost entries is no proof that the log has.
                if scope == Scope::All && stored.position != last.next() {
                    break;
                }
                last = stored.position;
                yield stored;
            }
            if last == before {
                match next(connection, &scope, last).await? {
                    Some(stored) => {
                        tracing::debug!(position = %stored.position, "a replica does not have this entry; the leader does");
                        last = stored.position;
                        yield stored;
                    }
                    None => missing(connection, &scope, last, to).await?,
                }
            }
        }
    }
}

/// The leader has named an end, and has nothing on the way there.
async fn missing(connection: &Connection, scope: &Scope, last: Position, to: Position) -> Result<(), ReadError> {
    if *scope == Scope::All {
        let found = get(connection, &json!({"seq": last.next().get(), "next_by_subj": ">"})).await?;
        if let Some(found) = found {
            return Err(Corrupt::Gap { after: last, found: found.position }.into());
        }
    }
    Err(damaged(last, format!("the log ended at position {to} a moment ago, and has nothing after position {last}")))
}

/// One answer of many messages.
struct Page {
    messages: Subscriber,
}

impl Page {
    async fn ask(connection: &Connection, scope: &Scope, after: Position) -> Result<Self, ReadError> {
        let question = match scope {
            Scope::All => json!({"batch": PAGE, "seq": after.next().get()}),
            Scope::Subject(subject) => {
                json!({"batch": PAGE, "seq": after.next().get(), "next_by_subj": subject.as_str()})
            }
        };
        let client = connection.client();
        let unavailable = |error: &dyn std::error::Error| ReadError::Unavailable(error.to_string());
        let inbox = client.new_inbox();
        let messages = client.subscribe(inbox.clone()).await.map_err(|error| unavailable(&error))?;
        let asked = connection.subject(&format!("DIRECT.GET.{STREAM}"));
        let published = client.publish_with_reply(asked, inbox, question.to_string().into()).await;
        published.map_err(|error| unavailable(&error))?;
        Ok(Self { messages })
    }

    async fn next(&mut self) -> Result<Option<Stored>, ReadError> {
        let silent = || ReadError::Unavailable("NATS does not go on with an answer that it has begun".to_owned());
        let message = timeout(WITHIN, self.messages.next()).await.map_err(|_| silent())?.ok_or_else(silent)?;
        match message.status {
            None | Some(StatusCode::OK) => direct(message).map(Some),
            // The end of the answer, and: nothing there.
            Some(status) if status.as_u16() == END_OF_ANSWER || status == StatusCode::NOT_FOUND => Ok(None),
            Some(status) => {
                let what = message.description.unwrap_or_default();
                Err(ReadError::Unavailable(format!("NATS gives no entries now: {status} {what}")))
            }
        }
    }
}

fn direct(message: Message) -> Result<Stored, ReadError> {
    let header = |name: &str| -> Option<&str> {
        message.headers.as_ref().and_then(|headers: &HeaderMap| headers.get(name)).map(|value| value.as_str())
    };
    let unnamed = || ReadError::Unavailable("an answer of NATS does not say what it is".to_owned());
    let position = header(SEQUENCE).and_then(|seq| seq.parse().ok()).map(Position::new).ok_or_else(unnamed)?;
    stored(position, header(SUBJECT).ok_or_else(unnamed)?, message.payload.to_vec())
}

/// An entry as the stream has it.
pub(super) fn stored(position: Position, subject: &str, bytes: Vec<u8>) -> Result<Stored, ReadError> {
    let subject = Subject::parse(subject).map_err(|_| Corrupt::UnreadableSubject { position })?;
    Ok(Stored { position, entry: Entry { subject, bytes } })
}
