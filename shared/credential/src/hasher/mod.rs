//! argon2id and zxcvbn on a bounded pool of threads of our own, away from the runtime's.

mod bench;
mod lanes;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use domain::CredentialHash;
use domain::text::nfc;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

use self::bench::{Bench, Failed};
pub use self::lanes::Depths;
use self::lanes::{Lane, Lanes, Refused, Task};
use crate::parameters::{Parameters, SALT_BYTES};
use crate::rule::Candidate;
use crate::strength::{Score, score};
use crate::{Password, Personal, Policy, Violation, blocklist, strength};

/// How a [`Hasher`] is built.
#[derive(Clone, Debug)]
pub struct HasherConfig {
    /// How many threads work, each on one job and in 19 MiB: as many as there are cores.
    pub threads: NonZeroUsize,
    /// How many jobs may wait in each lane.
    pub bounds: Depths,
    /// What new passwords are hashed with, and what an unknown user's login costs.
    pub parameters: Parameters,
}

impl HasherConfig {
    /// For `threads` cores: [`Parameters::OWASP`], and as many waiting jobs as are done in about two seconds: whoever
    /// came later would give up before it is their turn.
    pub fn for_threads(threads: NonZeroUsize) -> Self {
        let per_lane = threads.get().saturating_mul(128);
        Self {
            threads,
            bounds: Depths { commands: per_lane, logins: per_lane, checks: per_lane },
            parameters: Parameters::OWASP,
        }
    }
}

/// Why a [`Hasher`] could not start.
#[derive(Debug, thiserror::Error)]
pub enum HasherStartError {
    /// The system has no thread for us.
    #[error("a hashing thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
    /// There is no memory, or the first hash failed.
    #[error("a hashing thread could not get its memory or compute its first hash")]
    Warm,
}

/// Whether a given password is the one of the hash. Both take the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Right,
    /// It isn't, or there is no hash, or none that we can read.
    Wrong,
}

/// Who asks for a command, which says among whom its passwords are judged and hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A client whose word is enough, as a panel's: before everybody else.
    Client,
    /// Whoever claims to be the user: among the logins. Before the proof it may be anybody, and after it somebody who may
    /// ask again and again; no Save waits for either.
    User,
}

impl Asker {
    const fn lane(self) -> Lane {
        match self {
            Self::Client => Lane::Command,
            Self::User => Lane::Login,
        }
    }
}

/// The work was not done and may be asked for again: `503` with `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; try again in {} s", .retry_after.as_secs())]
pub struct Overloaded {
    /// When to ask again: whole seconds, at least one.
    pub retry_after: Duration,
    /// What stood in the way, for logs and metrics.
    pub reason: OverloadReason,
}

/// What stood in the way of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverloadReason {
    /// As many jobs wait as may.
    #[error("too many passwords wait to be hashed")]
    QueueFull,
    /// The hasher was stopped before it was the job's turn.
    #[error("the hasher is stopping")]
    Stopping,
    /// The job panicked or found no memory. Its thread goes on with the next.
    #[error("the hash could not be computed")]
    Failed,
}

/// What a policy says of a password, and how strong it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// Every broken rule.
    pub violations: Vec<Violation>,
    /// The zxcvbn score.
    pub score: Score,
}

/// Hashes and verifies passwords, and scores them, on threads of its own.
///
/// Each thread owns one block of memory. Jobs wait in three bounded lanes: commands ([`Self::hash`], [`Self::parse`],
/// [`Self::check_personal`], for an [`Asker::Client`]) come first, so a Save waits at most for the jobs in hand; logins
/// ([`Self::verify`], [`Self::prove`], and commands for an [`Asker::User`]) and checks ([`Self::score`], [`Self::assess`]) take
/// turns. A full lane answers [`Overloaded`] at once. A job whose future was dropped before its turn is skipped. Dropped or stopped, its threads end after the jobs
/// in hand.
///
/// Passwords are wiped when their job is done or dropped, a thread's memory when the thread has nothing to do. What
/// zxcvbn copies, and what registers and a thread's stack held, is not.
#[derive(Debug)]
pub struct Hasher {
    lanes: Arc<Lanes>,
    threads: Vec<JoinHandle<()>>,
}

impl Hasher {
    /// Starts the threads, and returns once each has its memory and has computed a hash, and the tables of zxcvbn and
    /// of the blocklist are built: some 50 ms, that would else be the first person's. It blocks; call it before
    /// serving.
    ///
    /// # Errors
    /// Where the system gives no thread or no memory.
    pub fn start(config: HasherConfig) -> Result<Self, HasherStartError> {
        let mut hasher = Self { lanes: Arc::new(Lanes::new(config.bounds)), threads: Vec::new() };
        let (warm, warmed) = mpsc::channel();
        for index in 0..config.threads.get() {
            let (lanes, parameters, warm) = (Arc::clone(&hasher.lanes), config.parameters.clone(), warm.clone());
            let thread = thread::Builder::new().name(format!("hasher-{index}"));
            hasher.threads.push(thread.spawn(move || {
                let bench = warm_bench(parameters);
                // Whoever starts us waits until each thread has let go of its end: after this, or by a panic before.
                let ready = warm.send(bench.is_ok());
                drop(warm);
                if let (Ok(bench), Ok(())) = (bench, ready) {
                    work(&lanes, bench);
                }
            })?);
        }
        drop(warm);
        let ready = warmed.iter().filter(|warm| *warm).count();
        if ready == config.threads.get() { Ok(hasher) } else { Err(HasherStartError::Warm) }
    }

    /// Hashes a new password with a fresh random salt, for a command.
    ///
    /// # Errors
    /// [`Overloaded`]: nothing was done.
    pub async fn hash(
        &self,
        asker: Asker,
        password: impl Into<Arc<Password>>,
        salt: [u8; SALT_BYTES],
    ) -> Result<CredentialHash, Overloaded> {
        let password = password.into();
        self.hashing(asker.lane(), move |bench| bench.hash(&password, &salt)).await
    }

    /// Verifies a password given at a login. Without a hash (an unknown or suspended user) it is verified against a
    /// dummy of the configured parameters: the same path, the same cost, always [`Verdict::Wrong`]. So is one that is
    /// empty or too long, and a hash that can't be read. A hash of other parameters costs what those cost.
    ///
    /// # Errors
    /// [`Overloaded`]: there is no verdict.
    pub async fn verify(&self, given: SecretString, against: Option<&CredentialHash>) -> Result<Verdict, Overloaded> {
        let against = against.cloned();
        self.hashing(Lane::Login, move |bench| bench.verify(&given, against.as_ref())).await
    }

    /// As [`Self::verify`], for a command of an [`Asker::User`]'s, who gives the current password.
    ///
    /// # Errors
    /// [`Overloaded`]: there is no verdict.
    pub async fn prove(&self, given: SecretString, against: Option<&CredentialHash>) -> Result<Verdict, Overloaded> {
        let against = against.cloned();
        self.hashing(Asker::User.lane(), move |bench| bench.verify(&given, against.as_ref())).await
    }

    /// Judges a command's new password, as [`Password::parse`] does: here and now where the policy needs no score.
    ///
    /// # Errors
    /// [`Overloaded`]: it was not judged. Within: all broken rules.
    pub async fn parse(
        &self,
        asker: Asker,
        raw: SecretString,
        policy: &Policy,
        personal: Option<&Personal>,
    ) -> Result<Result<Password, Vec<Violation>>, Overloaded> {
        if !policy.needs_score() {
            return Ok(Password::parse(raw, policy, personal));
        }
        let (policy, personal) = (policy.clone(), personal.cloned());
        self.queue(asker.lane(), move |_| Password::parse(raw, &policy, personal.as_ref())).await
    }

    /// Judges by the rules that depend on the user, as [`Password::check_personal`] does: here and now where the policy
    /// needs no score.
    ///
    /// # Errors
    /// [`Overloaded`]: it was not judged. Within: all broken rules.
    pub async fn check_personal(
        &self,
        asker: Asker,
        password: &Arc<Password>,
        policy: &Policy,
        personal: &Personal,
    ) -> Result<Result<(), Vec<Violation>>, Overloaded> {
        if !policy.needs_score() {
            return Ok(password.check_personal(policy, personal));
        }
        let (password, policy, personal) = (Arc::clone(password), policy.clone(), personal.clone());
        self.queue(asker.lane(), move |_| password.check_personal(&policy, &personal)).await
    }

    /// Scores a password while it is typed, with its user's words as first guesses.
    ///
    /// # Errors
    /// [`Overloaded`]: there is no score.
    pub async fn score(&self, given: SecretString, personal: Option<Personal>) -> Result<Score, Overloaded> {
        self.queue(Lane::Check, move |_| score(&nfc(given.expose_secret()), personal.as_ref())).await
    }

    /// Scores a password while it is typed and tells every rule that it breaks.
    ///
    /// # Errors
    /// [`Overloaded`]: there is no assessment.
    pub async fn assess(
        &self,
        given: SecretString,
        policy: &Policy,
        personal: Option<Personal>,
    ) -> Result<Assessment, Overloaded> {
        let policy = policy.clone();
        self.queue(Lane::Check, move |_| {
            let given = given.expose_secret();
            let (nfc, personal) = (nfc(given), personal.as_ref());
            let score = score(&nfc, personal);
            let candidate = Candidate { given_bytes: given.len(), nfc: &nfc, personal, score: Some(score) };
            Assessment { violations: policy.broken(&candidate, |_| true), score }
        })
        .await
    }

    /// Takes no more jobs, answers those that wait [`OverloadReason::Stopping`], and lets the threads end after the
    /// jobs in hand. It waits for none of them.
    pub fn stop(&self) {
        self.lanes.close();
    }

    /// How many jobs each lane has taken since the start.
    pub fn taken(&self) -> Depths {
        self.lanes.taken()
    }

    /// How many jobs wait in each lane; those in hand don't count.
    pub fn depths(&self) -> Depths {
        self.lanes.depths()
    }

    async fn hashing<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&mut Bench) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, Overloaded> {
        self.queue(lane, work).await?.map_err(|Failed| overloaded(OverloadReason::Failed, 1))
    }

    async fn queue<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&mut Bench) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let (answer, answered) = oneshot::channel();
        self.lanes.push(lane, Box::new(Task { answer, work })).map_err(|refused| match refused {
            Refused::Full(waiting) => overloaded(OverloadReason::QueueFull, waiting / self.threads.len().max(1)),
            Refused::Closed => overloaded(OverloadReason::Stopping, 1),
        })?;
        // A job that ends without an answer was dropped by `stop`, or panicked.
        answered.await.map_err(|_| {
            let reason = if self.lanes.is_closed() { OverloadReason::Stopping } else { OverloadReason::Failed };
            overloaded(reason, 1)
        })
    }
}

impl Drop for Hasher {
    /// As [`Hasher::stop`]: a drop in async code must not block.
    fn drop(&mut self) {
        self.stop();
    }
}

/// A thread's life.
fn work(lanes: &Lanes, mut bench: Bench) {
    while let Some(job) = lanes.next(&mut bench) {
        // A job that panics takes its answer with it, and its waiter is told. The bench is as good as before: a hash
        // writes all the memory that it reads.
        drop(catch_unwind(AssertUnwindSafe(|| job.run(&mut bench))));
    }
}

fn warm_bench(parameters: Parameters) -> Result<Bench, Failed> {
    let mut bench = Bench::new(parameters)?;
    bench.verify(&SecretString::default(), None)?;
    strength::warm();
    blocklist::warm();
    Ok(bench)
}

/// `ahead`: how many jobs a thread has to do first, at about 16 ms each (DESIGN's measurement of one hash).
fn overloaded(reason: OverloadReason, ahead: usize) -> Overloaded {
    let seconds = u64::try_from(ahead / 64).unwrap_or(u64::MAX).clamp(1, 30);
    Overloaded { retry_after: Duration::from_secs(seconds), reason }
}
