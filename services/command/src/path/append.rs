//! The entry of a command: what it says, the keys that seal it, and the append.

use std::sync::Arc;

use domain::{EmailService, Event, KeyId, Sealed};
use event_log::AppendError;
use keys::{KeyState, Keys, VaultError};
use postkey_http::{Code, EntropyRng, Problem};
use tokio::time::Instant;
use wire::{Body, By, Change, EntryId, Opened, Private, seal};

use super::Handling;
use crate::context::Asked;
use crate::preparation::{Preparation, PrivateKey};
use crate::receipt::Outcome;
use crate::refusal::problem;
use crate::writes::Unwritten;

/// What came of one attempt to append.
pub(super) enum Append {
    Stands(Outcome),
    /// It was decided on a state that is no more.
    Outdated(Outdated),
}

/// By what that is known.
pub(super) enum Outdated {
    /// Another entry stands where this one should have.
    Conflict,
    /// A key that the entry would be sealed under is destroyed.
    Doomed(KeyId),
}

impl<T: Asked, const N: usize> Handling<'_, T, N> {
    /// Makes the keys that it brings durable, seals what was decided, and appends it where the service was seen to end.
    pub(super) async fn append(&mut self, events: Vec<Event>, credential: Option<KeyId>) -> Result<Append, Problem> {
        let (app, slot) = (self.app, self.slot);
        // It waited for its turn, or for its password's hash: the log may have been found out meanwhile.
        app.guard.check()?;
        let names = events.iter().map(Event::name).collect();
        let once_destroyed = events.iter().any(Event::is_in_force_once_destroyed);
        let expected = slot.folded().position();
        let change = self.change(events, credential)?;
        let keys = match self.keys_at_hand(credential).await? {
            Ok(keys) => keys,
            Err(doomed) => return Ok(Append::Outdated(doomed)),
        };
        self.store_keys().await?;
        let mut rng = EntropyRng::new(Arc::clone(&app.entropy));
        let keyring = app.vault.keyring();
        let entry = seal(&change, app.log.id(), &keys, keyring.macs().present(), &mut rng).map_err(|error| {
            tracing::error!(%error, "an entry could not be sealed");
            Problem::internal()
        })?;
        // A caller who goes away here leaves the slot without what was appended; the next append's guard tells.
        let begun = Instant::now();
        let appended = app.log.append(&entry, expected).await;
        app.measures.append.observe(begun.elapsed().as_secs_f64());
        let position = match appended {
            Ok(position) => position,
            Err(AppendError::Conflict) => {
                app.measures.conflicts.inc();
                return Ok(Append::Outdated(Outdated::Conflict));
            }
            Err(error) => {
                if matches!(error, AppendError::Unavailable) {
                    app.writes.failed(Unwritten::Entry);
                }
                return Err(app.services.append_problem(&error));
            }
        };
        app.writes.succeeded();
        let link = wire::Link { position, leaf: ledger::leaf_hash(&entry.bytes) };
        if let Err(corrupt) = app.services.apply(slot, &Opened { link, change }) {
            // What was decided can happen; if it can't, the log now holds what nobody can read.
            app.guard.trip(corrupt);
            return Err(Problem::new(Code::LogCorrupt));
        }
        let (service, user) = (self.preparation.service, self.preparation.user);
        let events = names;
        Ok(Append::Stands(Outcome {
            position,
            revision: position,
            events,
            service,
            user,
            repeated: false,
            once_destroyed,
        }))
    }

    /// Stores what it brings, once: nothing is left for a command that is refused before it comes here.
    async fn store_keys(&mut self) -> Result<(), Problem> {
        let brought = &self.preparation.keys[self.stored..];
        if brought.is_empty() {
            return Ok(());
        }
        let mut rng = EntropyRng::new(Arc::clone(&self.app.entropy));
        let begun = Instant::now();
        let stored = self.app.vault.create(brought, &mut rng).await;
        self.app.measures.keys.observe(begun.elapsed().as_secs_f64());
        stored.map_err(|error| {
            self.app.writes.failed(Unwritten::Keys);
            self.app.keys.problem(&error.into())
        })?;
        self.stored = self.preparation.keys.len();
        Ok(())
    }

    fn change(&self, events: Vec<Event>, credential: Option<KeyId>) -> Result<Change, Problem> {
        let (app, ask) = (self.app, self.ask);
        let now = Change::instant(app.clock.now());
        let folded = self.slot.folded();
        let at = folded.at.map_or(now, |before| before.max(now));
        app.clocks.logged(at);
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

    /// The keys that the entry's parts are sealed under: those that the command brings, and the one that stands. Where that
    /// one is destroyed, an entry stands that dooms it, and that we have not seen.
    async fn keys_at_hand(&self, credential: Option<KeyId>) -> Result<Result<Keys, Outdated>, Problem> {
        let standing = match self.preparation.private {
            PrivateKey::Fresh(_) => Vec::new(),
            PrivateKey::OfUser(_) | PrivateKey::OfService => vec![self.private_key(&self.slot.folded().state)?],
        };
        let mut keys = self.app.vault.fetch(&standing).await.map_err(|error| self.app.keys.problem(&error))?;
        for id in standing {
            match keys.get(id) {
                KeyState::Live(_) => self.app.keys.had(id),
                KeyState::NeverSeen => return Err(self.app.keys.problem(&VaultError::Lost(id))),
                KeyState::Destroyed => return Ok(Err(Outdated::Doomed(id))),
            }
        }
        for (id, key) in &self.preparation.keys {
            keys.insert(*id, KeyState::Live(key.clone()));
        }
        debug_assert!(credential.is_none_or(|id| keys.live(id).is_some()), "a credential brings its key");
        Ok(Ok(keys))
    }
}
