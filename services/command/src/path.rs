//! The path of a command: load, prepare, decide, append, wait. Every command takes it.
//!
//! Order of writes: keys, then the entry; the read model follows by itself. A crash between the two leaves a key that
//! nobody uses.

use std::sync::Arc;
use std::time::Duration;

use credential::{Password, Personal, ViolationCode};
use domain::{Command, CredentialHash, EmailService, Event, KeyId, NewCredential, Position, Rejection, Sealed};
use event_log::AppendError;
use keys::{KeyState, Keys, VaultError};
use postkey_http::{Code, EntropyRng, Problem};
use wire::{Body, By, Change, EntryId, Opened, Private, seal};

use crate::app::App;
use crate::context::{Ask, Asked};
use crate::preparation::{Make, Preparation, PrivateKey};
use crate::receipt::{Outcome, Receipt};
use crate::refusal::{overloaded, problem, weak};
use crate::services::Slot;
use crate::writes::Unwritten;

/// How long an answer waits for the read model where the caller does not say.
const DEFAULT_WAIT: Duration = Duration::from_secs(2);
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
    let slot = app.services.slot(preparation.service).await?;
    let outcome = Handling { app, ask, slot: &slot, preparation, password: None, hashed: None }.run(make).await?;
    let wait = ask.headers.wait.unwrap_or(DEFAULT_WAIT);
    let effective_at = app.projection.applied(outcome.position, wait).await;
    Ok(Receipt::new(outcome, effective_at))
}

struct Handling<'a, T, const N: usize> {
    app: &'a App,
    ask: &'a Ask<T, N>,
    slot: &'a Slot,
    preparation: Preparation,
    /// The password once it was judged; judged again where its user's names have changed meanwhile.
    password: Option<Arc<Password>>,
    /// Its hash and key; hashed once.
    hashed: Option<(KeyId, CredentialHash)>,
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
}

impl From<Problem> for Unprepared {
    fn from(problem: Problem) -> Self {
        Self::Anyway(problem)
    }
}

impl<T: Asked, const N: usize> Handling<'_, T, N> {
    async fn run<M: Make>(mut self, make: &M) -> Result<Outcome, Problem> {
        // Whether the state at hand is as new as the request.
        let mut newest = false;
        for _ in 0..PREPARATIONS {
            self.own()?;
            if let Some(position) = self.seen() {
                return self.repeated(position).await;
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
            };
            let credential_key = credential.as_ref().map(|credential| credential.key);
            let command = make.command(credential)?;
            self.store_keys().await?;
            match self.decide_and_append(&command, credential_key).await? {
                Attempt::Done(outcome) => return Ok(outcome),
                Attempt::Superseded => newest = true,
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
        let Opened { change, .. } = self.app.services.entry(self.slot, position).await?;
        let Body::Service { service, user, events, private } = change.body else {
            return Err(Problem::new(Code::LogCorrupt));
        };
        // It can be told only as long as the credential that was set with it stands.
        let fingerprint = private.iter().find_map(|part| part.value.known()?.fingerprint);
        if fingerprint.is_some_and(|fingerprint| fingerprint != self.preparation.fingerprint) {
            return Err(Problem::new(Code::IdempotencyMismatch));
        }
        let events = events.iter().map(Event::name).collect();
        Ok(Outcome { position, revision: position, events, service, user, repeated: true })
    }

    /// Judges the password with its user's names, and hashes it; both again only where they must be.
    async fn credential<M: Make>(&mut self, make: &M) -> Result<Option<NewCredential>, Unprepared> {
        if self.preparation.password.is_none() && self.password.is_none() {
            return Ok(None);
        }
        let known = make.person(&self.slot.folded().state);
        let person = known.map_err(|rejection| Unprepared::ByState(problem(rejection)))?;
        let Some(person) = person else { return Err(Problem::internal().into()) };
        let personal = Personal::from(&person);
        let (app, policy) = (self.app, &self.app.policy);
        let password = match (&self.preparation.password, &self.password) {
            (_, Some(password)) => {
                let judged = app.hasher.check_personal(password, policy, &personal).await.map_err(overloaded)?;
                judged.map_err(|violations| refused(&violations))?;
                Arc::clone(password)
            }
            (Some(given), None) => {
                let judged = app.hasher.parse(given.clone(), policy, Some(&personal)).await.map_err(overloaded)?;
                Arc::new(judged.map_err(|violations| refused(&violations))?)
            }
            (None, None) => return Ok(None),
        };
        self.preparation.password = None;
        self.password = Some(Arc::clone(&password));
        if self.hashed.is_none() {
            let mut salt = [0; credential::SALT_BYTES];
            app.entropy.fill(&mut salt);
            let hash = app.hasher.hash(password, salt).await.map_err(overloaded)?;
            self.hashed = Some((Preparation::fresh_key(app, &mut self.preparation.keys), hash));
        }
        let (key, hash) = self.hashed.clone().ok_or_else(Problem::internal)?;
        Ok(Some(NewCredential { key, hash, policy: policy.version(), judged_for: person }))
    }

    async fn store_keys(&self) -> Result<(), Problem> {
        let mut rng = EntropyRng::new(Arc::clone(&self.app.entropy));
        let stored = self.app.vault.create(&self.preparation.keys, &mut rng).await;
        stored.map_err(|error| {
            self.app.writes.failed(Unwritten::Keys);
            self.app.keys.problem(&error.into())
        })
    }

    async fn catch_up(&self) -> Result<(), Problem> {
        let _turn = self.slot.turn().await?;
        self.app.services.catch_up(self.slot).await
    }

    async fn decide_and_append(&self, command: &dyn Command, credential: Option<KeyId>) -> Result<Attempt, Problem> {
        let _turn = self.slot.turn().await?;
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
            match self.append(events, credential).await? {
                Some(outcome) => return Ok(Attempt::Done(outcome)),
                None => {
                    self.app.services.catch_up(self.slot).await?;
                    newest = true;
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
        }
    }

    /// Writes the entry; `None` on a conflict.
    async fn append(&self, events: Vec<Event>, credential: Option<KeyId>) -> Result<Option<Outcome>, Problem> {
        let (app, slot) = (self.app, self.slot);
        // It waited for its turn, or for its password's hash: the log may have been found out meanwhile.
        app.guard.check()?;
        let names = events.iter().map(Event::name).collect();
        let expected = slot.folded().position();
        let change = self.change(events, credential)?;
        let keys = self.keys_at_hand(credential).await?;
        let mut rng = EntropyRng::new(Arc::clone(&app.entropy));
        let macs = app.vault.keyring().macs();
        let entry = seal(&change, app.log.id(), &keys, macs.present(), &mut rng).map_err(|error| {
            tracing::error!(%error, "an entry could not be sealed");
            Problem::internal()
        })?;
        // A caller who goes away here leaves the slot without what was appended; the next append's guard tells.
        let position = match app.log.append(&entry, expected).await {
            Ok(position) => position,
            Err(AppendError::Conflict) => return Ok(None),
            Err(error) => {
                if matches!(error, AppendError::Unavailable) {
                    app.writes.failed(Unwritten::Entry);
                }
                return Err(app.services.append_problem(&error));
            }
        };
        app.writes.succeeded();
        let link = wire::Link { position, leaf: ledger::leaf_hash(&entry.bytes) };
        if let Err(corrupt) = slot.apply(&Opened { link, change }) {
            // What was decided can happen; if it can't, the log now holds what nobody can read.
            app.guard.trip(corrupt);
            return Err(Problem::new(Code::LogCorrupt));
        }
        let (service, user) = (self.preparation.service, self.preparation.user);
        Ok(Some(Outcome { position, revision: position, events: names, service, user, repeated: false }))
    }

    fn change(&self, events: Vec<Event>, credential: Option<KeyId>) -> Result<Change, Problem> {
        let (app, ask) = (self.app, self.ask);
        let now = Change::instant(app.clock.now());
        let folded = self.slot.folded();
        let at = folded.at.map_or(now, |before| before.max(now));
        app.note_times(now, at);
        let mut private = Vec::new();
        let general = Private {
            origin: ask.headers.origin,
            reason: ask.headers.reason.as_ref().map(|reason| reason.as_str().to_owned()),
            fingerprint: credential.is_none().then_some(self.preparation.fingerprint),
        };
        if !general.is_empty() {
            private.push(Sealed::known(self.private_key(&folded.state)?, general));
        }
        if let Some(key) = credential {
            private.push(Sealed::known(
                key,
                Private { fingerprint: Some(self.preparation.fingerprint), ..Private::default() },
            ));
        }
        Ok(Change {
            id: EntryId::new(Preparation::fresh_id(app)),
            at,
            prev: folded.last,
            command: ask.command_id(self.preparation.service),
            by: By {
                client: ask.caller.name.clone(),
                actor: ask.headers.actor.as_ref().map(|actor| actor.as_str().to_owned()),
            },
            body: Body::Service { service: self.preparation.service, user: self.preparation.user, events, private },
        })
    }

    fn private_key(&self, state: &EmailService) -> Result<KeyId, Problem> {
        match self.preparation.private {
            PrivateKey::Fresh(key) => Ok(key),
            PrivateKey::OfUser(user) => {
                state.provisioned().and_then(|found| found.user(user)).map(|user| user.person.key).map_err(problem)
            }
            PrivateKey::OfService => state.provisioned().map(|found| found.service.key).map_err(problem),
        }
    }

    /// The keys that the entry's parts are sealed under: those that the command brings, and the one that stands.
    async fn keys_at_hand(&self, credential: Option<KeyId>) -> Result<Keys, Problem> {
        let standing = match self.preparation.private {
            PrivateKey::Fresh(_) => Vec::new(),
            PrivateKey::OfUser(_) | PrivateKey::OfService => vec![self.private_key(&self.slot.folded().state)?],
        };
        let mut keys = self.app.vault.fetch(&standing).await.map_err(|error| self.app.keys.problem(&error))?;
        for id in standing {
            match keys.get(id) {
                KeyState::Live(_) => self.app.keys.had(id),
                KeyState::NeverSeen => return Err(self.app.keys.problem(&VaultError::Lost(id))),
                KeyState::Destroyed => {
                    tracing::error!(key = %id, "a key that stands by the log was destroyed");
                    return Err(Problem::new(Code::KeysUnavailable));
                }
            }
        }
        for (id, key) in &self.preparation.keys {
            keys.insert(*id, KeyState::Live(key.clone()));
        }
        debug_assert!(credential.is_none_or(|id| keys.live(id).is_some()), "a credential brings its key");
        Ok(keys)
    }
}

/// What comes of a password that breaks rules: some of them depend on its user's names.
fn refused(violations: &[credential::Violation]) -> Unprepared {
    let by_state = |violation: &credential::Violation| {
        matches!(violation.code, ViolationCode::ContainsPersonal | ViolationCode::TooGuessable)
    };
    let problem = weak(violations);
    if violations.iter().any(by_state) { Unprepared::ByState(problem) } else { Unprepared::Anyway(problem) }
}

#[cfg(test)]
mod tests;
