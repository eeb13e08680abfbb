//! Whether the log's leader is within reach of the server that is connected to. Of one that was cut off from the others
//! nobody hears so otherwise: it goes on taking connections, and answers what it can.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::config::NatsConfig;
use super::connection::Connection;

/// For how long the leader may be out of reach over a connection that stands, before another server is tried: longer than
/// servers take to elect one.
const LEAVE_AFTER: Duration = Duration::from_secs(10);

/// What is known of that.
pub(super) struct Reach {
    /// Since when the leader is out of reach; none where it has answered.
    lost: Mutex<Option<Instant>>,
    /// Whether there is another server to try.
    has_choice: bool,
}

impl Reach {
    pub fn new(config: &NatsConfig) -> Self {
        Self { lost: Mutex::default(), has_choice: config.servers.len() > 1 }
    }

    /// Notes whether the leader has answered, and tries another server where it has not for too long.
    pub async fn note(&self, connection: &Connection, has_answered: bool) {
        if self.is_lost(!has_answered && self.has_choice && connection.is_connected()) {
            connection.try_another_server().await;
        }
    }

    /// Whether it has been out of reach for too long; said once each time.
    fn is_lost(&self, now: bool) -> bool {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let too_long = now && lost.get_or_insert_with(Instant::now).elapsed() >= LEAVE_AFTER;
        if too_long || !now {
            *lost = None;
        }
        too_long
    }
}
