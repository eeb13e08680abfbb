//! Waiting for what must come true, with a deadline: never a pause of a guessed length.

use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine, shorter than anybody's patience with a hanging test.
pub const SOON: Duration = Duration::from_secs(30);

/// How often it is looked again.
const AGAIN: Duration = Duration::from_millis(10);

/// Looks until there is something to be seen.
///
/// # Panics
/// After [`SOON`], saying `what` did not come true.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(begun.elapsed() < SOON, "not within {} s: {what}", SOON.as_secs());
        tokio::time::sleep(AGAIN).await;
    }
}
