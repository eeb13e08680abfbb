//! A user changes its own password, having proved the current one.

use crate::{Command, EmailService, Event, NewCredential, Position, Rejection, UserId, UserState};

/// What came of proving the current password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It was not the current password.
    Failed,
    /// It was the password that was set at this position.
    Proved {
        /// The revision of the credential that was proved.
        credential: Position,
        /// Whether the new password is the one that was proved.
        same: bool,
    },
}

/// A user changes its own password.
///
/// Order: what depends on nobody was judged before, then the proof, then what depends on the user, so that a stranger
/// learns nothing.
#[derive(Clone, Debug)]
pub struct ChangeOwnPassword {
    /// Whose password.
    pub user: UserId,
    /// What came of proving the current one.
    pub proof: Proof,
    /// The password to set.
    pub credential: NewCredential,
}

impl Command for ChangeOwnPassword {
    fn decide(&self, state: &EmailService) -> Result<Vec<Event>, Rejection> {
        let user = state.provisioned()?.present_user(self.user)?;
        let Some(current) = user.credential.as_ref().filter(|_| user.state == UserState::Active) else {
            return Err(Rejection::WrongCurrentPassword);
        };
        match self.proof {
            Proof::Failed => Err(Rejection::WrongCurrentPassword),
            Proof::Proved { credential, .. } if credential != current.revision => Err(Rejection::Superseded),
            Proof::Proved { same: true, .. } => Err(Rejection::SamePassword),
            Proof::Proved { same: false, credential } => {
                let changed = self.credential.set_for(user.person.value.known(), Some(credential))?;
                Ok(vec![Event::User(self.user, changed)])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::UserEvent;
    use crate::spec::{added, ann, credential, given, password_proved, password_set, provisioned, user};

    fn one_user() -> [Event; 3] {
        [provisioned(5, 100), Event::User(user(1), added(1, ann(), 10)), Event::User(user(1), password_set(5))]
    }

    fn change(proof: Proof) -> ChangeOwnPassword {
        ChangeOwnPassword { user: user(1), proof, credential: credential(6, ann()) }
    }

    const PROVED: Proof = Proof::Proved { credential: Position::new(3), same: false };

    #[test]
    fn a_proved_change_is_made() {
        given(one_user()).when(change(PROVED)).then([Event::User(user(1), password_proved(6, 3))]);
    }

    #[test]
    fn a_wrong_current_password_is_refused() {
        given(one_user()).when(change(Proof::Failed)).refused(Rejection::WrongCurrentPassword);
    }

    #[test]
    fn the_same_password_is_refused_only_once_it_was_proved() {
        given(one_user())
            .when(change(Proof::Proved { credential: Position::new(3), same: true }))
            .refused(Rejection::SamePassword);
    }

    #[test]
    fn a_proof_of_an_older_credential_is_made_again() {
        given(one_user())
            .and([Event::User(user(1), password_set(8))])
            .when(change(PROVED))
            .refused(Rejection::Superseded);
    }

    #[test]
    fn a_suspended_user_learns_nothing() {
        given(one_user())
            .and([Event::User(user(1), UserEvent::UserSuspended)])
            .when(change(PROVED))
            .refused(Rejection::WrongCurrentPassword);
    }

    #[test]
    fn an_unknown_or_removed_user_is_refused() {
        given(one_user()).when(ChangeOwnPassword { user: user(2), ..change(PROVED) }).refused(Rejection::UserUnknown);
        given(one_user())
            .and([Event::User(user(1), UserEvent::UserRemoved)])
            .when(change(PROVED))
            .refused(Rejection::UserUnknown);
    }
}
