//! Users by the hundred thousand, written straight into log and key store: entries as the command service would have
//! written them, sealed and authenticated with the folder's keyring, all with one canned password. And how fast the product's
//! own projector applies them, where what is compared can be seen from inside only; and a checkpoint of a whole log, for
//! whoever verifies it.

mod author;
mod projected;
mod signed;
mod stores;

use domain::{Address, DomainName, ServiceId, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use author::{Author, edit_bytes};
pub use projected::{Source, To};
pub use signed::{Signed, sign_all};
pub use stores::{KeySink, LogSink};

use crate::failure::{Failure, Named};

/// Everybody's password.
pub const PASSWORD: &str = "Bench-Lemon-42-River";
/// Its hash, with the product's parameters and a salt of sevens; a test computes it anew.
pub const CANNED: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$2Z7v4YdXa1rboTv+TY5iZCav4qYomfXHLXPIUB5tE58";
/// Everybody's quota, and what edits set.
pub const QUOTA_BYTES: u64 = 1 << 30;
/// Whose all services are.
pub const CUSTOMER: &str = "bench";

/// Who there is: so many services with so many users each. Ids follow from the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Population {
    /// How many services.
    pub services: u32,
    /// How many users each has.
    pub users: u32,
}

impl Population {
    /// The domain of a service.
    pub fn domain(self, service: u32) -> String {
        format!("s{service}.bench.example")
    }

    /// The id of a service: that of its domain.
    pub fn service(self, service: u32) -> ServiceId {
        let domain = DomainName::parse(&self.domain(service));
        ServiceId::of(&domain.unwrap_or_else(|error| unreachable!("s{service}.bench.example: {error}")))
    }

    /// The id of a user: a UUIDv7 of the year 2023, its random part the two numbers.
    pub fn user(self, service: u32, user: u32) -> UserId {
        let mut random = [0; 10];
        random[2..6].copy_from_slice(&service.to_be_bytes());
        random[6..].copy_from_slice(&user.to_be_bytes());
        UserId::new(uuid::Builder::from_unix_timestamp_millis(1_700_000_000_000, &random).into_uuid())
    }

    /// The address of a user.
    pub fn address(self, service: u32, user: u32) -> String {
        format!("u{user}@{}", self.domain(service))
    }

    fn parsed_address(self, service: u32, user: u32) -> Result<Address, Failure> {
        Address::parse(&self.address(service, user)).named("an address")
    }

    /// How many users in all.
    pub const fn all(self) -> u64 {
        self.services as u64 * self.users as u64
    }

    /// How many entries it takes: the log's own, one a service, one a user.
    pub const fn entries(self) -> u64 {
        1 + self.services as u64 + self.all()
    }
}

/// Draws a UUIDv4.
pub(crate) fn random_uuid(rng: &mut dyn rand_core::CryptoRng) -> Uuid {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// Fills log and keys with the population, and then with edits of it until the log has `entries` in all. The log holds
/// its own first entry already, and nothing else.
///
/// # Errors
/// Where a store fails, or somebody else writes.
pub async fn seed(
    keyring: &keys::Keyring,
    log: &LogSink,
    keys: &KeySink,
    population: Population,
    entries: u64,
) -> Result<(), Failure> {
    let entries = entries.max(population.entries());
    let mut author = Author::new(log.id().await?, keyring, population)?;
    while author.written() < entries {
        let round = author.round(entries)?;
        keys.create(&round.keys).await?;
        author.stand(&log.append(&round.entries).await?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::{hash_memory, hash_once};
    use base64::Engine;

    #[test]
    fn the_canned_hash_is_of_the_password() {
        let hash = hash_once(PASSWORD.as_bytes(), &[7; 16], &mut hash_memory().unwrap()).unwrap();
        let hash = base64::engine::general_purpose::STANDARD_NO_PAD.encode(hash);
        assert_eq!(CANNED, format!("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw${hash}"));
    }

    #[test]
    fn ids_follow_from_numbers_and_differ() {
        let population = Population { services: 2, users: 2 };
        assert_eq!(population.entries(), 7);
        assert_eq!(population.user(1, 0), population.user(1, 0));
        assert_ne!(population.user(1, 0), population.user(0, 1));
        assert_ne!(population.service(0), population.service(1));
        assert_eq!(population.user(1, 1).uuid().get_version_num(), 7);
        assert_eq!(population.address(1, 0), "u0@s1.bench.example");
    }
}
