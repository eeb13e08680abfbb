//! What the tests of this crate put in the place of the world: a command side without HTTP, hashing or a clock; keys that
//! can be switched off; and a projector on a leash.

mod author;
mod following;
mod world;

use std::time::Duration;

use domain::{Address, DomainName, Position, ServiceId, UserId};
use ledger::{Hash, leaf_hash};
use uuid::Uuid;
use wire::{Entry, LogId, Subject};

pub use author::{Act, Author};
pub use following::{Following, checks};
pub use world::World;

pub const LOG: LogId = LogId::new(Uuid::from_u128(0x1067));
pub const OTHER_LOG: LogId = LogId::new(Uuid::from_u128(0x1068));
/// How long anything may take before it counts as hung.
pub const LIMIT: Duration = Duration::from_secs(60);

pub fn domain(service: u8) -> DomainName {
    DomainName::parse(&format!("s{service}.example")).unwrap()
}

pub fn id_of(service: u8) -> ServiceId {
    ServiceId::of(&domain(service))
}

pub fn user_of(service: u8, user: u64) -> UserId {
    UserId::new(Uuid::from_u128(
        0x0192_0000_0000_7000_8000_0000_0000_0000 + u128::from(service) * 1000 + u128::from(user),
    ))
}

pub fn address(service: u8, user: u64) -> Address {
    Address::parse(&format!("user{user}@{}", domain(service))).unwrap()
}

/// A leaf for entries that were never bytes.
pub fn leaf(position: Position) -> Hash {
    leaf_hash(&position.get().to_be_bytes())
}

/// An entry of a subject with one bit of its bytes changed.
pub fn flipped(mut entry: Entry) -> Entry {
    let middle = entry.bytes.len() / 3;
    entry.bytes[middle] ^= 1;
    entry
}

/// Bytes that were never an entry, on the subject of a service.
pub fn scribble(service: u8) -> Entry {
    Entry { subject: Subject::service(id_of(service)), bytes: b"scribble".to_vec() }
}
