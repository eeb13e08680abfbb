//! Whether a projection is believed that says of the log that it can't be applied.

use std::time::Duration;

use tokio::time::Instant;

/// How long one is doubted that says so while others are not heard. It may be wrong by itself, as with an old keyring, and
/// the other be on its way up: nobody's changes are refused for that. One that is down for longer is no witness.
const DOUBTED_FOR: Duration = Duration::from_secs(10);

/// What was said of the log so far.
#[derive(Debug, Default)]
pub struct Doubt {
    /// Since when nobody who was heard says anything else.
    since: Option<Instant>,
    believed: bool,
}

impl Doubt {
    /// Takes over whether the log is said to be `corrupt` now, and whether `all` say so; whether that is believed. Once it
    /// is, it stays so until somebody says otherwise.
    pub fn believes(&mut self, corrupt: bool, all: bool) -> bool {
        if !corrupt {
            *self = Self::default();
            return false;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        self.believed |= all || since.elapsed() >= DOUBTED_FOR;
        self.believed
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_only_some_say_is_believed_once_nobody_has_said_otherwise_for_a_while() {
        let mut doubt = Doubt::default();
        assert!(!doubt.believes(true, false));
        advance(DOUBTED_FOR - Duration::from_millis(1)).await;
        assert!(!doubt.believes(true, false));
        advance(Duration::from_millis(1)).await;
        assert!(doubt.believes(true, false));
        assert!(!doubt.believes(false, false), "one goes on");
        assert!(!doubt.believes(true, false), "it is doubted anew");
    }

    #[tokio::test(start_paused = true)]
    async fn what_all_say_is_believed_at_once_and_until_somebody_says_otherwise() {
        let mut doubt = Doubt::default();
        assert!(doubt.believes(true, true));
        assert!(doubt.believes(true, false), "one that is not heard any more has not taken it back");
        assert!(!doubt.believes(false, false));
    }
}
