//! Writes entries as the command service does (`services/command/src/path.rs`): the same events, the same sealed parts
//! under the same kinds of keys.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use credential::Policy;
use domain::event::{NameChange, ServiceEvent, UserEvent};
use domain::{
    CredentialHash, Customer, DomainName, Event, KeyId, Name, Person, Plan, PolicyVersion, Position, Quota, Sealed,
    UserId,
};
use getrandom::SysRng;
use keys::{KeyState, Keyring, Keys, PartKey, WrappedKey};
use rand_core::UnwrapErr;
use wire::{Body, By, Change, CommandId, Entry, EntryId, Fingerprint, Link, LogId, Private, seal};

use super::{CANNED, CUSTOMER, Population, QUOTA_BYTES, random_uuid};
use crate::failure::{Failure, Named};

/// On how many threads a round is sealed.
const THREADS: usize = 2;

/// A service as far as its next entry needs it.
struct Service {
    last: Option<Link>,
    /// The users' profile keys, in the order of the users.
    profiles: Vec<(KeyId, PartKey)>,
}

/// What one round has written: an entry for each of the first services, in their order.
#[derive(Default)]
pub struct Round {
    /// The entries, each with the last position of its service.
    pub entries: Vec<(Entry, Position)>,
    /// The keys that they use, wrapped; to be stored before.
    pub keys: Vec<(KeyId, WrappedKey)>,
}

/// Writes the log of a population, round by round: first every service is provisioned, then each gets a user after the
/// other, then the users are edited in turn.
pub struct Author<'a> {
    world: World<'a>,
    services: Vec<Service>,
    written: u64,
    round: u32,
}

/// What all entries share.
struct World<'a> {
    log: LogId,
    keyring: &'a Keyring,
    population: Population,
    policy: PolicyVersion,
    hash: CredentialHash,
    at: DateTime<Utc>,
}

/// One entry to be written.
struct Turn<'a> {
    number: u32,
    service: &'a mut Service,
}

impl<'a> Author<'a> {
    /// For a log that holds its own first entry.
    ///
    /// # Errors
    /// None that the canned values can cause.
    #[expect(clippy::disallowed_methods, reason = "a bench is an outermost shell")]
    pub fn new(log: LogId, keyring: &'a Keyring, population: Population) -> Result<Self, Failure> {
        let hash = CredentialHash::parse(CANNED.to_owned()).named("the canned hash")?;
        let (policy, at) = (Policy::standard().version(), Change::instant(Utc::now()));
        let services = (0..population.services).map(|_| Service { last: None, profiles: Vec::new() }).collect();
        Ok(Self { world: World { log, keyring, population, policy, hash, at }, services, written: 1, round: 0 })
    }

    /// How many entries the log has with those that were written, its own first one too.
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Takes over where the last round's entries stand, in their order. To be called between two rounds: an entry names
    /// the position of the one before it.
    pub fn stand(&mut self, positions: &[Position]) {
        for (service, position) in self.services.iter_mut().zip(positions) {
            if let Some(last) = &mut service.last {
                last.position = *position;
            }
        }
    }

    /// Writes the next round: one entry a service, but no more than the log has `last` in all.
    ///
    /// # Errors
    /// Where an entry can't be sealed.
    pub fn round(&mut self, last: u64) -> Result<Round, Failure> {
        let (round, world) = (self.round, &self.world);
        let wanted = usize::try_from(last.saturating_sub(self.written)).unwrap_or(usize::MAX);
        let numbered = (0..).zip(&mut self.services).take(wanted);
        let mut turns: Vec<_> = numbered.map(|(number, service)| Turn { number, service }).collect();
        self.written += turns.len() as u64;
        self.round += 1;
        let share = turns.len().div_ceil(THREADS).max(1);
        std::thread::scope(|scope| {
            let parts: Vec<_> = turns
                .chunks_mut(share)
                .map(|turns| {
                    scope.spawn(move || {
                        let mut written = Round::default();
                        turns.iter_mut().try_for_each(|turn| world.write(turn, round, &mut written)).map(|()| written)
                    })
                })
                .collect();
            let mut all = Round::default();
            for part in parts {
                let part = part.join().unwrap_or_else(|_| Err(Failure::new("seeding", "a thread panicked")))?;
                all.entries.extend(part.entries);
                all.keys.extend(part.keys);
            }
            Ok(all)
        })
    }
}

impl World<'_> {
    fn write(&self, turn: &mut Turn<'_>, round: u32, written: &mut Round) -> Result<(), Failure> {
        let mut rng = UnwrapErr(SysRng);
        let service = self.population.service(turn.number);
        let mut keys = HashMap::new();
        let (user, events, private) = match round {
            0 => self.provision(turn.number, &mut keys)?,
            _ if round <= self.population.users => self.add_user(turn, round - 1, &mut keys)?,
            _ => self.edit(turn, round, &mut keys)?,
        };
        let change = Change {
            id: EntryId::new(random_uuid(&mut rng)),
            at: self.at,
            prev: turn.service.last,
            command: CommandId::new(random_uuid(&mut rng)),
            by: By { client: "panel".to_owned(), actor: Some("load".to_owned()) },
            body: Body::Service { service, user, events, private },
        };
        // A profile key that stood before is stored already.
        let stored = turn.service.profiles.iter().filter(|_| round > self.population.users).map(|(id, _)| *id);
        let stored: Vec<_> = stored.collect();
        for (id, key) in &keys {
            if !stored.contains(id) {
                written.keys.push((*id, self.keyring.wrap(*id, key, &mut rng)));
            }
        }
        let keys: Keys = keys.into_iter().map(|(id, key)| (id, KeyState::Live(key))).collect();
        let entry = seal(&change, self.log, &keys, self.keyring.macs().present(), &mut rng).named("sealing")?;
        let before = turn.service.last.map_or(Position::START, |link| link.position);
        // Where it stands is known once it is appended.
        turn.service.last = Some(Link { position: before, leaf: ledger::leaf_hash(&entry.bytes) });
        written.entries.push((entry, before));
        Ok(())
    }

    fn provision(&self, number: u32, keys: &mut HashMap<KeyId, PartKey>) -> Result<Happened, Failure> {
        let key = fresh(keys);
        let mailboxes = u64::from(self.population.users) + 1;
        let event = ServiceEvent::ServiceProvisioned {
            domain: DomainName::parse(&self.population.domain(number)).named("a domain")?,
            customer: Customer::parse(CUSTOMER).named("a customer")?,
            plan: Plan::new(mailboxes, mailboxes * QUOTA_BYTES).named("a plan")?,
            key,
        };
        Ok((None, vec![Event::Service(event)], vec![fingerprint(key)]))
    }

    fn add_user(
        &self,
        turn: &mut Turn<'_>,
        user: u32,
        keys: &mut HashMap<KeyId, PartKey>,
    ) -> Result<Happened, Failure> {
        let id = self.population.user(turn.number, user);
        let (profile, credential) = (fresh(keys), fresh(keys));
        turn.service.profiles.push((profile, keys[&profile].clone()));
        let person = Person {
            address: self.population.parsed_address(turn.number, user)?,
            first_name: Name::parse("Ann").named("a name")?,
            last_name: Name::parse("Lee").named("a name")?,
        };
        let quota = Quota::from_bytes(QUOTA_BYTES).named("a quota")?;
        let added = UserEvent::UserAdded { person: Sealed::known(profile, person), quota };
        let hash = Sealed::known(credential, self.hash.clone());
        let set = UserEvent::PasswordChanged { hash, policy: self.policy.clone(), proved: None };
        Ok((Some(id), vec![Event::User(id, added), Event::User(id, set)], vec![fingerprint(credential)]))
    }

    fn edit(&self, turn: &Turn<'_>, round: u32, keys: &mut HashMap<KeyId, PartKey>) -> Result<Happened, Failure> {
        let user = (round - 1) % self.population.users;
        let id = self.population.user(turn.number, user);
        let (profile, key) = &turn.service.profiles[user as usize];
        keys.insert(*profile, key.clone());
        let names =
            NameChange { first_name: None, last_name: Some(Name::parse(&format!("L{round}")).named("a name")?) };
        let edited = UserEvent::UserEdited { names: Some(Sealed::known(*profile, names)), quota: None };
        Ok((Some(id), vec![Event::User(id, edited)], vec![fingerprint(*profile)]))
    }
}

/// Whom it is about, what happened, and what only few may read.
type Happened = (Option<UserId>, Vec<Event>, Vec<Sealed<Private>>);

fn fresh(keys: &mut HashMap<KeyId, PartKey>) -> KeyId {
    let mut rng = UnwrapErr(SysRng);
    let id = KeyId::new(random_uuid(&mut rng));
    keys.insert(id, PartKey::generate(&mut rng));
    id
}

fn fingerprint(key: KeyId) -> Sealed<Private> {
    Sealed::known(key, Private { fingerprint: Some(Fingerprint([7; 32])), ..Private::default() })
}

/// How many bytes the entry of an edit has, for raw operations of the same size.
///
/// # Errors
/// None that the canned values can cause.
pub fn edit_bytes() -> Result<usize, Failure> {
    let mut rng = UnwrapErr(SysRng);
    let (log, keyring) = (LogId::new(random_uuid(&mut rng)), Keyring::generate(&mut rng));
    let mut author = Author::new(log, &keyring, Population { services: 1, users: 1 })?;
    (0..2).try_for_each(|_| author.round(u64::MAX).map(|_| ()))?;
    let written = author.round(u64::MAX)?;
    written.entries.first().map(|(entry, _)| entry.bytes.len()).ok_or_else(|| Failure::new("seeding", "no entry"))
}

#[cfg(test)]
mod tests {
    use wire::{Stored, authenticate};

    use super::*;

    #[test]
    fn rounds_are_contiguous_authentic_and_linked() {
        let mut rng = UnwrapErr(SysRng);
        let (log, keyring) = (LogId::new(random_uuid(&mut rng)), Keyring::generate(&mut rng));
        let population = Population { services: 3, users: 2 };
        let mut author = Author::new(log, &keyring, population).unwrap();
        let (mut position, mut keys, mut last) = (1, Vec::new(), HashMap::new());
        while author.written() < 14 {
            let round = author.round(14).unwrap();
            keys.extend(round.keys.iter().map(|(id, _)| *id));
            // The store puts them in another order than they were written in.
            let mut stands = vec![Position::START; round.entries.len()];
            for (number, (entry, expected)) in round.entries.into_iter().enumerate().rev() {
                position += 1;
                stands[number] = Position::new(position);
                let subject = entry.subject.clone();
                let stored = Stored { position: stands[number], entry };
                let sealed = authenticate(&stored, log, keyring.macs()).expect("authentic");
                assert!(sealed.key_ids().all(|id| keys.contains(&id)), "its keys are stored before");
                assert_eq!(last.insert(subject, stored.position).unwrap_or(Position::START), expected);
            }
            author.stand(&stands);
        }
        assert_eq!((position, author.written()), (14, 14), "10 entries of the population, 4 edits");
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 3 + 2 * 6, "one a service, two a user, none twice");
    }

    #[test]
    fn an_edit_has_the_size_of_one() {
        let bytes = edit_bytes().unwrap();
        assert!((600..1_500).contains(&bytes), "{bytes}");
    }
}
