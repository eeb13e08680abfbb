//! How soon a password would be guessed, by zxcvbn (Wheeler, USENIX Security 2016).
//!
//! zxcvbn reads the clock by itself: the year when it is first used (years near it are guessable), and how long it
//! took, which we ignore. Scores are advice and no part of the history, so nothing that is replayed depends on it. It
//! copies the password while it works and wipes none of its copies.

use domain::text::wiped;
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::Personal;

/// How much of a password zxcvbn sees, in code points: its cost grows faster than the length.
pub const SCORED_CODE_POINTS: usize = 64;

/// zxcvbn's score, from 0 (guessed at once) to 4 (out of reach). Serialised as the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(maximum = 4)]
pub struct Score(u8);

impl Score {
    /// The best score.
    pub const MAX: Self = Self(4);

    /// A score, brought down to [`Self::MAX`] where it is above.
    pub const fn at_most(score: u8) -> Self {
        Self(if score > Self::MAX.0 { Self::MAX.0 } else { score })
    }

    /// The score as a number from 0 to 4.
    pub const fn value(self) -> u8 {
        self.0
    }
}

/// Scores the first [`SCORED_CODE_POINTS`] of a password in NFC, with its user's words as first guesses; fewer of one
/// that would take too long (see [`affordable`]).
///
/// Takes a millisecond for a password as people choose them and up to 20 for a hostile one, so a service asks
/// [`Hasher::score`](crate::Hasher::score). The first call in a process costs as much as a hash: see [`warm`].
pub(crate) fn score(password: &str, personal: Option<&Personal>) -> Score {
    let length = affordable(password);
    let seen: Zeroizing<String> = wiped(|| password.chars().take(length));
    let guesses = personal.map(Personal::guesses).unwrap_or_default();
    Score::at_most(u8::from(zxcvbn::zxcvbn(&seen, &guesses).score()))
}

/// The characters that zxcvbn 3.1 reads as a, c, g, i, l, s and t: its `L33T_TABLE` without the letters that only one
/// character stands for.
const AMBIGUOUS: [&[char]; 7] =
    [&['4', '@'], &['(', '{', '[', '<'], &['6', '9'], &['1', '!', '|'], &['1', '|', '7'], &['$', '5'], &['+', '7']];

/// The most code points squared times readings that are scored: 10 to 20 ms of one core, as long as a hash.
const BUDGET: usize = 100_000;

/// How many code points of a password zxcvbn gets to see.
///
/// It searches the whole text once for each way to read its substituted letters, and these multiply: 64 code points
/// with every such character took 370 ms, twenty hashes. Whoever uses so many kinds of them is scored by a shorter
/// beginning, of 13 code points at the least; their guesses multiply too, so that a random one still scores 4.
fn affordable(password: &str) -> usize {
    let mut met = AMBIGUOUS.map(|_| 0_u8);
    for (index, c) in password.chars().take(SCORED_CODE_POINTS).enumerate() {
        for (kinds, met) in AMBIGUOUS.iter().zip(&mut met) {
            if let Some(kind) = kinds.iter().position(|kind| *kind == c) {
                *met |= 1 << kind;
            }
        }
        let readings: usize = met.iter().map(|met| met.count_ones().max(1) as usize).product();
        if (index + 1) * (index + 1) * readings > BUDGET {
            return index;
        }
    }
    SCORED_CODE_POINTS
}

/// Builds zxcvbn's tables, once in a process, so that nobody's first password waits for them.
pub fn warm() {
    score("correct horse battery staple 1990", None);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_tell_weak_from_strong() {
        assert_eq!(score("", None), Score(0));
        assert_eq!(score("password", None), Score(0));
        assert_eq!(score("hTq7Xw-94vKdp-MnRc3t", None), Score::MAX);
    }

    #[test]
    fn the_users_own_words_are_guessed_first() {
        let personal = Personal::default().with_name(&domain::Name::parse("Wojciechowska").expect("a name"));
        assert!(score("wojciechowska", Some(&personal)) < score("wojciechowska", None));
    }

    #[test]
    fn only_the_first_64_code_points_are_seen() {
        let weak = "a".repeat(SCORED_CODE_POINTS);
        assert_eq!(score(&format!("{weak}hTq7Xw-94vKdp-MnRc3t"), None), score(&weak, None));
    }

    #[test]
    fn many_ways_to_read_a_password_shorten_what_is_scored() {
        assert_eq!(affordable("Correct-Horse-Battery-Staple7"), SCORED_CODE_POINTS);
        assert_eq!(affordable("4(1$+69"), SCORED_CODE_POINTS);
        let hostile = "4@({[<691!|7$5+".repeat(5);
        assert_eq!(affordable(&hostile), 14);
        assert_eq!(score(&hostile, None), Score::MAX);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            proptest::prop_assert!(score(&text, None) <= Score::MAX);
        }
    }
}
