//! Waiting for what must come true, with a deadline.

use std::time::{Duration, Instant};

/// Longer than a page takes on a busy machine, shorter than anybody's patience with a hanging test.
const SOON: Duration = Duration::from_secs(30);

/// How often it is looked again.
const AGAIN: Duration = Duration::from_millis(20);

/// Looks until there is something to be seen, for at most [`SOON`]; `None` when there was nothing.
pub(crate) async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + SOON;
    loop {
        let seen = look().await;
        if seen.is_some() || Instant::now() > deadline {
            return seen;
        }
        tokio::time::sleep(AGAIN).await;
    }
}
