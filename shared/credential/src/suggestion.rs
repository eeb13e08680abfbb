//! Strong passwords to suggest.

use rand_core::CryptoRng;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::Policy;

/// The characters drawn from: 17 upper-case letters, 17 lower-case letters and 5 digits.
///
/// Left out is what is mistaken for another (`0 O o`, `1 I l i`, `2 Z z`, `5 S s`, `8 B`), and every vowel, so that no
/// word appears by chance: neither one to blush at nor one of the user's own, which the policy would refuse.
const ALPHABET: &[u8; 39] = b"CDFGHJKLMNPQRTVWXbcdfghjkmnpqrtvwx34679";

/// How many groups a suggestion has.
const GROUPS: usize = 5;
/// How many characters a group has.
const GROUP: usize = 5;
/// What stands between two groups: it makes the suggestion readable, and is its symbol.
const SEPARATOR: char = '-';

/// A password such as `hTq7X-w94vK-dpMnR-c3tVj-9Hxfq` that keeps to every rule of `policy`.
///
/// 25 of 39 characters are drawn evenly (bytes that would favour some are thrown away) until the whole keeps to the
/// policy, so every password of this form that does is as likely as any other: 25 · log2(39) = 132.13 bits, less 0.05
/// for the 3.2 % that are drawn again for want of a digit (and one in a million for want of a letter of either case):
/// 132.08 bits. The blocklist and zxcvbn refuse none in practice. The personal rule can't be known here: for a user with
/// a word of four consonants it refuses about one suggestion in ten thousand, for any other hardly ever one.
///
/// Where [`Policy::needs_score`], the check takes about a millisecond. `rng` must not be stuck: a generator that
/// repeats itself for ever is asked for ever.
pub fn suggest(policy: &Policy, rng: &mut dyn CryptoRng) -> SecretString {
    loop {
        let suggestion = draw(rng);
        if policy.violations(&suggestion, None).is_empty() {
            return suggestion;
        }
    }
}

fn draw(rng: &mut dyn CryptoRng) -> SecretString {
    const LENGTH: usize = GROUPS * GROUP + GROUPS - 1;
    let mut indices = Indices::new(rng);
    // Filled to its capacity, so that becoming a box moves nothing.
    let mut text = Zeroizing::new(String::with_capacity(LENGTH));
    for group in 0..GROUPS {
        if group > 0 {
            text.push(SEPARATOR);
        }
        for _ in 0..GROUP {
            text.push(char::from(ALPHABET[indices.next()]));
        }
    }
    SecretString::from(std::mem::take(&mut *text))
}

/// Even indices into [`ALPHABET`].
struct Indices<'a> {
    rng: &'a mut dyn CryptoRng,
    bytes: Zeroizing<[u8; 32]>,
    used: usize,
}

impl<'a> Indices<'a> {
    fn new(rng: &'a mut dyn CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *bytes);
        Self { rng, bytes, used: 0 }
    }

    fn next(&mut self) -> usize {
        /// Bytes below this fall evenly on the alphabet; the others are thrown away.
        const EVEN: usize = 256 - 256 % ALPHABET.len();
        loop {
            if self.used == self.bytes.len() {
                self.rng.fill_bytes(&mut *self.bytes);
                self.used = 0;
            }
            let byte = usize::from(self.bytes[self.used]);
            self.used += 1;
            if byte < EVEN {
                return byte % ALPHABET.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_rng::TestRng;
    use secrecy::ExposeSecret;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn the_alphabet_has_no_vowel_and_nothing_twice() {
        assert_eq!(ALPHABET.iter().collect::<BTreeSet<_>>().len(), ALPHABET.len());
        for mistaken in b"0Oo1Il|2Zz5Ss8BAEIUYaeiuy" {
            assert!(!ALPHABET.contains(mistaken), "{:?}", char::from(*mistaken));
        }
    }

    #[test]
    fn a_suggestion_has_more_than_128_bits() {
        let characters = (GROUPS * GROUP) as i32;
        let share = |kind: fn(&u8) -> bool| {
            let others = ALPHABET.iter().filter(|c| !kind(c)).count() as f64;
            (others / ALPHABET.len() as f64).powi(characters)
        };
        // At most the sum of the shares that lack a class is drawn again.
        let again = share(u8::is_ascii_digit) + share(u8::is_ascii_uppercase) + share(u8::is_ascii_lowercase);
        let bits = f64::from(characters) * (ALPHABET.len() as f64).log2() + (1.0 - again).log2();
        assert!((132.07..132.09).contains(&bits), "{bits}");
    }

    #[test]
    fn suggestions_keep_to_every_profile() {
        let mut rng = TestRng::seeded(4);
        for policy in [Policy::guide(), Policy::standard(), Policy::strict()] {
            for _ in 0..200 {
                let suggestion = suggest(&policy, &mut rng);
                for judge in [Policy::guide(), Policy::standard(), Policy::strict()] {
                    assert_eq!(judge.violations(&suggestion, None), []);
                }
            }
        }
    }

    #[test]
    fn a_suggestion_is_five_groups_of_five() {
        let suggestion = suggest(&Policy::standard(), &mut TestRng::seeded(5));
        let groups: Vec<&str> = suggestion.expose_secret().split(SEPARATOR).collect();
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [GROUP; GROUPS]);
    }

    #[test]
    fn every_character_is_drawn_as_often() {
        let mut rng = TestRng::seeded(6);
        let mut indices = Indices::new(&mut rng);
        let mut drawn = BTreeMap::new();
        for _ in 0..39_000 {
            *drawn.entry(indices.next()).or_insert(0) += 1;
        }
        assert_eq!(drawn.len(), ALPHABET.len());
        // Six standard deviations of a binomial with a mean of 1,000.
        assert!(drawn.values().all(|n| (810..=1190).contains(n)), "{drawn:?}");
    }

    #[test]
    fn suggestions_differ() {
        let mut rng = TestRng::seeded(7);
        let drawn: BTreeSet<String> =
            (0..1000).map(|_| suggest(&Policy::guide(), &mut rng).expose_secret().to_owned()).collect();
        assert_eq!(drawn.len(), 1000);
    }
}
