//! A user changes its own password, having proved the current one.

use crate::{Command, EmailService, Event, NewCredential, Position, Rejection, User, UserId, UserState};

/// That the current password was given, and what the new one is to it. There is no command without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The revision of the credential that was proved.
    pub credential: Position,
    /// Whether the new password is the one that was proved.
    pub same: bool,
}

/// A user changes its own password.
///
/// Order: what depends on nobody was judged before, then the proof, then what depends on the user, so that a stranger
/// learns nothing.
#[derive(Clone, Debug)]
pub struct ChangeOwnPassword {
    /// Whose password.
    pub user: UserId,
    /// That the current one was proved.
    pub proof: Proof,
    /// The password to set.
    pub credential: NewCredential,
    /// The user's revision that the change was made for, where the caller insists.
    pub expected: Option<Position>,
}

impl ChangeOwnPassword {
    /// The user, unless something stands against the change, whatever its password's hash: that costs, and is best made after
    /// this has been asked.
    ///
    /// # Errors
    /// What stands against it.
    pub fn allowed(
        state: &EmailService,
        user: UserId,
        proof: Proof,
        expected: Option<Position>,
    ) -> Result<&User, Rejection> {
        // Whoever can't sign in (any more) is told what a wrong password is told.
        let user = state.provisioned().and_then(|service| service.present_user(user));
        let user = user.map_err(|_| Rejection::WrongCurrentPassword)?;
        let Some(current) = user.credential.as_ref().filter(|_| user.state == UserState::Active) else {
            return Err(Rejection::WrongCurrentPassword);
        };
        if proof.credential != current.revision {
            return Err(Rejection::Superseded);
        }
        user.expect(expected)?;
        if proof.same { Err(Rejection::SamePassword) } else { Ok(user) }
    }
}

impl Command for ChangeOwnPassword {
    fn decide(&self, state: &EmailService) -> Result<Vec<Event>, Rejection> {
        let user = Self::allowed(state, self.user, self.proof, self.expected)?;
        let changed = self.credential.set_for(user.person.value.known(), Some(self.proof.credential))?;
        Ok(vec![Event::User(self.user, changed)])
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

    const PROVED: Proof = Proof { credential: Position::new(3), same: false };

    fn change() -> ChangeOwnPassword {
        ChangeOwnPassword { user: user(1), proof: PROVED, credential: credential(6, ann()), expected: None }
    }

    #[test]
    fn a_proved_change_is_made() {
        given(one_user()).when(change()).then([Event::User(user(1), password_proved(6, 3))]);
    }

    #[test]
    fn the_same_password_is_refused() {
        let same = Proof { same: true, ..PROVED };
        given(one_user()).when(ChangeOwnPassword { proof: same, ..change() }).refused(Rejection::SamePassword);
    }

    #[test]
    fn a_proof_of_an_older_credential_is_made_again() {
        let moved = || given(one_user()).and([Event::User(user(1), password_set(8))]);
        moved().when(change()).refused(Rejection::Superseded);
        let same = Proof { same: true, ..PROVED };
        moved().when(ChangeOwnPassword { proof: same, ..change() }).refused(Rejection::Superseded);
        let stale = ChangeOwnPassword { expected: Some(Position::new(2)), ..change() };
        moved().when(stale).refused(Rejection::Superseded);
    }

    #[test]
    fn a_stale_change_is_refused_once_it_was_proved() {
        given(one_user())
            .when(ChangeOwnPassword { expected: Some(Position::new(2)), ..change() })
            .refused(Rejection::StaleRevision { given: Position::new(2), current: Position::new(3) });
    }

    #[test]
    fn a_suspended_an_unknown_and_a_removed_user_learn_nothing() {
        for event in [UserEvent::UserSuspended, UserEvent::UserRemoved] {
            given(one_user())
                .and([Event::User(user(1), event)])
                .when(change())
                .refused(Rejection::WrongCurrentPassword);
        }
        let unknown = || ChangeOwnPassword { user: user(2), ..change() };
        given(one_user()).when(unknown()).refused(Rejection::WrongCurrentPassword);
        given([]).when(unknown()).refused(Rejection::WrongCurrentPassword);
    }
}
