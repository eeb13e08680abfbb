//! Time and randomness, which come in from the outermost shell.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rand_core::{TryCryptoRng, TryRng};
use uuid::{Builder, Uuid};

/// What time it is.
///
/// Contract: callable from any thread, without blocking. It may step backwards; who needs an order takes positions.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> DateTime<Utc>;
}

/// Where randomness comes from.
///
/// Contract: callable from any thread; every byte is fit for a key (a CSPRNG of the operating system's in production).
/// There is no failure: an implementation that has no randomness to give ends the process.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// [`Entropy`] as the generator that cryptography takes: a [`CryptoRng`](rand_core::CryptoRng).
#[derive(Clone)]
pub struct EntropyRng(Arc<dyn Entropy>);

impl EntropyRng {
    /// A generator over `entropy`. It keeps no state of its own, so that clones are independent.
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self(entropy)
    }
}

impl fmt::Debug for EntropyRng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EntropyRng(…)")
    }
}

impl TryRng for EntropyRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for EntropyRng {}

/// An id that sorts by the time it was made (RFC 9562 §5.7): milliseconds, then 74 random bits.
pub fn uuid_v7(clock: &dyn Clock, entropy: &dyn Entropy) -> Uuid {
    let mut random = [0; 10];
    entropy.fill(&mut random);
    // A clock before 1970 is a broken clock; the id stays unique.
    let millis = u64::try_from(clock.now().timestamp_millis()).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// An id that says nothing but itself (RFC 9562 §5.4): 122 random bits.
pub fn uuid_v4(entropy: &dyn Entropy) -> Uuid {
    let mut random = [0; 16];
    entropy.fill(&mut random);
    Builder::from_random_bytes(random).into_uuid()
}

#[cfg(test)]
mod tests {
    use rand_core::CryptoRng;

    use super::*;
    use crate::staged::{Counting, FixedClock};

    #[test]
    fn an_id_of_version_7_holds_its_time_and_differs_each_time() {
        let (clock, entropy) = (FixedClock::at_millis(1_700_000_000_123), Counting::default());
        let (first, second) = (uuid_v7(&clock, &entropy), uuid_v7(&clock, &entropy));
        assert_eq!(first.get_version_num(), 7);
        assert_eq!(first.as_u128() >> 80, 1_700_000_000_123);
        assert_ne!(first, second);
        assert_eq!(uuid_v7(&FixedClock::at_millis(-5), &entropy).as_u128() >> 80, 0);
    }

    #[test]
    fn an_id_of_version_4_is_random() {
        let entropy = Counting::default();
        assert_eq!(uuid_v4(&entropy).get_version_num(), 4);
        assert_ne!(uuid_v4(&entropy), uuid_v4(&entropy));
    }

    #[test]
    fn entropy_serves_as_a_generator_for_cryptography() {
        fn draw(rng: &mut dyn CryptoRng) -> [u8; 4] {
            let mut bytes = [0; 4];
            rng.fill_bytes(&mut bytes);
            bytes
        }
        let mut rng = EntropyRng::new(Arc::new(Counting::default()));
        assert_ne!(draw(&mut rng), draw(&mut rng));
    }
}
