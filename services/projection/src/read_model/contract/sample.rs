//! Rows made up for the contract: every shape that a row can have.

use chrono::{DateTime, Utc};
use domain::{
    Address, Credential, CredentialHash, Customer, DomainName, Erasable, KeyId, Name, Person, Plan, PolicyVersion,
    Position, Quota, Sealed, Service, ServiceId, Usage, User, UserId, UserState,
};
use ledger::{Hash, leaf_hash};
use uuid::Uuid;
use wire::{Link, LogId};

use crate::read_model::{Applied, Batch, Leaf, ServiceRow, UserRow};

/// The log that the rows are made from.
pub const LOG: LogId = LogId::new(Uuid::from_u128(0x10_6000));
/// Another log.
pub const OTHER_LOG: LogId = LogId::new(Uuid::from_u128(0x10_7000));

fn key(n: u64) -> KeyId {
    KeyId::new(Uuid::from_u128(0x4e70_0000 + u128::from(n)))
}

pub fn user_id(n: u64) -> UserId {
    UserId::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + u128::from(n)))
}

pub fn domain(n: u64) -> DomainName {
    DomainName::parse(&format!("d{n:03}.example")).expect("a domain")
}

pub fn customer(text: &str) -> Customer {
    Customer::parse(text).expect("a customer")
}

fn leaf(n: u64) -> Hash {
    leaf_hash(&n.to_be_bytes())
}

pub fn instant(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_795_000_000_123_456 + seconds * 1_000_000).expect("an instant")
}

/// The `n`th service, of a customer.
pub fn service(n: u64, of: &str) -> ServiceRow {
    let domain = domain(n);
    ServiceRow {
        id: ServiceId::of(&domain),
        service: Service {
            customer: customer(of),
            plan: Plan::new(25, domain::MAX_BYTES).expect("a plan"),
            key: key(n),
            usage: Usage { mailboxes: 3, allotted_bytes: 3 * domain::MIB },
            revision: Position::new(n + 1),
            domain,
        },
        last: Link { position: Position::new(n + 2), leaf: leaf(n) },
    }
}

pub fn person(address: &str, first: &str, last: &str) -> Erasable<Person> {
    let name = |text| Name::parse(text).expect("a name");
    let address = Address::parse(address).expect("an address");
    Erasable::Known(Person { address, first_name: name(first), last_name: name(last) })
}

pub fn credential(n: u64) -> Credential {
    let hash = CredentialHash::parse(format!("$argon2id$v=19$m=19456,t=2,p=1$salt{n}$hash")).expect("a hash");
    Credential {
        hash: Sealed::known(key(1_000 + n), hash),
        policy: PolicyVersion::parse("standard-1").expect("a policy"),
        revision: Position::new(n + 7),
        changed_at: instant(i64::try_from(n).expect("a small number")),
    }
}

/// The `n`th user of a service, active, with a password.
pub fn user(n: u64, of: &ServiceRow) -> UserRow {
    let address = format!("user{n}@{}", of.service.domain);
    UserRow {
        id: user_id(n),
        service: of.id,
        user: User {
            person: Sealed { key: key(2_000 + n), value: person(&address, "Ann", "Lee") },
            quota: Quota::from_mib(n + 1).expect("a quota"),
            state: UserState::Active,
            credential: Some(credential(n)),
            revision: Position::new(n + 9),
        },
    }
}

/// A user of every shape.
pub fn every_user(of: &ServiceRow) -> Vec<UserRow> {
    let at = |local: &str| format!("{local}@{}", of.service.domain);
    let shape = |n: u64, change: &dyn Fn(&mut User)| {
        let mut row = user(n, of);
        change(&mut row.user);
        row
    };
    let named =
        |user: &mut User, local: &str, first: &str, last: &str| user.person.value = person(&at(local), first, last);
    vec![
        shape(1, &|user| named(user, "şeyma".replace('ş', "s").as_str(), "Şeyma", "Çağlar Öztürk İnanç")),
        shape(2, &|user| named(user, "o.brien+x", "Conan \"Q\"", "O'Brien; \\ [1,\"2\"] {} --")),
        shape(3, &|user| user.state = UserState::Suspended),
        shape(4, &|user| (user.state, user.credential) = (UserState::Removed, None)),
        shape(5, &|user| user.credential = None),
        shape(6, &|user| user.person.value = Erasable::Erased),
        // Two erased persons do not share an address: they have none.
        shape(7, &|user| user.person.value = Erasable::Erased),
        shape(8, &|user| {
            if let Some(credential) = &mut user.credential {
                credential.hash.value = Erasable::Erased;
            }
        }),
        shape(9, &|user| user.quota = Quota::from_mib(domain::MAX_BYTES / domain::MIB).expect("the largest quota")),
        shape(10, &|user| user.revision = Position::new(i64::MAX.unsigned_abs())),
        shape(11, &|user| named(user, &"a".repeat(64), &"ş".repeat(100), "李 小龙")),
    ]
}

/// How far a log is applied after one more entry.
pub fn after(from: Option<&Applied>, entry: u64) -> Applied {
    let mut to = from.cloned().unwrap_or_else(|| Applied::nothing(LOG));
    to.position = to.position.next();
    to.leaf = Some(leaf(entry));
    to.frontier.push(leaf(entry));
    to
}

/// A batch of one entry that leaves these rows, and no leaf.
pub fn batch(from: Option<&Applied>, services: &[ServiceRow], users: &[UserRow]) -> Batch {
    let entry = from.map_or(0, |from| from.position.get());
    let (services, users) = (services.to_vec(), users.to_vec());
    let to = after(from, entry);
    Batch { services, users, erased: Vec::new(), leaves: Vec::new(), nodes: Vec::new(), to }
}

/// A batch of so many entries with their leaves, and no row. Every third entry is about a service, the others are about
/// two users by turns.
pub fn entries(from: Option<&Applied>, count: u64) -> Batch {
    let mut to = from.cloned().unwrap_or_else(|| Applied::nothing(LOG));
    let (mut leaves, mut nodes) = (Vec::new(), Vec::new());
    for _ in 0..count {
        to.position = to.position.next();
        let n = to.position.get();
        let user = (n % 3 > 0).then(|| user_id(n % 3));
        leaves.push(Leaf { position: to.position, hash: leaf(n), user });
        to.frontier.append(leaf(n), &mut nodes);
        to.leaf = Some(leaf(n));
    }
    Batch { services: Vec::new(), users: Vec::new(), erased: Vec::new(), leaves, nodes, to }
}
