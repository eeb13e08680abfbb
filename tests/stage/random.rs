//! Randomness that can be repeated.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// SplitMix64. Its seed is printed where it is drawn; `POSTKEY_TEST_SEED` sets it.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A generator with a fresh seed, told on stderr, or with the one that the environment asks for.
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are the outermost shell, and have no command line of their own"
    )]
    pub fn seeded() -> Self {
        let asked =
            std::env::var("POSTKEY_TEST_SEED").ok().map(|seed| seed.parse().expect("POSTKEY_TEST_SEED: a number"));
        let seed = asked.unwrap_or_else(|| RandomState::new().hash_one(0));
        #[expect(clippy::print_stderr, reason = "shown with a failure only; then it is what repeats it")]
        {
            eprintln!("to repeat: POSTKEY_TEST_SEED={seed}");
        }
        Self(seed)
    }

    /// Another generator, for a task of its own.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// A number of the range.
    pub fn of(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
