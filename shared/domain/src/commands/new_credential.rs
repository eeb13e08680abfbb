//! A password that was judged and hashed, ready to be set.

use crate::event::UserEvent;
use crate::{CredentialHash, KeyId, Person, PolicyVersion, Position, Rejection, Sealed};

/// A password that was judged and hashed, ready to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCredential {
    /// A fresh key, for this credential alone.
    pub key: KeyId,
    /// The hash.
    pub hash: CredentialHash,
    /// The policy by which the password was judged.
    pub policy: PolicyVersion,
    /// Whose password it was judged to be: no policy lets a password contain its user's names.
    pub judged_for: Person,
}

impl NewCredential {
    /// The event that sets it for `person`, the user as the command leaves it; `proved` where the user itself asked.
    ///
    /// # Errors
    /// [`Rejection::Superseded`] where it was judged with other names: it has to be judged again.
    pub(super) fn set_for(&self, person: Option<&Person>, proved: Option<Position>) -> Result<UserEvent, Rejection> {
        if person != Some(&self.judged_for) {
            return Err(Rejection::Superseded);
        }
        let hash = Sealed::known(self.key, self.hash.clone());
        Ok(UserEvent::PasswordChanged { hash, policy: self.policy.clone(), proved })
    }
}
