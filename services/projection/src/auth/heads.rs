//! One question to the log for all logins that were waiting when it was sent.

use std::sync::Arc;
use std::time::Duration;

use domain::Position;
use event_log::{EventLog, ReadError, Scope};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

type Answer = Result<Position, ReadError>;

/// Asks the log for its head, on behalf of many at once.
#[derive(Clone)]
pub struct Heads {
    questions: mpsc::Sender<oneshot::Sender<Answer>>,
}

/// A log that takes longer to say where it ends counts as one that can't be asked.
const WITHIN: Duration = Duration::from_secs(2);

/// Where `scope` ends, asked of the log at once.
pub(super) async fn ask(log: &EventLog, scope: Scope) -> Answer {
    match timeout(WITHIN, log.head(scope)).await {
        Ok(head) => head.map(|head| head.position),
        Err(_) => Err(ReadError::Unavailable("it does not answer".to_owned())),
    }
}

/// How many may wait for the next question; further ones wait for a place.
const WAITING: usize = 4_096;

impl Heads {
    /// Starts the task that asks. It ends with the last clone.
    pub fn new(log: Arc<EventLog>) -> Self {
        let (questions, mut waiting) = mpsc::channel::<oneshot::Sender<Answer>>(WAITING);
        tokio::spawn(async move {
            let mut askers = Vec::new();
            // Whoever comes while a question is under way is answered by the next one: its answer may be older.
            while waiting.recv_many(&mut askers, WAITING).await > 0 {
                let answer = ask(&log, Scope::All).await;
                for asker in askers.drain(..) {
                    let _ = asker.send(answer.clone());
                }
            }
        });
        Self { questions }
    }

    /// The head of the log as of a moment after the call.
    ///
    /// # Errors
    /// Where the log can't be asked, or is corrupt.
    pub async fn head(&self) -> Answer {
        let (asker, answer) = oneshot::channel();
        let gone = || ReadError::Unavailable("the task that asks the log has stopped".to_owned());
        self.questions.send(asker).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

#[cfg(test)]
mod tests;
