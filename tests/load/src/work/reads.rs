//! The raw operation of a rebuild from JetStream: reading a stream from its beginning, and nothing else.

use std::time::{Duration, Instant};

use async_nats::jetstream::{self, consumer};
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use super::{say_begin, say_over};
use crate::failure::{Failure, Named};
use crate::tally::Tally;

/// Messages in one pull, as the product asks for them.
const BATCH: usize = 10_000;
/// Nothing for so long is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads so many messages by a pull consumer without acknowledgements.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reads {
    /// The server.
    pub url: String,
    /// The stream.
    pub stream: String,
    /// How many messages it holds.
    pub messages: u64,
}

impl Reads {
    pub(super) async fn run(self) -> Result<Tally, Failure> {
        let client = async_nats::connect(&self.url).await.named("NATS")?;
        let context = jetstream::new(client);
        let stream = context.get_stream(&self.stream).await.named("the stream")?;
        let config = consumer::pull::Config {
            ack_policy: consumer::AckPolicy::None,
            inactive_threshold: PATIENCE,
            ..consumer::pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.named("a consumer")?;
        say_begin()?;
        let begun = Instant::now();
        let messages = consumer.stream().max_messages_per_batch(BATCH).messages().await;
        let mut messages = messages.named("a consumer")?;
        let mut operations = 0;
        while operations < self.messages {
            let next = tokio::time::timeout(PATIENCE, messages.next()).await.named("a message")?;
            next.ok_or_else(|| Failure::new("a message", "none"))?.named("a message")?;
            operations += 1;
        }
        say_over()?;
        Ok(Tally { operations, seconds: begun.elapsed().as_secs_f64(), ..Tally::default() })
    }
}
