mod bounds;
mod examples;
mod laws;

use std::num::NonZeroUsize;

use super::*;

/// A throttle and a clock that stands until it is told to go on.
struct Stage {
    throttle: Throttle,
    now: Instant,
}

/// How an attempt ended: judged, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Judged,
    /// After so many seconds.
    Throttled(u64),
    /// Others are being judged.
    Pending,
}

impl Stage {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        Self { throttle: Throttle::new(limits, [7; 32]), now: Instant::now() }
    }

    fn passes(&mut self, time: Duration) {
        self.now += time;
    }

    fn begin(&self, account: &str, origin: Option<IpAddr>) -> Result<Attempt, Throttled> {
        self.throttle.origin(account, origin, self.now)?;
        self.throttle.attempt(account, origin, self.now)
    }

    fn wrong(&self, account: &str, origin: Option<IpAddr>) -> Ended {
        self.judged(account, origin, |attempt| attempt.wrong(self.now))
    }

    fn right(&self, account: &str, origin: Option<IpAddr>) -> Ended {
        self.judged(account, origin, |attempt| attempt.right(self.now))
    }

    fn judged(&self, account: &str, origin: Option<IpAddr>, settle: impl FnOnce(Attempt)) -> Ended {
        match self.begin(account, origin) {
            Ok(attempt) => {
                settle(attempt);
                Ended::Judged
            }
            Err(throttled) if throttled.pending => Ended::Pending,
            Err(throttled) => Ended::Throttled(throttled.seconds()),
        }
    }
}

/// One of many origins, none of which shares another's network.
fn origin(n: u32) -> Option<IpAddr> {
    Some(IpAddr::from(n.to_be_bytes()))
}

fn some(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}
