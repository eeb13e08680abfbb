//! The real clock, the operating system's randomness, and the allocator: the only place where any is chosen.

use chrono::{DateTime, Utc};
use mimalloc::MiMalloc;
use postkey_http::{Clock, Entropy};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// This machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the outermost shell")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// The operating system's generator.
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[allow(clippy::disallowed_methods, reason = "this is the outermost shell")]
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            // Going on without randomness would make keys that can be guessed.
            tracing::error!(%error, "the operating system gives no randomness");
            std::process::abort();
        }
    }
}
