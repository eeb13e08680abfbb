//! Messages by which services wake each other: hints over core NATS, lost without harm.

use async_nats::Subscriber;
use domain::Position;
use futures::StreamExt;

use super::connection::Connection;

/// Where a projection says that it has applied something. Not under `postkey.`, which the log captures.
const SUBJECT: &str = "wake.projection";

/// Says, and hears, that a projection has gone on. Nothing is believed of it: whoever hears it asks.
#[derive(Clone)]
pub struct Wakes {
    connection: Connection,
}

impl Wakes {
    pub(super) const fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Tells whoever listens that the log is applied up to a position.
    pub async fn wake(&self, applied: Position) {
        // One that is lost costs a waiting command a few milliseconds.
        if let Err(error) = self.connection.publish(SUBJECT.to_owned(), None, applied.to_string().into()).await {
            tracing::debug!(%error, "a wake-up was not sent");
        }
    }

    /// Begins to listen, over all connections to come; none where there will be none.
    pub async fn listen(&self) -> Option<Heard> {
        self.connection.client().subscribe(SUBJECT).await.ok().map(Heard)
    }
}

/// Wake-ups as they come.
pub struct Heard(Subscriber);

impl Heard {
    /// Waits for the next one: the position that it names, as a hint.
    pub async fn next(&mut self) -> Option<Position> {
        let message = self.0.next().await?;
        Some(
            std::str::from_utf8(&message.payload)
                .ok()
                .and_then(|text| text.parse().ok())
                .map_or(Position::START, Position::new),
        )
    }
}
