//! A suspended user may sign in again.

use crate::event::UserEvent;
use crate::{Command, EmailService, Event, Position, Rejection, UserId, UserState};

/// A suspended user may sign in again.
#[derive(Clone, Debug)]
pub struct ReactivateUser {
    /// The user.
    pub user: UserId,
    /// The user's revision that the command was made for, where the caller insists.
    pub expected: Option<Position>,
}

impl Command for ReactivateUser {
    fn decide(&self, state: &EmailService) -> Result<Vec<Event>, Rejection> {
        let user = state.provisioned()?.user(self.user)?;
        user.expect(self.expected)?;
        match user.state {
            UserState::Suspended => Ok(vec![Event::User(self.user, UserEvent::UserReactivated)]),
            state @ (UserState::Active | UserState::Removed) => Err(Rejection::WrongState { state }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{added, ann, given, provisioned, user};

    fn history(events: impl IntoIterator<Item = UserEvent>) -> crate::spec::Given {
        given([provisioned(5, 100), Event::User(user(1), added(1, ann(), 10))])
            .and(events.into_iter().map(|event| Event::User(user(1), event)))
    }

    #[test]
    fn a_suspended_user_is_reactivated() {
        history([UserEvent::UserSuspended])
            .when(ReactivateUser { user: user(1), expected: None })
            .then([Event::User(user(1), UserEvent::UserReactivated)]);
    }

    #[test]
    fn only_a_suspended_user_is_reactivated() {
        history([])
            .when(ReactivateUser { user: user(1), expected: None })
            .refused(Rejection::WrongState { state: UserState::Active });
        history([UserEvent::UserRemoved])
            .when(ReactivateUser { user: user(1), expected: None })
            .refused(Rejection::WrongState { state: UserState::Removed });
    }

    #[test]
    fn a_stale_command_is_refused() {
        let stale = Rejection::StaleRevision { given: Position::new(1), current: Position::new(2) };
        history([]).when(ReactivateUser { user: user(1), expected: Some(Position::new(1)) }).refused(stale);
    }

    #[test]
    fn an_unknown_user_is_refused() {
        history([]).when(ReactivateUser { user: user(2), expected: None }).refused(Rejection::UserUnknown);
        given([]).when(ReactivateUser { user: user(1), expected: None }).refused(Rejection::ServiceUnknown);
    }
}
