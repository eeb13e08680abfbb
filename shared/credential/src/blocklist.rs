//! The common passwords that no costume makes acceptable.
//!
//! Under a policy of four classes an exact list catches next to nothing: its 20,000 entries are plain words and digits,
//! and people dress one of them up. So a password falls if one of its base forms (see [`crate::base_form`]) is an entry
//! or an entry's own base.
//!
//! False refusals, measured with fixed seeds (the tests below hold them to a bound): of 10,000 suggestions none; of
//! 10,000 passphrases of four random words, capitalised and joined by `-`, with a digit and a symbol, none; of 10,000
//! random passwords of printable ASCII that keep to the guide, 4 of 8 characters and 3 of 12 (`u53R=:{^}`>^`).

use std::sync::LazyLock;

use crate::base_form::{any_base_form, entry_keys};

/// 20,000 common passwords by Royce Williams, as Django vendors them: see `data/README.md`.
const COMMON_PASSWORDS: &str = include_str!("../data/common-passwords.txt");

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::new(COMMON_PASSWORDS));

/// Whether `password` is a common password, plain or decorated. Takes microseconds once [`warm`].
pub(crate) fn contains(password: &str) -> bool {
    any_base_form(password, |form| KEYS.contains(form))
}

/// Builds the table, once in a process: tens of milliseconds, 0.2 MB.
pub(crate) fn warm() {
    LazyLock::force(&KEYS);
}

/// Sorted strings in one allocation, a fifth of the memory of a set of strings and still one binary search away.
struct Keys {
    text: String,
    /// Where each key ends in `text`.
    ends: Vec<u32>,
}

impl Keys {
    fn new(list: &str) -> Self {
        let mut keys: Vec<String> = list.lines().flat_map(entry_keys).flatten().collect();
        keys.sort_unstable();
        keys.dedup();
        let mut text = String::with_capacity(keys.iter().map(String::len).sum());
        let ends = keys.iter().map(|key| {
            text.push_str(key);
            u32::try_from(text.len()).expect("the list is compiled in and far below 4 GiB")
        });
        let ends = ends.collect();
        Self { text, ends }
    }

    fn contains(&self, key: &str) -> bool {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.key(middle).cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return true,
            }
        }
        false
    }

    fn key(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.text[start..self.ends[index] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suggestion::suggest;
    use crate::test_rng::TestRng;
    use crate::{Policy, ViolationCode};
    use secrecy::ExposeSecret;

    const SAMPLE: usize = 10_000;

    #[test]
    fn common_passwords_fall_in_every_costume() {
        for password in [
            "P@ssw0rd1!",
            "Password1!",
            "Qwerty123!",
            "Summer2024!",
            "Welcome1!",
            "L3tm31n!99",
            "!!!Dragon!!!7",
            "$unshine1!",
            "Iloveyou2!",
            "I love you 2!",
            "Ch@ngeme1",
            "1q2w3e4R!",
            "Abcd1234!",
            "Aa123456!",
            "Test123!",
            "Admin123!",
            "Monkey.2025",
            "M0nk3y#12",
            "Пароль1!",
            "Pässwörd1!",
            "Ｐassw0rd1!",
            "Pass-word-1",
            "Fa11en_Angel1",
            "12345678!",
        ] {
            assert!(contains(password), "{password:?}");
        }
    }

    #[test]
    fn passwords_that_only_contain_a_common_one_pass() {
        for password in [
            "Correct-Horse-Battery-Staple7",
            "Dragon-Kettle-94-Moss",
            "hTq7Xw-94vKdp-MnRc3t",
            "Vkd9-mnR",
            "Blue-Monkey-Velvet-7!",
        ] {
            assert!(!contains(password), "{password:?}");
        }
    }

    #[test]
    fn every_entry_long_enough_falls_plain_in_upper_case_and_decorated() {
        let alphanumeric = |entry: &&str| entry.chars().all(|c| c.is_ascii_alphanumeric());
        let long = |entry: &&str| entry_keys(entry)[0].is_some();
        for entry in COMMON_PASSWORDS.lines().filter(alphanumeric).filter(long) {
            assert!(contains(entry) && contains(&entry.to_uppercase()), "{entry:?}");
            let has_letter = entry.bytes().any(|c| c.is_ascii_alphabetic());
            assert!(!has_letter || contains(&format!("{entry}!2")), "{entry:?}");
        }
    }

    #[test]
    fn suggestions_are_never_refused() {
        let mut rng = TestRng::seeded(1);
        let refused = (0..SAMPLE).filter(|_| contains(suggest(&Policy::guide(), &mut rng).expose_secret())).count();
        assert_eq!(refused, 0);
    }

    #[test]
    fn passphrases_of_four_words_are_never_refused() {
        let words: Vec<&str> = include_str!("../data/plain-words.txt").lines().collect();
        let mut rng = TestRng::seeded(2);
        let refused = (0..SAMPLE).filter(|_| {
            let capitalised = |word: &str| format!("{}{}", word[..1].to_uppercase(), &word[1..]);
            let picked: Vec<String> = (0..4).map(|_| capitalised(words[rng.below(words.len())])).collect();
            let symbol = ["!", "?", "#", "%", "&"][rng.below(5)];
            contains(&format!("{}{}{symbol}", picked.join("-"), rng.below(10)))
        });
        assert_eq!(refused.count(), 0);
    }

    #[test]
    fn few_random_passwords_are_refused() {
        let ascii: Vec<char> = ('!'..='~').collect();
        let mut rng = TestRng::seeded(3);
        for (length, bound) in [(8, 10), (12, 10)] {
            let mut refused = 0;
            let mut drawn = 0;
            while drawn < SAMPLE {
                let password: String = (0..length).map(|_| ascii[rng.below(ascii.len())]).collect();
                if Policy::guide().violations(&password.as_str().into(), None).is_empty() {
                    drawn += 1;
                    refused += usize::from(contains(&password));
                }
            }
            assert!(refused <= bound, "{refused} of {SAMPLE} of {length} characters");
        }
    }

    #[test]
    fn the_standard_policy_reports_it() {
        let violations = Policy::standard().violations(&"P@ssw0rd1!".into(), None);
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].code, ViolationCode::Blocklisted);
    }
}
