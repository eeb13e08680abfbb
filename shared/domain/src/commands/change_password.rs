//! A panel sets a user's password.

use crate::{Command, EmailService, Event, NewCredential, Position, Rejection, UserId};

/// A panel sets a user's password. Always a change: whether it is the current one is nobody's business.
#[derive(Clone, Debug)]
pub struct ChangePassword {
    /// Whose password.
    pub user: UserId,
    /// The password to set.
    pub credential: NewCredential,
    /// The user's revision that the change was made for, where the caller insists.
    pub expected: Option<Position>,
}

impl Command for ChangePassword {
    fn decide(&self, state: &EmailService) -> Result<Vec<Event>, Rejection> {
        let user = state.provisioned()?.present_user(self.user)?;
        user.expect(self.expected)?;
        Ok(vec![Event::User(self.user, self.credential.set_for(user.person.value.known(), None)?)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::UserEvent;
    use crate::spec::{added, ann, bob, credential, given, password_set, provisioned, user};

    fn one_user() -> [Event; 3] {
        [provisioned(5, 100), Event::User(user(1), added(1, ann(), 10)), Event::User(user(1), password_set(5))]
    }

    fn change() -> ChangePassword {
        ChangePassword { user: user(1), credential: credential(6, ann()), expected: None }
    }

    #[test]
    fn a_password_is_set_for_active_and_suspended_users() {
        given(one_user()).when(change()).then([Event::User(user(1), password_set(6))]);
        given(one_user())
            .and([Event::User(user(1), UserEvent::UserSuspended)])
            .when(change())
            .then([Event::User(user(1), password_set(6))]);
    }

    #[test]
    fn a_password_is_not_set_for_nobody() {
        given(one_user()).when(ChangePassword { user: user(2), ..change() }).refused(Rejection::UserUnknown);
        given(one_user())
            .and([Event::User(user(1), UserEvent::UserRemoved)])
            .when(change())
            .refused(Rejection::UserUnknown);
        given([]).when(change()).refused(Rejection::ServiceUnknown);
    }

    #[test]
    fn a_stale_change_is_refused() {
        given(one_user())
            .when(ChangePassword { expected: Some(Position::new(2)), ..change() })
            .refused(Rejection::StaleRevision { given: Position::new(2), current: Position::new(3) });
    }

    #[test]
    fn a_password_judged_with_other_names_is_judged_again() {
        given(one_user())
            .when(ChangePassword { credential: credential(6, bob()), ..change() })
            .refused(Rejection::Superseded);
    }
}
