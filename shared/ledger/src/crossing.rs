//! Crossings: how trust goes over from a ledger's key to the one that replaces it.

use crate::note::{NoteError, open};
use crate::verifier_key::VerifierKey;

/// A checkpoint that the old and the new key of a ledger have both signed: whoever trusts the old one may trust the new one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Crossing {
    /// The checkpoint, as a signed note.
    pub note: String,
    /// The key that was signed with before.
    pub old: VerifierKey,
    /// The key that is signed with from there on.
    pub new: VerifierKey,
}

/// Why a crossing leads nowhere.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CrossingError {
    /// The note is not sound.
    #[error("{0}")]
    Note(#[from] NoteError),
    /// One of the two has not signed it.
    #[error("the checkpoint at which a key was replaced is not signed by both keys")]
    OneKey,
}

impl Crossing {
    /// Checks that both keys have signed the note.
    ///
    /// # Errors
    /// Where the note is not sound, or one of the two has not signed it.
    pub fn check(&self) -> Result<(), CrossingError> {
        let opened = open(&self.note, &[self.old.clone(), self.new.clone()])?;
        let both = opened.signed_by.contains(&self.old) && opened.signed_by.contains(&self.new);
        if both { Ok(()) } else { Err(CrossingError::OneKey) }
    }
}

/// All keys that may be trusted by whoever trusts `trusted`, with the help of crossings, in whatever order they come:
/// the given ones first. A crossing that starts at no key that is trusted is passed over.
///
/// # Errors
/// Where a crossing starts at a key that is trusted, and is not sound.
pub fn follow(trusted: &[VerifierKey], crossings: &[Crossing]) -> Result<Vec<VerifierKey>, CrossingError> {
    let mut keys = trusted.to_vec();
    let mut reached = 0;
    while let Some(key) = keys.get(reached).cloned() {
        for crossing in crossings.iter().filter(|crossing| crossing.old == key) {
            crossing.check()?;
            if !keys.contains(&crossing.new) {
                keys.push(crossing.new.clone());
            }
        }
        reached += 1;
    }
    Ok(keys)
}
