//! The arithmetic: medians, spreads, and ratios of what was measured by turns.

use serde::Serialize;

/// Several measurements of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one; of an even number, the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// Of at least one measurement; none of none, or where one is no number.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<_> = values.into_iter().collect();
        if values.iter().any(|value| value.is_nan()) {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median =
            if values.len().is_multiple_of(2) { values[middle - 1].midpoint(values[middle]) } else { values[middle] };
        Some(Self { median, least, most })
    }
}

/// The ratio of each round: what was measured, to the mean of the raw operation right before and right after it.
/// `raw` has one measurement more than `measured`; rounds whose raw measurements are zero have no ratio.
pub fn ratios(raw: &[f64], measured: &[f64]) -> Vec<f64> {
    let around = raw.windows(2).map(|pair| pair[0].midpoint(pair[1]));
    around.zip(measured).filter(|(around, _)| *around > 0.0).map(|(around, measured)| measured / around).collect()
}

/// What a figure must reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Not below.
    AtLeast(f64),
    /// Not above.
    AtMost(f64),
}

impl Target {
    /// Whether a figure reaches it.
    pub fn met(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(bound) => figure >= bound,
            Self::AtMost(bound) => figure <= bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_two_there() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[1.0, f64::NAN]), None);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(spread(&[4.0, 1.0]), Some(Spread { median: 2.5, least: 1.0, most: 4.0 }));
    }

    #[test]
    fn a_round_is_held_against_the_raw_operation_around_it() {
        // The machine got slower between the rounds: each is judged by its own surroundings.
        assert_eq!(ratios(&[100.0, 100.0, 50.0], &[60.0, 45.0]), [0.6, 0.6]);
        assert_eq!(ratios(&[0.0, 0.0], &[1.0]), [0.0; 0], "no ratio to nothing");
        assert_eq!(ratios(&[1.0], &[]), [0.0; 0]);
    }

    #[test]
    fn a_target_is_met_at_its_bound() {
        assert!(Target::AtLeast(0.6).met(0.6) && !Target::AtLeast(0.6).met(0.599));
        assert!(Target::AtMost(5.0).met(5.0) && !Target::AtMost(5.0).met(5.001));
    }
}
