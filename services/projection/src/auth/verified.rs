//! Logins that argon2id has proved lately, so that the same one costs no argon2id again.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use credential::GivenPassword;
use domain::{Address, Position};
use hmac::{Hmac, KeyInit, Mac};
use lru::LruCache;
use secrecy::SecretString;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

/// For how long an argon2id counts, from when it began. Use extends nothing.
const PROVES_FOR: Duration = Duration::from_secs(10 * 60);
/// How many are kept, one an address: some 15 MB. Those that were proved longest ago go first.
const KEPT: NonZeroUsize = NonZeroUsize::new(65_536).expect("not zero");

/// A login as it can be compared and kept: an HMAC-SHA-256 over address, credential and password. Nobody who reads it can
/// test guesses without the key, which lives as long as the process.
pub type Proof = [u8; 32];

/// Successes only: that a password was wrong is never remembered. A proof names the credential, by its position in the
/// log: once that has changed, the proof is found no more. Who may sign in at all is not asked here but of the row, each
/// time.
pub struct Verified {
    /// Keyed once; each proof continues a clone.
    keyed: Hmac<Sha256>,
    kept: Mutex<LruCache<Address, Kept>>,
}

struct Kept {
    proof: Proof,
    until: Instant,
}

impl Verified {
    /// Nothing proved yet. `key` is drawn at random at each start, and kept nowhere.
    pub fn new(key: &[u8; 32]) -> Self {
        let keyed =
            Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        Self { keyed, kept: Mutex::new(LruCache::sparse(KEPT)) }
    }

    /// What a login is compared by; `credential`: the revision of the one that the password must be of, none where nobody
    /// signs in. None for a password that can't be anybody's.
    pub fn proof(&self, address: &Address, credential: Option<Position>, password: &SecretString) -> Option<Proof> {
        let password = GivenPassword::parse(password)?;
        let address = address.as_str().as_bytes();
        let mac = self
            .keyed
            .clone()
            .chain_update((address.len() as u64).to_be_bytes())
            .chain_update(address)
            // Position 0 is before the log: nobody's.
            .chain_update(credential.unwrap_or(Position::START).get().to_be_bytes())
            .chain_update(password.expose().as_bytes());
        Some(mac.finalize().into_bytes().into())
    }

    /// Whether argon2id has found this login right, not too long before `now`.
    pub fn knows(&self, address: &Address, proof: &Proof, now: Instant) -> bool {
        let kept = self.lock();
        // Not a use: the order stays that of the proofs' age.
        kept.peek(address).is_some_and(|kept| now < kept.until && bool::from(kept.proof.ct_eq(proof)))
    }

    /// Keeps that argon2id, begun at `begun`, has found this login right. What was known of the address before, as with its
    /// former password, is forgotten.
    pub fn learn(&self, address: Address, proof: Proof, begun: Instant) {
        let mut kept = self.lock();
        kept.push(address, Kept { proof, until: begun + PROVES_FOR });
        // What has run out goes twice as fast as it comes.
        for _ in 0..2 {
            if kept.peek_lru().is_some_and(|(_, oldest)| oldest.until <= begun) {
                kept.pop_lru();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Address, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::staged::address;

    fn proof(verified: &Verified, user: u64, credential: u64, password: &str) -> Proof {
        verified.proof(&address(1, user), Some(Position::new(credential)), &password.into()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_is_known_for_ten_minutes_from_its_argon2id_however_often_it_is_used() {
        let verified = Verified::new(&[1; 32]);
        let right = proof(&verified, 1, 4, "Aa1!aaaa");
        verified.learn(address(1, 1), right, Instant::now());
        for _ in 0..10 {
            assert!(verified.knows(&address(1, 1), &right, Instant::now()));
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        assert!(!verified.knows(&address(1, 1), &right, Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn another_password_credential_or_address_is_another_login() {
        let verified = Verified::new(&[1; 32]);
        let right = proof(&verified, 1, 4, "Aa1!aaaa");
        let now = Instant::now();
        verified.learn(address(1, 1), right, now);
        for other in [
            proof(&verified, 1, 4, "Aa1!aaab"),
            proof(&verified, 1, 5, "Aa1!aaaa"),
            proof(&verified, 2, 4, "Aa1!aaaa"),
            verified.proof(&address(1, 1), None, &"Aa1!aaaa".into()).unwrap(),
            proof(&Verified::new(&[2; 32]), 1, 4, "Aa1!aaaa"),
        ] {
            assert!(!verified.knows(&address(1, 1), &other, now));
        }
        assert!(!verified.knows(&address(1, 2), &right, now));
        assert_eq!(proof(&verified, 1, 4, "Zoë-12345"), proof(&verified, 1, 4, "Zoe\u{308}-12345"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_be_nobodys_password_has_no_proof() {
        let verified = Verified::new(&[1; 32]);
        for password in [String::new(), "a".repeat(1_025)] {
            assert_eq!(verified.proof(&address(1, 1), Some(Position::new(4)), &password.into()), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_bounded_and_what_has_run_out_goes_first() {
        let verified = Verified::new(&[1; 32]);
        for user in 0..100_000 {
            verified.learn(address(1, user), [0; 32], Instant::now());
        }
        assert_eq!(verified.lock().len(), KEPT.get());
        assert!(verified.knows(&address(1, 99_999), &[0; 32], Instant::now()));
        assert!(!verified.knows(&address(1, 0), &[0; 32], Instant::now()));
        tokio::time::advance(PROVES_FOR).await;
        for user in 0..u64::try_from(KEPT.get()).unwrap() {
            verified.learn(address(2, user % 10), [0; 32], Instant::now());
        }
        assert_eq!(verified.lock().len(), 10);
    }
}
