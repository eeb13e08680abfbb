//! The raw operation of a log on JetStream: guarded publishes by async-nats to a stream of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use async_nats::jetstream::{self, Context, stream};
use hyper::body::Bytes;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::{Timing, Window};
use crate::failure::{Failure, Named};
use crate::tally::Tally;

/// The stream's name; its subjects are below `raw.`.
const STREAM: &str = "RAW";

/// Publishes with `Nats-Expected-Last-Subject-Sequence`, so many in flight. Each worker has subjects of its own, so that
/// no guard ever fails.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Publishes {
    /// The server.
    pub url: String,
    /// How many subjects.
    pub subjects: usize,
    /// How long a message is.
    pub bytes: usize,
    /// How many are under way at a time.
    pub in_flight: usize,
    /// For how long.
    pub timing: Timing,
}

/// A stream of its own, gone with [`RawStream::delete`].
pub struct RawStream {
    context: Context,
}

impl RawStream {
    /// A fresh one on a server, in files, without replicas.
    ///
    /// # Errors
    /// Where the server can't be reached or does not make it.
    pub async fn make(url: &str) -> Result<Self, Failure> {
        let client = async_nats::connect(url).await.named("NATS")?;
        let context = jetstream::new(client);
        // What a run that was killed has left.
        let _ = context.delete_stream(STREAM).await;
        let config = stream::Config {
            name: STREAM.to_owned(),
            subjects: vec!["raw.>".to_owned()],
            storage: stream::StorageType::File,
            num_replicas: 1,
            discard: stream::DiscardPolicy::New,
            duplicate_window: Duration::from_secs(120),
            ..stream::Config::default()
        };
        context.create_stream(config).await.named("the raw stream")?;
        Ok(Self { context })
    }

    /// Publishes on a subject that ends at `expected`; where it stands then.
    ///
    /// # Errors
    /// Where it is refused or not acknowledged.
    pub async fn publish(&self, subject: String, payload: Bytes, expected: u64) -> Result<u64, Failure> {
        publish(&self.context, subject, payload, expected).await
    }

    /// Deletes it.
    ///
    /// # Errors
    /// Where the server does not.
    pub async fn delete(self) -> Result<(), Failure> {
        self.context.delete_stream(STREAM).await.named("the raw stream").map(|_| ())
    }
}

async fn publish(context: &Context, subject: String, payload: Bytes, expected: u64) -> Result<u64, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
    let sent = context.publish_with_headers(subject, headers, payload).await.named("a publish")?;
    Ok(sent.await.named("a publish")?.sequence)
}

impl Publishes {
    pub(super) async fn run(self) -> Result<Tally, Failure> {
        if self.subjects < self.in_flight {
            return Err(Failure::new("publishes", "there must be a subject for each in flight"));
        }
        let raw = RawStream::make(&self.url).await?;
        let (window, payload) = (Window::new(), Bytes::from(vec![b'x'; self.bytes]));
        let mut workers = JoinSet::new();
        for number in 0..self.in_flight {
            let subjects: Vec<_> =
                (number..self.subjects).step_by(self.in_flight).map(|n| format!("raw.{n}")).collect();
            workers.spawn(work(raw.context.clone(), subjects, payload.clone(), Arc::clone(&window)));
        }
        let tally = window.run(self.in_flight, self.timing).await?;
        while let Some(ended) = workers.join_next().await {
            ended.named("a worker")?;
        }
        raw.delete().await?;
        Ok(tally)
    }
}

async fn work(context: Context, subjects: Vec<String>, payload: Bytes, window: Arc<Window>) {
    let mut last = vec![0; subjects.len()];
    window.ready();
    for turn in (0..subjects.len()).cycle() {
        if window.is_over() {
            break;
        }
        let begun = Instant::now();
        match publish(&context, subjects[turn].clone(), payload.clone(), last[turn]).await {
            Ok(sequence) => {
                last[turn] = sequence;
                window.done(begun);
            }
            Err(error) => window.failed(&error.to_string()),
        }
    }
}
