//! Waiting until the read model has applied a change: one task follows the projection's position, handlers wait on it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::Position;
use event_log::{Corrupt, EventLog, ReadError};
use postkey_http::{ClientError, HealthCheck, Heard, PositionClient, Status, StoppedBy};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wire::LogId;

use crate::clocks::Clocks;
use crate::log_guard::LogGuard;
use crate::waiters::Waiters;

mod doubt;

use doubt::Doubt;

/// How long the projection is asked to hold its answer back until there is something new.
const LONG_POLL: Duration = Duration::from_secs(20);
/// The pause after a failed question; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long a projection that is asked is given, once another has said that it has come as far.
const GRACE: Duration = Duration::from_millis(5);
/// How long a service that has just started waits to hear from the projection whether its log is the one that it knows.
const FIRST_CONTACT: Duration = Duration::from_secs(5);
/// What is not applied within this time is worth a look.
const LATE: Duration = Duration::from_secs(1);
/// How long a command waits for a projection that is there but can't tell yet: one that is starting soon can.
const SECOND_THOUGHT: Duration = Duration::from_secs(2);

/// What is known of the projection.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// Whether it has answered once, or has been waited for long enough.
    met: bool,
    /// Whether it is there, but it is not known yet that the log comes as far as what it has applied.
    unchecked: bool,
}

/// The projection, as far as the command service needs it.
#[derive(Clone)]
pub struct Projection {
    known: watch::Receiver<Known>,
    applied: Waiters,
    clocks: Clocks,
    health: HealthCheck,
}

/// What the task that follows works with.
struct Follower {
    client: PositionClient,
    /// What projections say that they have applied, lossy and believed by nobody: a reason to ask.
    woken: Option<watch::Receiver<Position>>,
    log: Arc<EventLog>,
    guard: LogGuard,
    health: HealthCheck,
    known: watch::Sender<Known>,
    applied: Waiters,
    doubt: Doubt,
    clocks: Clocks,
}

impl Projection {
    /// Starts following the projection that `client` asks, until `stop`.
    pub fn follow(
        client: PositionClient,
        woken: Option<watch::Receiver<Position>>,
        log: Arc<EventLog>,
        guard: LogGuard,
        health: HealthCheck,
        clocks: Clocks,
        stop: CancellationToken,
    ) -> Self {
        let (sender, known) = watch::channel(Known::default());
        let applied = guard.applied();
        let follower = Follower {
            client,
            woken,
            log,
            guard,
            health: health.clone(),
            known: sender,
            applied: applied.clone(),
            doubt: Doubt::default(),
            clocks: clocks.clone(),
        };
        let followed = applied.clone();
        tokio::spawn(async move {
            stop.run_until_cancelled(follower.run()).await;
            followed.close();
        });
        Self { known, applied, clocks, health }
    }

    /// Waits, shortly after the start only, until the projection was heard. It knows how far the log once had come, so a
    /// log that was rolled back is found before anything is appended to it. False as long as that can't be told.
    pub async fn met(&self) -> bool {
        let mut known = self.known.clone();
        if known.wait_for(|known| known.met || known.unchecked).await.is_ok_and(|known| known.met) {
            return true;
        }
        timeout(SECOND_THOUGHT, known.wait_for(|known| known.met)).await.is_ok_and(|met| met.is_ok())
    }

    /// Waits until lookups see `position`; the instant at which that was known, or none within `wait`.
    pub async fn applied(&self, position: Position, wait: Duration) -> Option<DateTime<Utc>> {
        match timeout(wait, self.applied.reached(position)).await {
            Ok(true) => Some(self.clocks.now()),
            Ok(false) | Err(_) => {
                // One that hangs answers nothing for as long as a long poll takes; a Save is known to be late sooner.
                if wait >= LATE && self.health.status() == Status::Green {
                    self.health.yellow(format!("position {position} was not applied within {} s", wait.as_secs()));
                }
                None
            }
        }
    }
}

impl Follower {
    async fn run(mut self) {
        let begun = tokio::time::Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut told = None;
        loop {
            let next = self.applied.position().next();
            // Another one that knows the log is heard as soon as it can be.
            let hurry = !self.known.borrow().met || self.guard.is_disowned();
            let wait = if hurry { Duration::ZERO } else { LONG_POLL };
            let sent = tokio::time::Instant::now();
            let asked = self.ask(next, wait).await;
            let early = hurry || sent.elapsed() < wait / 2;
            let failed = asked.is_err();
            match asked {
                Ok(heard) => {
                    heard.at.into_iter().for_each(|at| self.clocks.heard(at));
                    told = Some(heard);
                }
                Err(error) => self.not_heard(&error, begun.elapsed() > FIRST_CONTACT && told.is_none()),
            }
            let unchecked = match told {
                Some(heard) => !self.heard(heard).await,
                None => false,
            };
            if !unchecked {
                told = None;
            }
            // A projection that has stopped for good holds no answer back, and has nothing new.
            let nothing_new = early && self.applied.position() < next;
            if failed || unchecked || nothing_new {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            } else {
                pause = FIRST_PAUSE;
            }
        }
    }

    /// Asks the projection that was heard last, and lets it hold its answer back. Where another says meanwhile that it has
    /// come to `next`, and this one does not, all are asked: it may hang, or stand by for the other.
    async fn ask(&self, next: Position, wait: Duration) -> Result<Heard, ClientError> {
        let held = self.client.position(next.get(), wait);
        let Some(mut woken) = self.woken.clone() else { return held.await };
        let elsewhere = async {
            // Its sender is gone where nobody is heard any more.
            if woken.wait_for(|hint| *hint >= next).await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(GRACE).await;
            // Positions in another log are none here.
            self.client.anybodys(next.get()).await.filter(|heard| LogId::new(heard.answer.log) == self.log.id())
        };
        tokio::pin!(held, elsewhere);
        tokio::select! {
            answer = &mut held => answer,
            Some(answer) = &mut elsewhere => Ok(answer),
            else => held.await,
        }
    }

    /// What an answer that is none means; `long_enough`: one that is not there has been waited for.
    fn not_heard(&self, error: &ClientError, long_enough: bool) {
        match error {
            // It knows what it has applied, and this log is not it.
            ClientError::LogCorrupt { .. } => {
                let what = format!(
                    "{error}; restore the log that the read model was built from, or name that projection its own"
                );
                self.unsound(what);
            }
            // It is there, and can't vouch for a position yet, or does not for us.
            ClientError::NotReady { .. } | ClientError::Refused { .. } => {
                self.health.red(error.to_string());
                self.known.send_modify(|known| known.unchecked = true);
            }
            // What it has said of the log stands until it says otherwise.
            _ if self.guard.is_unapplied() || self.guard.is_disowned() => {}
            _ => {
                self.health.yellow(format!("{error}; changes are stored, and answered 202 until it does"));
                if long_enough {
                    self.known.send_modify(|known| (known.met, known.unchecked) = (true, false));
                }
            }
        }
    }

    /// Takes over what the projection says; false where it can't be held against the log yet.
    async fn heard(&mut self, heard: Heard) -> bool {
        let answer = heard.answer;
        let (log, position) = (LogId::new(answer.log), Position::new(answer.position));
        match self.checked(log, position).await {
            Checked::Sound => {
                self.guard.own();
                self.takes_over(heard, position);
                self.known.send_if_modified(|known| {
                    let news = !known.met || known.unchecked;
                    (known.met, known.unchecked) = (true, false);
                    news
                });
                self.applied.reach(position);
                true
            }
            Checked::Unsound(what) => {
                self.client.ask_another_first();
                self.unsound(what);
                true
            }
            Checked::NotYet => {
                self.health.yellow("it has applied more than is known of the log, which can't be asked now");
                self.known.send_modify(|known| known.unchecked = true);
                false
            }
        }
    }

    /// What it means to those who change something that the projection comes no further, if it does not. What can't be
    /// applied for an entry that is not ours would never be in force, so that nothing is stored after it. What only waits
    /// for rows or keys to be mended is: whoever takes away a stolen password wants it taken away, and it is, for a row
    /// that is older than the log lets nobody in.
    fn takes_over(&mut self, heard: Heard, at: Position) {
        let stopped = heard.answer.stopped;
        let corrupt = stopped == Some(StoppedBy::LogCorrupt);
        let believed = self.doubt.believes(corrupt, heard.all_corrupt);
        self.guard.unapplied(believed);
        let later = |why: &str| {
            format!(
                "the projection has stopped at position {at}: {why}; changes are stored, and in force once it goes on"
            )
        };
        match stopped {
            None => self.health.green(),
            Some(StoppedBy::LogCorrupt) if !believed => self.health.yellow(later(
                "one of several says that what the log holds after it can't be applied, and others are not heard",
            )),
            Some(StoppedBy::LogCorrupt) => self.health.needs_person(format!(
                "the projection has stopped at position {at}: what the log holds after it can't be applied, its /healthz says \
                 why; nothing is appended until it goes on"
            )),
            Some(StoppedBy::KeysUnavailable) => self.health.yellow(later("the key store lacks keys, restore it")),
            Some(StoppedBy::Damaged) => self.health.yellow(later("its read model is damaged, its /healthz says what to do")),
            Some(StoppedBy::Other) => self.health.yellow(later("its /healthz says why")),
        }
    }

    /// What such a projection has applied is not what stands in this log: that puts nothing in force.
    fn unsound(&self, what: String) {
        self.guard.disown(what);
        self.known.send_modify(|known| (known.met, known.unchecked) = (true, false));
    }

    async fn checked(&self, log: LogId, position: Position) -> Checked {
        if log != self.log.id() {
            return Checked::Unsound(format!(
                "the projection follows log {log}, but this is log {}: bring the two together that belong together",
                self.log.id()
            ));
        }
        if position <= self.log.seen() {
            return Checked::Sound;
        }
        match self.log.head_beyond(position).await {
            Ok(_) => Checked::Sound,
            Err(ReadError::Corrupt(Corrupt::RolledBack { head, .. })) => Checked::Unsound(format!(
                "the log ends at position {head}, but the projection has applied position {position}: the log was rolled \
                 back; restore it"
            )),
            Err(ReadError::Corrupt(corrupt)) => Checked::Unsound(corrupt.to_string()),
            Err(ReadError::Unavailable(_)) => Checked::NotYet,
        }
    }
}

/// What the log says of the position that the projection has applied.
enum Checked {
    /// It comes as far.
    Sound,
    /// It is another one, or does not come as far.
    Unsound(String),
    /// It can't be asked now.
    NotYet,
}

#[cfg(test)]
mod tests;
