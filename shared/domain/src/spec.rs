//! Given a history, when a command comes, then these events or this refusal; and the people it is told with.

use chrono::DateTime;
use uuid::Uuid;

use crate::event::{NameChange, ServiceEvent, UserEvent};
use crate::{
    Address, Command, CredentialHash, Customer, DomainName, EmailService, Event, KeyId, Moment, Name, NewCredential,
    Person, Plan, PolicyVersion, Position, Quota, Rejection, Sealed, UserId, evolve, replay,
};

/// A history.
#[derive(Clone)]
pub struct Given(Vec<Event>);

/// A history and the command that comes then.
pub struct When {
    state: EmailService,
    outcome: Result<Vec<Event>, Rejection>,
}

pub fn given(events: impl IntoIterator<Item = Event>) -> Given {
    Given(events.into_iter().collect())
}

/// The state after `events`, at positions 1, 2, 3 …
pub fn state(events: impl IntoIterator<Item = Event>) -> EmailService {
    given(events).state()
}

impl Given {
    pub fn and(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        self.0.extend(events);
        self
    }

    fn state(&self) -> EmailService {
        replay(EmailService::Unprovisioned, self.0.iter().zip((1..).map(at))).expect("a possible history")
    }

    pub fn when(self, command: impl Command) -> When {
        let state = self.state();
        When { outcome: command.decide(&state), state }
    }
}

impl When {
    pub fn then(self, events: impl IntoIterator<Item = Event>) {
        assert_eq!(self.outcome, Ok(events.into_iter().collect()));
        let mut state = self.state;
        for event in self.outcome.iter().flatten() {
            state = evolve(state, event, at(100)).expect("what is decided can happen");
        }
    }

    pub fn refused(self, rejection: Rejection) {
        assert_eq!(self.outcome, Err(rejection));
    }
}

pub fn at(position: u64) -> Moment {
    Moment { position: Position::new(position), at: DateTime::UNIX_EPOCH }
}

pub fn user(n: u128) -> UserId {
    UserId::new(Uuid::from_u128(n))
}

pub fn key(n: u128) -> KeyId {
    KeyId::new(Uuid::from_u128(n))
}

pub fn domain() -> DomainName {
    DomainName::parse("acme.example").unwrap()
}

pub fn customer() -> Customer {
    Customer::parse("acme").unwrap()
}

pub fn plan(mailboxes: u64, pool_mib: u64) -> Plan {
    Plan::new(mailboxes, pool_mib * crate::MIB).unwrap()
}

pub fn mib(n: u64) -> Quota {
    Quota::from_mib(n).unwrap()
}

pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub fn person(address: &str) -> Person {
    Person { address: Address::parse(address).unwrap(), first_name: name("Ann"), last_name: name("Lee") }
}

pub fn ann() -> Person {
    person("ann@acme.example")
}

pub fn bob() -> Person {
    person("bob@acme.example")
}

fn hash(n: u128) -> CredentialHash {
    CredentialHash::parse(format!("$argon2id$v=19$m=8,t=1,p=1$salt{n}$hash")).unwrap()
}

fn policy() -> PolicyVersion {
    PolicyVersion::parse("standard-1").unwrap()
}

pub fn credential(n: u128, judged_for: Person) -> NewCredential {
    NewCredential { key: key(n), hash: hash(n), policy: policy(), judged_for }
}

pub fn provisioned(mailboxes: u64, pool_mib: u64) -> Event {
    let plan = plan(mailboxes, pool_mib);
    Event::Service(ServiceEvent::ServiceProvisioned { domain: domain(), customer: customer(), plan, key: key(100) })
}

pub fn added(profile_key: u128, person: Person, quota_mib: u64) -> UserEvent {
    UserEvent::UserAdded { person: Sealed::known(key(profile_key), person), quota: mib(quota_mib) }
}

pub fn renamed(profile_key: u128, first: Option<&str>, last: Option<&str>, quota_mib: Option<u64>) -> UserEvent {
    let names = (first.is_some() || last.is_some()).then(|| {
        Sealed::known(key(profile_key), NameChange { first_name: first.map(name), last_name: last.map(name) })
    });
    UserEvent::UserEdited { names, quota: quota_mib.map(mib) }
}

pub fn password_set(n: u128) -> UserEvent {
    UserEvent::PasswordChanged { hash: Sealed::known(key(n), hash(n)), policy: policy(), proved: None }
}

/// A password that its user has changed, having proved the one that was set at `position`.
pub fn password_proved(n: u128, position: u64) -> UserEvent {
    let proved = Some(Position::new(position));
    UserEvent::PasswordChanged { hash: Sealed::known(key(n), hash(n)), policy: policy(), proved }
}
