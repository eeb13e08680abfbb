//! Histories for tests: a command side without HTTP, hashing or a clock.

mod author;

use domain::{Address, DomainName, Position, ServiceId, UserId};
use ledger::{Hash, leaf_hash};
use uuid::Uuid;
use wire::LogId;

pub use author::{Act, Author};

/// The log of these histories.
pub const LOG: LogId = LogId::new(Uuid::from_u128(0x1067));
/// Another log.
pub const OTHER_LOG: LogId = LogId::new(Uuid::from_u128(0x1068));
/// The domain of a service, by its number.
pub fn domain(service: u8) -> DomainName {
    DomainName::parse(&format!("s{service}.example")).unwrap()
}

/// The id of a service, by its number.
pub fn id_of(service: u8) -> ServiceId {
    ServiceId::of(&domain(service))
}

/// The id of a user of a service, by their numbers.
pub fn user_of(service: u8, user: u64) -> UserId {
    UserId::new(Uuid::from_u128(
        0x0192_0000_0000_7000_8000_0000_0000_0000 + u128::from(service) * 1000 + u128::from(user),
    ))
}

/// The address that goes with a number, in a service.
pub fn address(service: u8, user: u64) -> Address {
    Address::parse(&format!("user{user}@{}", domain(service))).unwrap()
}

/// A leaf for entries that were never bytes.
pub fn leaf(position: Position) -> Hash {
    leaf_hash(&position.get().to_be_bytes())
}
