//! One change of every kind, with keys and randomness that never change.
#![allow(clippy::unwrap_used, dead_code, reason = "values for tests, of which each test takes some")]

use std::convert::Infallible;

use chrono::DateTime;
use domain::event::{NameChange, ServiceEvent, UserEvent};
use domain::{
    Address, CredentialHash, Customer, DomainName, Event, KeyId, Name, Person, Plan, PolicyVersion, Position, Quota,
    Sealed, ServiceId, UserId,
};
use keys::{KeyState, Keys, MacKey, MacKeys, PartKey};
use ledger::leaf_hash;
use rand_core::{TryCryptoRng, TryRng};
use uuid::Uuid;
use wire::{Body, By, Change, CommandId, EntryId, Fingerprint, Link, LogId, Private};
use zeroize::Zeroizing;

/// Bytes that count up: a generator for golden files only.
#[derive(Default)]
pub struct Counting(u8);

impl TryRng for Counting {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
        Ok(())
    }
}

impl TryCryptoRng for Counting {}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + n)
}

pub fn log() -> LogId {
    LogId::new(id(1))
}

pub fn domain() -> DomainName {
    DomainName::parse("acme.example").unwrap()
}

fn profile() -> KeyId {
    KeyId::new(id(11))
}

fn credential() -> KeyId {
    KeyId::new(id(12))
}

fn service_key() -> KeyId {
    KeyId::new(id(13))
}

pub fn keys() -> Keys {
    let key = |n: u8| KeyState::Live(PartKey::from_bytes(Zeroizing::new([n; 32])));
    [(profile(), key(1)), (credential(), key(2)), (service_key(), key(3))].into_iter().collect()
}

pub fn macs() -> MacKeys {
    MacKeys::new(MacKey::new(id(14), Zeroizing::new([4; 32])), [])
}

fn user() -> UserId {
    UserId::new(id(15))
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn quota() -> Quota {
    Quota::from_mib(512).unwrap()
}

fn password(proved: Option<Position>) -> UserEvent {
    let phc = "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    UserEvent::PasswordChanged {
        hash: Sealed::known(credential(), CredentialHash::parse(phc.into()).unwrap()),
        policy: PolicyVersion::parse("standard-1").unwrap(),
        proved,
    }
}

fn names(first: Option<&str>, last: Option<&str>) -> Option<Sealed<NameChange>> {
    Some(Sealed::known(profile(), NameChange { first_name: first.map(name), last_name: last.map(name) }))
}

fn about_a_user(events: Vec<UserEvent>, private: Vec<Sealed<Private>>) -> Change {
    let events = events.into_iter().map(|event| Event::User(user(), event)).collect();
    change(Body::Service { service: ServiceId::of(&domain()), user: Some(user()), events, private })
}

fn about_the_service(event: ServiceEvent, private: Private) -> Change {
    let private = vec![Sealed::known(service_key(), private)];
    change(Body::Service {
        service: ServiceId::of(&domain()),
        user: None,
        events: vec![Event::Service(event)],
        private,
    })
}

fn change(body: Body) -> Change {
    Change {
        id: EntryId::new(id(20)),
        at: DateTime::from_timestamp_micros(1_795_000_000_123_456).unwrap(),
        prev: Some(Link { position: Position::new(7), leaf: leaf_hash(b"the entry before") }),
        command: CommandId::new(id(21)),
        by: By { client: "panel".into(), actor: Some("person-7".into()) },
        body,
    }
}

fn fingerprint() -> Option<Fingerprint> {
    Some(Fingerprint([9; 32]))
}

/// One change of every kind, by the name of its golden file.
pub fn changes() -> Vec<(&'static str, Change)> {
    let plan = Plan::new(25, 10_737_418_240).unwrap();
    let person = Person {
        address: Address::parse("zoe@acme.example").unwrap(),
        first_name: name("Zoë"),
        last_name: name("Şahin \"Q\""),
    };
    let origin = Some("2001:db8::7".parse().unwrap());
    let reason = Some("asked by phone, ticket 12".to_owned());
    let profile_private =
        |fingerprint| Sealed::known(profile(), Private { origin, reason: reason.clone(), fingerprint });
    let oracle = Sealed::known(credential(), Private { fingerprint: fingerprint(), ..Private::default() });
    let plain = || Private { fingerprint: fingerprint(), ..Private::default() };
    let first = Change {
        prev: None,
        by: By { client: "postkey".into(), actor: None },
        ..change(Body::LogCreated { log: log() })
    };
    let provisioned = ServiceEvent::ServiceProvisioned {
        domain: domain(),
        customer: Customer::parse("acme").unwrap(),
        plan,
        key: service_key(),
    };
    let provisioned = Change { prev: None, ..about_the_service(provisioned, Private { origin, ..plain() }) };
    let state = |event| about_a_user(vec![event], vec![profile_private(fingerprint())]);
    vec![
        ("LogCreated", first),
        ("ServiceProvisioned", provisioned),
        ("PlanChanged", about_the_service(ServiceEvent::PlanChanged { plan }, plain())),
        (
            "UserAdded",
            about_a_user(
                vec![UserEvent::UserAdded { person: Sealed::known(profile(), person), quota: quota() }, password(None)],
                vec![profile_private(None), oracle.clone()],
            ),
        ),
        (
            "UserEdited",
            about_a_user(
                vec![UserEvent::UserEdited { names: names(Some("Zoe"), Some("Şahin")), quota: Some(quota()) }],
                vec![profile_private(fingerprint())],
            ),
        ),
        (
            "UserEdited-name",
            about_a_user(vec![UserEvent::UserEdited { names: names(None, Some("Lee")), quota: None }], vec![]),
        ),
        (
            "UserEdited-quota",
            about_a_user(
                vec![UserEvent::UserEdited { names: None, quota: Some(quota()) }],
                vec![profile_private(fingerprint())],
            ),
        ),
        ("PasswordChanged", about_a_user(vec![password(None)], vec![profile_private(None), oracle.clone()])),
        ("PasswordChanged-own", about_a_user(vec![password(Some(Position::new(7)))], vec![oracle])),
        ("UserSuspended", state(UserEvent::UserSuspended)),
        ("UserReactivated", state(UserEvent::UserReactivated)),
        ("UserRemoved", state(UserEvent::UserRemoved)),
        ("UserErased", state(UserEvent::UserErased)),
    ]
}
