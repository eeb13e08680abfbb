//! Where seeded entries and keys go.

use std::path::Path;
use std::sync::Arc;

use async_nats::HeaderMap;
use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use async_nats::jetstream::{self, Context};
use domain::{KeyId, Position};
use event_log::{Appended, LogStore, SqliteStore};
use futures::{StreamExt, TryStreamExt, stream};
use keys::{KeyStore, PostgresKeyStore, SqliteKeyStore, WrappedKey};
use postkey_postgres::Location;
use serde_json::Value;
use wire::{Entry, LogId};

use crate::failure::{Failure, Named};

/// How many entries are under way at a time.
const IN_FLIGHT: usize = 256;
/// How many keys share one transaction.
const KEYS: usize = 2_000;
/// The stream of the log, and the subject of its first entry.
const STREAM: &str = "POSTKEY";
const FIRST: &str = "postkey.log";

/// A log that nobody else writes meanwhile.
pub struct LogSink {
    to: To,
}

enum To {
    Sqlite(SqliteStore),
    JetStream(Context),
}

impl LogSink {
    /// A log in a SQLite file that holds its first entry.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn sqlite(path: &Path) -> Result<Self, Failure> {
        let store = SqliteStore::open(path).await.named("the log")?;
        Ok(Self { to: To::Sqlite(store) })
    }

    /// A log in JetStream that holds its first entry; the URL's user may append to it.
    ///
    /// # Errors
    /// Where it can't be reached.
    pub async fn jetstream(url: &str) -> Result<Self, Failure> {
        let servers: Vec<async_nats::ServerAddr> =
            url.split(',').map(str::parse).collect::<Result<_, _>>().named("NATS")?;
        let client = async_nats::connect(servers).await.named("NATS")?;
        Ok(Self { to: To::JetStream(jetstream::new(client)) })
    }

    /// Which log it is.
    ///
    /// # Errors
    /// Where it does not say so.
    pub async fn id(&self) -> Result<LogId, Failure> {
        let context = match &self.to {
            To::Sqlite(store) => return Ok(store.log()),
            To::JetStream(context) => context,
        };
        let stream = context.get_stream(STREAM).await.named("the log's stream")?;
        let first = stream.get_last_raw_message_by_subject(FIRST).await.named("the log's first entry")?;
        let line = first.payload.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line: Value = serde_json::from_slice(line).named("the log's first entry")?;
        let id = line["events"][0]["data"]["log"].as_str().unwrap_or_default();
        id.parse().map(LogId::new).named("the log's id")
    }

    /// Appends entries of different services, each after the position of its own, and says where each stands: durable on
    /// return as far as the store is, in no particular order among themselves.
    ///
    /// # Errors
    /// Where one is refused: somebody else writes.
    pub async fn append(&self, entries: &[(Entry, Position)]) -> Result<Vec<Position>, Failure> {
        let to = &self.to;
        let answers = stream::iter(entries).map(|(entry, expected)| append(to, entry, *expected)).buffered(IN_FLIGHT);
        answers.try_collect().await
    }

    /// Lets go of it in good order.
    pub async fn close(self) {
        if let To::Sqlite(store) = self.to {
            store.close().await;
        }
    }
}

async fn append(to: &To, entry: &Entry, expected: Position) -> Result<Position, Failure> {
    match to {
        To::Sqlite(store) => match store.try_append(entry, expected).await {
            Appended::At(position) => Ok(position),
            other => Err(Failure::new("seeding", format!("an entry was refused: {other:?}"))),
        },
        To::JetStream(context) => {
            let mut headers = HeaderMap::new();
            headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
            let subject = entry.subject.as_str().to_owned();
            let sent = context.publish_with_headers(subject, headers, entry.bytes.clone().into()).await;
            Ok(Position::new(sent.named("seeding")?.await.named("seeding")?.sequence))
        }
    }
}

/// A key store.
pub struct KeySink(Arc<dyn KeyStore>);

impl KeySink {
    /// A key store in a SQLite file that is there.
    ///
    /// # Errors
    /// Where it can't be opened.
    pub async fn sqlite(path: &Path) -> Result<Self, Failure> {
        Ok(Self(Arc::new(SqliteKeyStore::open(path, false).await.named("the key store")?)))
    }

    /// A key store in a database that was set up.
    ///
    /// # Errors
    /// Where it can't be opened.
    pub async fn postgres(url: &str) -> Result<Self, Failure> {
        let location: Location = url.parse().named("the key store")?;
        Ok(Self(Arc::new(PostgresKeyStore::open(&location).await.named("the key store")?)))
    }

    /// Stores keys, durably on return.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn create(&self, keys: &[(KeyId, WrappedKey)]) -> Result<(), Failure> {
        for some in keys.chunks(KEYS) {
            self.0.create(some).await.named("the key store")?;
        }
        Ok(())
    }
}
