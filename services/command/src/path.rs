//! The path of a command: load, prove who asks where that is needed, prepare, decide, append, wait. Every command takes it.
//!
//! Order of writes: keys, then the entry; the read model follows by itself. Nothing is written before it is decided, so
//! what is refused leaves no key; a crash between the two leaves one that nobody uses.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use credential::{Personal, ViolationCode};
use domain::{Command, CredentialHash, EmailService, Event, KeyId, NewCredential, Position, Rejection};
use postkey_http::{Code, Problem, Receipt};
use tokio::time::{Instant, timeout};
use wire::{Body, Fingerprint, Opened};

use crate::app::App;
use crate::context::{Ask, Asked};
use crate::preparation::{Given, Make, Preparation, Prepared, PrivateKey, Proved, ToSet};
use crate::receipt::Outcome;
use crate::refusal::{overloaded, problem, weak};
use crate::services::Slot;

mod append;
mod claim;

use append::{Append, Outdated};
pub use claim::Claim;
use claim::Claimed;

/// How long an answer waits for the read model where the caller does not say.
const DEFAULT_WAIT: Duration = Duration::from_secs(2);
/// How long a look at the key store may take, for whoever does not wait.
const ONE_LOOK: Duration = Duration::from_millis(200);
/// How often a command is prepared anew because what it was prepared on has moved.
const PREPARATIONS: u32 = 16;

/// Carries a command out and waits until it is in force.
///
/// # Errors
/// The refusal, or what could not be reached. With a 503 it may still come to be: ask again with the same key.
pub async fn handle<T: Asked, const N: usize, M: Make>(
    app: &App,
    ask: &Ask<T, N>,
    preparation: Preparation,
    make: &M,
) -> Result<Receipt, Problem> {
    app.guard.check()?;
    if !app.projection.met().await {
        let detail = "the projection can't say yet whether this is the log that it knows; nothing was stored";
        return Err(Problem::new(Code::CatchingUp).with_detail(detail));
    }
    app.guard.check()?;
    let slot = match preparation.claim {
        Some(_) => app.services.newest(preparation.service).await?,
        None => app.services.slot(preparation.service).await?,
    };
    let outcome = Handling::new(app, ask, &slot, preparation).run(make).await?;
    let begun = Instant::now();
    let effective_at = in_force(app, &outcome, ask.headers.wait.unwrap_or(DEFAULT_WAIT)).await;
    app.measures.effect.observe(begun.elapsed().as_secs_f64());
    Ok(outcome.receipt(effective_at))
}

/// Waits until what was done is in force; the instant at which that was known, or none within `wait`.
async fn in_force(app: &App, outcome: &Outcome, wait: Duration) -> Option<DateTime<Utc>> {
    let begun = Instant::now();
    let applied = app.projection.applied(outcome.position, wait).await?;
    if !outcome.once_destroyed {
        return Some(applied);
    }
    let left = wait.saturating_sub(begun.elapsed()).max(ONE_LOOK);
    timeout(left, app.destruction.reached(outcome.position)).await.ok().map(|()| app.clock.now())
}

struct Handling<'a, T, const N: usize> {
    app: &'a App,
    ask: &'a Ask<T, N>,
    slot: &'a Slot,
    preparation: Preparation,
    /// Whom the claim has proved to be asking.
    proved: Option<Proved>,
    /// Its hash and key; hashed once.
    hashed: Option<(KeyId, CredentialHash)>,
    /// How many of the keys that it brings are durable.
    stored: usize,
}

/// What came of one attempt to decide and append.
enum Attempt {
    Done(Outcome),
    /// What the command was prepared on has moved.
    Superseded,
}

/// Why a command can't be prepared.
enum Unprepared {
    /// By what is known of the service: a newer state may allow it.
    ByState(Problem),
    /// Whatever the state.
    Anyway(Problem),
    /// What it was prepared on has moved.
    Superseded,
}

impl From<Rejection> for Unprepared {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Superseded => Self::Superseded,
            rejection => Self::ByState(problem(rejection)),
        }
    }
}

impl From<Problem> for Unprepared {
    fn from(problem: Problem) -> Self {
        Self::Anyway(problem)
    }
}

impl<'a, T: Asked, const N: usize> Handling<'a, T, N> {
    const fn new(app: &'a App, ask: &'a Ask<T, N>, slot: &'a Slot, preparation: Preparation) -> Self {
        Self { app, ask, slot, preparation, proved: None, hashed: None, stored: 0 }
    }

    async fn run<M: Make>(mut self, make: &M) -> Result<Outcome, Problem> {
        // Whether the state at hand is as new as the request.
        let mut newest = self.preparation.claim.is_some();
        for _ in 0..PREPARATIONS {
            if let Claimed::Repeated(outcome) = self.claimed().await? {
                return Ok(outcome);
            }
            let credential = match self.credential(make).await {
                Ok(credential) => credential,
                // Nobody is refused by an old state.
                Err(Unprepared::ByState(_)) if !newest => {
                    self.catch_up().await?;
                    newest = true;
                    continue;
                }
                Err(Unprepared::ByState(problem) | Unprepared::Anyway(problem)) => return Err(problem),
                Err(Unprepared::Superseded) => {
                    self.superseded();
                    continue;
                }
            };
            let credential_key = credential.as_ref().map(|credential| credential.key);
            let command = make.command(Prepared { credential, proved: self.proved })?;
            match self.decide_and_append(&command, credential_key).await? {
                Attempt::Done(outcome) => return Ok(outcome),
                Attempt::Superseded => {
                    self.superseded();
                    newest = true;
                }
            }
        }
        Err(Problem::new(Code::Overloaded).with_detail("the user is being changed faster than this could be prepared"))
    }

    /// A service that is not the caller's is not found; one that does not exist yet is nobody's.
    fn own(&self) -> Result<(), Problem> {
        match &self.slot.folded().state {
            EmailService::Provisioned(found) if !self.ask.tenancy.allows(&found.service.customer) => {
                Err(Problem::not_found())
            }
            EmailService::Provisioned(_) | EmailService::Unprovisioned => Ok(()),
        }
    }

    fn seen(&self) -> Option<Position> {
        self.slot.folded().seen(self.ask.command_id(self.preparation.service))
    }

    /// The answer to a repeat: what the first request was answered, if this is the same request.
    async fn repeated(&self, position: Position) -> Result<Outcome, Problem> {
        let (outcome, fingerprint) = self.earlier(position).await?;
        let same = match fingerprint {
            Some(fingerprint) => fingerprint == self.preparation.fingerprint,
            // It was under a key that is gone by now, as that of a password which another has replaced.
            None => self.could_have_come_of_it(&outcome),
        };
        if same { Ok(outcome) } else { Err(Problem::new(Code::IdempotencyMismatch)) }
    }

    /// Whether what stands in the clear of an earlier outcome can be this request's: nobody who suspends a user, or adds
    /// one, is told that it was done, because the key once set a password.
    fn could_have_come_of_it(&self, outcome: &Outcome) -> bool {
        let whose = match self.preparation.private {
            PrivateKey::OfUser(user) => outcome.user == Some(user),
            // Who it makes gets another id each time.
            PrivateKey::Fresh(_) | PrivateKey::OfService => true,
        };
        let folded = self.slot.folded();
        let user = outcome.user.and_then(|user| folded.state.provisioned().ok()?.user(user).ok());
        whose && self.ask.body.could_have_made(&outcome.events, user.and_then(|user| user.person.value.known()))
    }

    /// What an earlier request was answered, and its fingerprint as long as that can be opened.
    async fn earlier(&self, position: Position) -> Result<(Outcome, Option<Fingerprint>), Problem> {
        let Opened { change, .. } = self.app.services.entry(self.slot, position).await?;
        let Body::Service { service, user, events, private } = change.body else {
            return Err(Problem::new(Code::LogCorrupt));
        };
        let fingerprint = private.iter().find_map(|part| part.value.known()?.fingerprint);
        let once_destroyed = events.iter().any(Event::is_in_force_once_destroyed);
        let events = events.iter().map(Event::name).collect();
        let outcome = Outcome { position, revision: position, events, service, user, repeated: true, once_destroyed };
        Ok((outcome, fingerprint))
    }

    /// Judges the password with its user's names, and hashes it; both again only where they must be.
    async fn credential<M: Make>(&mut self, make: &M) -> Result<Option<NewCredential>, Unprepared> {
        let Some(to_set) = &self.preparation.password else { return Ok(None) };
        let person = make.person(&self.slot.folded().state)?;
        let Some(person) = person else { return Err(Problem::internal().into()) };
        let personal = Personal::from(&person);
        let (app, policy, field, asker) = (self.app, &self.app.policy, to_set.field, self.preparation.asker());
        let password = match &to_set.password {
            Given::Judged(password) => {
                let judged = app.hasher.check_personal(asker, password, policy, &personal).await.map_err(overloaded)?;
                judged.map_err(|violations| refused(field, &violations))?;
                Arc::clone(password)
            }
            Given::Raw(given) => {
                let judged =
                    app.hasher.parse(asker, given.clone(), policy, Some(&personal)).await.map_err(overloaded)?;
                Arc::new(judged.map_err(|violations| refused(field, &violations))?)
            }
        };
        self.preparation.password = Some(ToSet { field, password: Given::Judged(Arc::clone(&password)) });
        if self.hashed.is_none() {
            make.allowed(&self.slot.folded().state, self.proved)?;
            let mut salt = [0; credential::SALT_BYTES];
            app.entropy.fill(&mut salt);
            let begun = Instant::now();
            let hash = app.hasher.hash(asker, password, salt).await.map_err(overloaded)?;
            app.measures.hash.observe(begun.elapsed().as_secs_f64());
            self.hashed = Some((Preparation::fresh_key(app, &mut self.preparation.keys), hash));
        }
        let (key, hash) = self.hashed.clone().ok_or_else(Problem::internal)?;
        Ok(Some(NewCredential { key, hash, policy: policy.version(), judged_for: person }))
    }

    /// Notes that it has to be prepared anew.
    fn superseded(&self) {
        self.app.measures.superseded.inc();
    }

    async fn catch_up(&self) -> Result<(), Problem> {
        let _turn = self.slot.turn().await?;
        self.app.services.catch_up(self.slot).await
    }

    async fn decide_and_append(
        &mut self,
        command: &dyn Command,
        credential: Option<KeyId>,
    ) -> Result<Attempt, Problem> {
        let slot = self.slot;
        let _turn = slot.turn().await?;
        let mut newest = false;
        loop {
            if let Some(position) = self.seen() {
                return self.repeated(position).await.map(Attempt::Done);
            }
            self.own()?;
            let decided = command.decide(&self.slot.folded().state);
            let refused_or_nothing = decided.as_ref().map_or(true, Vec::is_empty);
            if refused_or_nothing && !newest {
                // Nobody is refused, nor told that nothing changes, by an old state.
                self.app.services.catch_up(self.slot).await?;
                newest = true;
                continue;
            }
            let events = match decided {
                Err(Rejection::Superseded) => return Ok(Attempt::Superseded),
                Err(rejection) => return Err(problem(rejection)),
                Ok(events) if events.is_empty() => return Ok(Attempt::Done(self.nothing_changed())),
                Ok(events) => events,
            };
            let before = self.slot.folded().position();
            match self.append(events, credential).await? {
                Append::Stands(outcome) => return Ok(Attempt::Done(outcome)),
                Append::Outdated(why) => {
                    self.app.services.catch_up(self.slot).await?;
                    newest = true;
                    if let Outdated::Doomed(key) = why
                        && self.slot.folded().position() == before
                    {
                        return Err(self.app.keys.standing_is_destroyed(key));
                    }
                }
            }
        }
    }

    fn nothing_changed(&self) -> Outcome {
        let folded = self.slot.folded();
        let revision = folded.state.provisioned().ok().and_then(|found| match self.preparation.user {
            Some(user) => found.user(user).ok().map(|user| user.revision),
            None => Some(found.service.revision),
        });
        Outcome {
            position: folded.position(),
            revision: revision.unwrap_or(folded.position()),
            events: Vec::new(),
            service: self.preparation.service,
            user: self.preparation.user,
            repeated: false,
            once_destroyed: false,
        }
    }
}

/// What comes of a password that breaks rules: some of them depend on its user's names.
fn refused(field: &str, violations: &[credential::Violation]) -> Unprepared {
    let by_state = |violation: &credential::Violation| {
        matches!(violation.code, ViolationCode::ContainsPersonal | ViolationCode::TooGuessable)
    };
    let problem = weak(field, violations);
    if violations.iter().any(by_state) { Unprepared::ByState(problem) } else { Unprepared::Anyway(problem) }
}

#[cfg(test)]
mod tests;
