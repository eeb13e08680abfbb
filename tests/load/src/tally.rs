//! What one process of load reports of its timed part.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Operations and how they went, in the timed part only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// How many ended well.
    pub operations: u64,
    /// How long it took.
    pub seconds: f64,
    /// How many did not, by what was answered.
    pub failures: BTreeMap<String, u64>,
    /// How long one took.
    pub latencies_us: Latencies,
}

/// How long an operation took, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latencies {
    /// Half took no longer.
    pub p50: u64,
    /// 99 of 100 took no longer.
    pub p99: u64,
    /// The slowest.
    pub max: u64,
}

impl Latencies {
    /// Of so many measurements, in any order.
    pub fn of(mut micros: Vec<u64>) -> Self {
        micros.sort_unstable();
        let at = |hundredths: usize| {
            let rank = (micros.len() * hundredths).div_ceil(100).max(1);
            micros.get(rank - 1).copied().unwrap_or(0)
        };
        Self { p50: at(50), p99: at(99), max: at(100) }
    }
}

impl Tally {
    /// Operations a second.
    pub fn rate(&self) -> f64 {
        if self.seconds > 0.0 { approximate(self.operations) / self.seconds } else { 0.0 }
    }

    /// How many failed.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

/// A count as a number to calculate with; exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^53")]
pub const fn approximate(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_nearest_ranks() {
        assert_eq!(Latencies::of(Vec::new()), Latencies::default());
        assert_eq!(Latencies::of(vec![7]), Latencies { p50: 7, p99: 7, max: 7 });
        let hundred = (1..=100).rev().collect();
        assert_eq!(Latencies::of(hundred), Latencies { p50: 50, p99: 99, max: 100 });
        let two_hundred = (1..=200).collect();
        assert_eq!(Latencies::of(two_hundred), Latencies { p50: 100, p99: 198, max: 200 });
    }

    #[test]
    fn a_rate_is_per_second_and_nothing_in_no_time() {
        let tally = Tally { operations: 300, seconds: 1.5, ..Tally::default() };
        assert!((tally.rate() - 200.0).abs() < 1e-9);
        assert!(Tally::default().rate().abs() < 1e-9);
    }
}
