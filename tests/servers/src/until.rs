//! Waiting for what must come true.

use std::time::{Duration, Instant};

/// How long a server may take to start, to stop or to notice, on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long to leave a server alone between two questions.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks until there is an answer, for at most [`PATIENCE`]; `None` when there was none.
pub(crate) fn until<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() > deadline {
            return answer;
        }
        std::thread::sleep(PAUSE);
    }
}
