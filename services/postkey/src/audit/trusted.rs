//! Whose signatures are believed.

use audit::export::CrossingRecord;
use ledger::{Crossing, VerifierKey, follow};

use crate::failure::Failure;

/// The public keys that were named, and those to which crossings lead on from them.
pub struct Trusted {
    /// The keys.
    pub keys: Vec<VerifierKey>,
    /// What is wrong with a crossing that should lead on: then only those that were named are believed.
    pub broken: Option<String>,
}

impl Trusted {
    /// Whoever believes `keys` may believe these.
    pub fn follow(keys: Vec<VerifierKey>, crossings: &[CrossingRecord]) -> Result<Self, Failure> {
        let unread = |error| Failure::failed(format!("a crossing from one key to the next can't be read: {error}"));
        let crossings: Vec<Crossing> =
            crossings.iter().map(|record| record.parse().map_err(unread)).collect::<Result<_, _>>()?;
        Ok(match follow(&keys, &crossings) {
            Ok(keys) => Self { keys, broken: None },
            Err(error) => Self { keys, broken: Some(format!("where the ledger's key was replaced: {error}")) },
        })
    }
}
