//! Either end of a copy: closing a stream for one, and being filled by one.
//!
//! While a stream is filled, it captures other subjects than those of its log, and the server itself gives each message
//! the log's own: what anybody appends meanwhile has no stream that takes it, whatever they believe of this one.

use std::collections::HashMap;

use async_nats::{HeaderMap, Message, StatusCode, Subscriber};
use async_trait::async_trait;
use domain::Position;
use futures::StreamExt;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::time::{Duration, Instant, sleep, timeout};
use uuid::Uuid;
use wire::{LogId, Stored};

use super::administration::create;
use super::config::NatsConfig;
use super::connection::{APPEND_WITHIN, MAKE_WITHIN, RETRY_AFTER};
use super::faults::{self, ApiFault, OpenError, code};
use super::stream::{self, Info, STREAM};
use super::{Acknowledged, JetStreamStore};
use crate::{CopyEnd, CopyError, CopyId, Corrupt, Standing};

/// What every subject of a log begins with, and what stands for it while a copy is under way.
const LOG_SUBJECTS: &str = "postkey.";
const COPY_SUBJECTS: &str = "postkey-copy.";
/// In the stream's metadata: the copy that it was made by, and the one that it was closed for.
const MADE_BY: &str = "postkey-made-by-copy";
const CLOSED_FOR: &str = "postkey-closed-for-copy";
/// The guard of a single writer: the last position of the whole stream
/// (<https://docs.nats.io/nats-concepts/jetstream/headers>). Whatever fails makes all fail that were sent after it. The
/// subject's own guard beside it would not do: on several servers it refuses a subject that is still under way.
const EXPECTED: &str = "Nats-Expected-Last-Sequence";
/// Entries that may be under way: beyond that, three servers take no more of them a second.
const WINDOW: u64 = 256;
/// How long the next acknowledgement may take.
const WITHIN: Duration = Duration::from_secs(5);
/// A consumer that nobody pulls from. Its making, which the servers decide one after the other, tells which of several
/// copies may close the stream: a stream's settings can't, for the last of two updates wins.
const CLAIM: &str = "closed-for-copy";
/// JetStream's error for a consumer of this name that was made otherwise (`server/errors.json` of nats-server 2.15.1).
const CONSUMER_ALREADY_EXISTS: u64 = 10148;
/// For how many times [`RETRY_AFTER`] a closed stream of several servers must end at the same position.
const AT_REST: u32 = 4;

/// By what the server gives each message of a copy the subject that it has in the log. A stream that was filled by a copy
/// keeps it; no message comes to it any more once the stream captures the log's own subjects.
pub(super) fn transform() -> Value {
    json!({"src": format!("{COPY_SUBJECTS}>"), "dest": format!("{LOG_SUBJECTS}>")})
}

/// What a stream says of its copies.
#[derive(Deserialize)]
struct Marks {
    #[serde(default)]
    metadata: HashMap<String, String>,
    #[serde(default)]
    sealed: bool,
}

#[derive(Deserialize)]
struct Consumer {
    config: Marks,
}

impl Marks {
    fn read(config: &RawValue) -> Result<Self, CopyError> {
        serde_json::from_str(config.get()).map_err(|_| refused("the stream's settings can't be read"))
    }

    fn copy(&self, name: &str) -> Option<CopyId> {
        Uuid::try_parse(self.metadata.get(name)?).ok().map(CopyId::new)
    }
}

impl JetStreamStore {
    /// Makes the stream of a new, empty log with this id as the target of a copy, held by so many servers, and opens it
    /// as [`Self::open_for_copy`] does. Only the copy's end opens it for anything else.
    ///
    /// # Errors
    /// As [`JetStreamStore::create`]; another copy's target is [`OpenError::AlreadyExists`].
    pub async fn create_copy(
        config: &NatsConfig,
        log: LogId,
        copy: CopyId,
        replicas: usize,
    ) -> Result<Self, OpenError> {
        let mut creation = stream::creation(log, replicas, true);
        creation["metadata"][MADE_BY] = copy.to_string().into();
        creation["subjects"] = json!([format!("{COPY_SUBJECTS}>")]);
        creation["subject_transform"] = transform();
        create(config, &creation).await?;
        Self::open_for_copy(config).await
    }

    /// Opens a log that lies at an end of a copy, also while one into it is under way; then it is made sure that these
    /// credentials may fill it.
    ///
    /// # Errors
    /// As [`JetStreamStore::open`], and [`OpenError::Refused`] where they may not.
    pub async fn open_for_copy(config: &NatsConfig) -> Result<Self, OpenError> {
        let store = Self::open_unfinished(config).await?;
        if store.settings().copying {
            // An update that changes nothing, and an entry that no stream takes.
            store.update(|_| {}).await?;
            let deadline = Instant::now() + MAKE_WITHIN;
            while let Err(fault) = store.probe().await {
                // Who leads a stream that was just made is known to one server before the others.
                let may_pass = matches!(fault, ApiFault::NoAnswer(_)) && !fault.is_for_want_of_rights();
                if may_pass && Instant::now() < deadline {
                    sleep(RETRY_AFTER).await;
                    continue;
                }
                return Err(OpenError::Refused(format!("{COPY_SUBJECTS}> can't be published to: {fault}")));
            }
        }
        Ok(store)
    }

    /// Offers an entry that no stream takes, for it names an end that none has: fails unless it is refused for just that.
    async fn probe(&self) -> Result<(), ApiFault> {
        let mut headers = HeaderMap::new();
        headers.insert(EXPECTED, (1u64 << 62).to_string());
        let asked = self.connection.request(format!("{COPY_SUBJECTS}probe"), Some(headers), "".into(), APPEND_WITHIN);
        match faults::read::<Acknowledged>(&asked.await?.payload) {
            Err(fault) if fault.is(code::WRONG_LAST_SEQUENCE) => Ok(()),
            Err(fault) => Err(fault),
            Ok(_) => Err(ApiFault::Nonsense("the stream takes what it must not".to_owned())),
        }
    }

    /// Makes sure that no other copy closes the stream.
    async fn claim(&self, copy: CopyId) -> Result<(), CopyError> {
        let question = json!({
            "stream_name": STREAM,
            "action": "create",
            "config": {
                "name": CLAIM,
                "durable_name": CLAIM,
                "description": "which copy goes on in this stream's place",
                "ack_policy": "none",
                "deliver_policy": "new",
                "metadata": { CLOSED_FOR: copy.to_string() },
            },
        });
        let operation = format!("CONSUMER.CREATE.{STREAM}.{CLAIM}");
        match self.connection.api::<IgnoredAny>(&operation, &question).await {
            Ok(_) => return Ok(()),
            Err(fault) if fault.is(CONSUMER_ALREADY_EXISTS) => {}
            Err(fault) => return Err(copy_error(fault)),
        }
        let operation = format!("CONSUMER.INFO.{STREAM}.{CLAIM}");
        let made: Consumer = self.connection.api(&operation, &json!({})).await.map_err(copy_error)?;
        match made.config.copy(CLOSED_FOR) {
            Some(ours) if ours == copy => Ok(()),
            Some(other) => Err(CopyError::ClosedForAnother(other)),
            None => Err(refused(format!("the stream's consumer {CLAIM} is not of our making"))),
        }
    }

    /// Where the closed stream ends, once what was on its way through several servers has arrived.
    async fn at_rest(&self, copy: CopyId) -> Result<Position, CopyError> {
        let at_rest = if self.settings().replicas > 1 { AT_REST } else { 0 };
        let (mut head, mut same) = (None, 0);
        loop {
            let standing = self.standing().await?;
            if !standing.closed || standing.closed_for != Some(copy) {
                return Err(refused("the stream's settings were changed while it was closed"));
            }
            same = if head == Some(standing.head) { same + 1 } else { 0 };
            head = Some(standing.head);
            if same >= at_rest {
                return Ok(standing.head);
            }
            sleep(RETRY_AFTER).await;
        }
    }

    async fn change(&self, change: impl FnOnce(&mut Map<String, Value>) + Send) -> Result<(), CopyError> {
        // It was asked a moment ago, and has answered: what has gone wrong since may be over soon.
        self.update(change).await.map_err(|error| copy_error(ApiFault::NoAnswer(error.to_string())))
    }
}

#[async_trait]
impl CopyEnd for JetStreamStore {
    async fn standing(&self) -> Result<Standing, CopyError> {
        let (Info { config, state, .. }, settings) = self.info().await?;
        if settings.log != self.log() {
            return Err(Corrupt::OtherLog { expected: self.log(), found: settings.log }.into());
        }
        let marks = Marks::read(&config)?;
        Ok(Standing {
            log: settings.log,
            head: state.head()?,
            made_by: marks.copy(MADE_BY),
            unfinished: settings.copying,
            closed: marks.sealed,
            closed_for: marks.copy(CLOSED_FOR),
        })
    }

    async fn close_for(&self, copy: CopyId) -> Result<Position, CopyError> {
        let standing = self.standing().await?;
        if standing.unfinished {
            return Err(CopyError::Unfinished);
        }
        // The claim first: who has it not changes nothing.
        self.claim(copy).await?;
        match self.standing().await?.closed_for {
            Some(other) if other != copy => return Err(CopyError::ClosedForAnother(other)),
            Some(_) => {}
            None => {
                self.change(|config| {
                    config.insert("sealed".to_owned(), true.into());
                    // It is there, for it says which log this is.
                    config.entry("metadata").or_insert_with(|| json!({}))[CLOSED_FOR] = copy.to_string().into();
                })
                .await?;
            }
        }
        self.at_rest(copy).await
    }

    async fn take(&self, entries: &[Stored]) -> Result<(), CopyError> {
        if !self.settings().copying {
            return Err(CopyError::NotUnderWay);
        }
        let Some(first) = entries.first() else { return Ok(()) };
        let client = self.connection.client();
        let inbox = client.new_inbox();
        let unsent = |error: &dyn std::error::Error| CopyError::Unavailable(error.to_string());
        let mut answers = client.subscribe(format!("{inbox}.*")).await.map_err(|error| unsent(&error))?;
        let (mut under_way, mut expected) = (0, first.position);
        for Stored { position, entry } in entries {
            if *position != expected {
                return Err(CopyError::NotNext);
            }
            if under_way == WINDOW {
                self.acknowledged(&mut answers, position.get() - WINDOW).await?;
                under_way -= 1;
            }
            let mut headers = HeaderMap::new();
            headers.insert(EXPECTED, (position.get() - 1).to_string());
            let subject = entry.subject.as_str().strip_prefix(LOG_SUBJECTS).unwrap_or(entry.subject.as_str());
            let (subject, reply) = (format!("{COPY_SUBJECTS}{subject}"), format!("{inbox}.{position}"));
            let sent = client.publish_with_reply_and_headers(subject, reply, headers, entry.bytes.clone().into()).await;
            sent.map_err(|error| unsent(&error))?;
            under_way += 1;
            expected = expected.next();
        }
        for position in expected.get() - under_way..expected.get() {
            self.acknowledged(&mut answers, position).await?;
        }
        Ok(())
    }

    async fn finish(&self, copy: CopyId, head: Position) -> Result<(), CopyError> {
        let standing = self.standing().await?;
        if standing.made_by != Some(copy) {
            return Err(CopyError::NotUnderWay);
        }
        if !standing.unfinished {
            return Ok(());
        }
        if standing.head != head {
            return Err(CopyError::NotNext);
        }
        self.change(|config| {
            // What gives entries their subjects stays: a server that was away applies what it has missed by the settings
            // that it finds then (seen with 2.15.1: it filed them under the copy's).
            config.insert("subjects".to_owned(), json!([format!("{LOG_SUBJECTS}>")]));
            stream::finish_copying(config);
        })
        .await
    }
}

impl JetStreamStore {
    /// Waits for the next acknowledgement, which must be that of the entry at `position`: they come in the order in which
    /// the entries were sent.
    async fn acknowledged(&self, answers: &mut Subscriber, position: u64) -> Result<(), CopyError> {
        let silent = || CopyError::Unavailable("NATS does not acknowledge".to_owned());
        let Message { subject, payload, status, .. } =
            timeout(WITHIN, answers.next()).await.map_err(|_| silent())?.ok_or_else(silent)?;
        if status == Some(StatusCode::NO_RESPONDERS) {
            // It has no leader now; or somebody else has finished it.
            let unfinished = self.standing().await?.unfinished;
            return Err(if unfinished { silent() } else { CopyError::NotUnderWay });
        }
        match faults::read::<Acknowledged>(&payload) {
            Ok(Acknowledged { stream, seq, duplicate: false })
                if stream == STREAM && seq == position && subject.ends_with(&format!(".{position}")) =>
            {
                Ok(())
            }
            Ok(Acknowledged { seq, .. }) => {
                Err(CopyError::Unavailable(format!("NATS has acknowledged position {seq} and not {position}")))
            }
            Err(fault) if fault.is(code::WRONG_LAST_SEQUENCE) || fault.is(code::WRONG_LAST_SEQUENCE_IN_FLIGHT) => {
                Err(CopyError::NotNext)
            }
            Err(fault) => Err(copy_error(fault)),
        }
    }
}

fn copy_error(fault: ApiFault) -> CopyError {
    if fault.is_for_want_of_rights() { refused(fault) } else { CopyError::Unavailable(fault.to_string()) }
}

fn refused(what: impl ToString) -> CopyError {
    CopyError::Refused(what.to_string())
}
