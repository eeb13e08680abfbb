//! One thread's workplace: its memory, and the two things that are done in it.

use argon2::{Algorithm, Argon2, Block, Version};
use domain::CredentialHash;
use secrecy::SecretString;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, Zeroizing};

use super::Verdict;
use crate::parameters::{OUTPUT_BYTES, Parameters, SALT_BYTES};
use crate::password::{GivenPassword, Password};
use crate::phc::{self, Stored};

/// The memory that a thread hashes in, kept from job to job: mapping 19 MiB afresh would cost a tenth of a hash.
///
/// After a hash the memory holds what would let a reader of it test guesses at a fraction of the cost. It is wiped as
/// soon as its thread has nothing to do (2 ms, that nobody waits for), and on drop; while jobs queue, each hash writes
/// over the one before.
pub(super) struct Bench {
    parameters: Parameters,
    dummy: CredentialHash,
    memory: Vec<Block>,
    used: bool,
}

/// A step that can fail only where memory runs out or a library's range checks disagree with ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failed;

impl Bench {
    /// A bench for hashes of `parameters`.
    pub fn new(parameters: Parameters) -> Result<Self, Failed> {
        // Nothing hashes to zeros; and where it would, a verdict on the dummy is never right.
        let dummy = phc::write(&parameters, &[0; SALT_BYTES], &[0; OUTPUT_BYTES]).ok_or(Failed)?;
        let memory = blocks(parameters.blocks())?;
        Ok(Self { parameters, dummy, memory, used: false })
    }

    /// Hashes a new password.
    pub fn hash(&mut self, password: &Password, salt: &[u8; SALT_BYTES]) -> Result<CredentialHash, Failed> {
        let mut output = Zeroizing::new([0; OUTPUT_BYTES]);
        let parameters = self.parameters.clone();
        self.argon2id(&parameters, password.expose().as_bytes(), salt, &mut *output)?;
        phc::write(&parameters, salt, &output).ok_or(Failed)
    }

    /// Judges a given password. All of unknown, unreadable, empty, too long and wrong take one hash, by the same path.
    pub fn verify(&mut self, given: &SecretString, against: Option<&CredentialHash>) -> Result<Verdict, Failed> {
        let password = GivenPassword::parse(given);
        let real = against.and_then(|hash| phc::read(hash).ok());
        let can_match = Choice::from(u8::from(password.is_some() & real.is_some()));
        let stored = match real {
            Some(stored) => stored,
            None => phc::read(&self.dummy).map_err(|_| Failed)?,
        };
        let text = password.as_ref().map_or("", GivenPassword::expose);
        let matches = self.matches(text, &stored)? & can_match;
        Ok(if matches.into() { Verdict::Right } else { Verdict::Wrong })
    }

    /// Whether a hash left something to wipe.
    pub fn is_used(&self) -> bool {
        self.used
    }

    /// Wipes what the last hash left.
    pub fn wipe(&mut self) {
        if std::mem::take(&mut self.used) {
            self.memory.iter_mut().zeroize();
        }
    }

    fn matches(&mut self, password: &str, stored: &Stored) -> Result<Choice, Failed> {
        let mut output = Zeroizing::new(vec![0; stored.output.len()]);
        self.argon2id(&stored.parameters, password.as_bytes(), &stored.salt, &mut output)?;
        Ok(output.ct_eq(&stored.output))
    }

    fn argon2id(
        &mut self,
        parameters: &Parameters,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), Failed> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters.as_argon2().clone());
        if parameters.blocks() <= self.memory.len() {
            self.used = true;
            return argon2.hash_password_into_with_memory(password, salt, output, &mut self.memory).map_err(|_| Failed);
        }
        // A hash of larger parameters, from another configuration: rare, so its memory isn't kept.
        let mut memory = blocks(parameters.blocks())?;
        let done = argon2.hash_password_into_with_memory(password, salt, output, &mut memory);
        memory.iter_mut().zeroize();
        done.map_err(|_| Failed)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// Memory for a hash; an error rather than an abort where there is none.
fn blocks(count: usize) -> Result<Vec<Block>, Failed> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(count).map_err(|_| Failed)?;
    memory.resize(count, Block::new());
    Ok(memory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Policy;

    fn bench() -> Bench {
        Bench::new(Parameters::new(64, 1, 1).expect("cheap")).expect("a bench")
    }

    fn password(text: &str) -> Password {
        Password::parse(text.into(), &Policy::guide(), None).expect("a password")
    }

    #[test]
    fn the_right_password_is_right_and_any_other_wrong() {
        let mut bench = bench();
        let hash = bench.hash(&password("Zoë-12345"), &[1; 16]).expect("a hash");
        for (given, verdict) in [
            ("Zoë-12345", Verdict::Right),
            ("Zoe\u{308}-12345", Verdict::Right),
            ("Zoe-12345", Verdict::Wrong),
            ("Zoë-12345\0", Verdict::Wrong),
            ("", Verdict::Wrong),
        ] {
            assert_eq!(bench.verify(&given.into(), Some(&hash)), Ok(verdict), "{given:?}");
        }
        assert_eq!(bench.verify(&"a".repeat(5000).into(), Some(&hash)), Ok(Verdict::Wrong));
    }

    #[test]
    fn an_unknown_user_and_a_damaged_hash_are_wrong_after_a_hash() {
        let mut bench = bench();
        let absurd = "$argon2id$v=19$m=4194304,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$CQkJCQkJCQkJCQkJCQkJCQ";
        for against in [None, Some(absurd), Some("$argon2id$x")] {
            let against = against.map(|text| CredentialHash::parse(text.into()).expect("a hash"));
            assert_eq!(bench.verify(&"Zoë-12345".into(), against.as_ref()), Ok(Verdict::Wrong));
            assert!(bench.is_used(), "the memory was worked in");
            bench.wipe();
        }
    }

    #[test]
    fn what_could_match_a_dummy_is_still_wrong() {
        let mut bench = bench();
        bench.dummy = bench.hash(&password("Aa1!aaaa"), &[0; 16]).expect("a hash");
        assert_eq!(bench.verify(&"Aa1!aaaa".into(), None), Ok(Verdict::Wrong));
        let mut output = [0; OUTPUT_BYTES];
        let parameters = bench.parameters.clone();
        bench.argon2id(&parameters, b"", &[0; 16], &mut output).expect("a hash");
        let of_nothing = phc::write(&parameters, &[0; 16], &output).expect("a hash");
        assert_eq!(bench.verify(&"".into(), Some(&of_nothing)), Ok(Verdict::Wrong), "not even a hash of nothing");
    }

    #[test]
    fn a_hash_of_other_parameters_is_verified_by_its_own() {
        for (memory, passes, lanes) in [(16, 1, 1), (64, 3, 1), (256, 1, 2)] {
            let mut other = Bench::new(Parameters::new(memory, passes, lanes).expect("cheap")).expect("a bench");
            let hash = other.hash(&password("Zoë-12345"), &[1; 16]).expect("a hash");
            assert_eq!(bench().verify(&"Zoë-12345".into(), Some(&hash)), Ok(Verdict::Right));
            assert_eq!(bench().verify(&"Zoë-12346".into(), Some(&hash)), Ok(Verdict::Wrong));
        }
    }

    #[test]
    fn memory_that_was_used_before_changes_nothing() {
        let mut bench = bench();
        let first = bench.hash(&password("Aa1!aaaa"), &[1; 16]).expect("a hash");
        bench.hash(&password("Bb2?bbbb"), &[2; 16]).expect("a hash");
        assert_eq!(bench.hash(&password("Aa1!aaaa"), &[1; 16]), Ok(first));
    }

    #[test]
    fn wiped_memory_holds_nothing() {
        let mut bench = bench();
        bench.hash(&password("Aa1!aaaa"), &[1; 16]).expect("a hash");
        assert!(bench.memory.iter_mut().any(|block| block.as_mut().iter().any(|word| *word != 0)));
        bench.wipe();
        assert!(bench.memory.iter_mut().all(|block| block.as_mut().iter().all(|word| *word == 0)));
        assert!(!bench.is_used());
    }

    /// From the reference implementation: `echo -n password | argon2 somesalt -id -m 8 -t 2 -p 1` (phc-winner-argon2,
    /// `src/test.c`).
    #[test]
    fn hashes_agree_with_the_reference_implementation() {
        let hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let hash = CredentialHash::parse(hash.into()).expect("a hash");
        assert_eq!(bench().verify(&"password".into(), Some(&hash)), Ok(Verdict::Right));
    }
}
