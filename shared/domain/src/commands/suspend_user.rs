//! A user is kept from signing in, for now.

use crate::event::UserEvent;
use crate::{Command, EmailService, Event, Position, Rejection, UserId, UserState};

/// A user is kept from signing in, for now.
#[derive(Clone, Debug)]
pub struct SuspendUser {
    /// The user.
    pub user: UserId,
    /// The user's revision that the command was made for, where the caller insists.
    pub expected: Option<Position>,
}

impl Command for SuspendUser {
    fn decide(&self, state: &EmailService) -> Result<Vec<Event>, Rejection> {
        let user = state.provisioned()?.user(self.user)?;
        user.expect(self.expected)?;
        match user.state {
            UserState::Active => Ok(vec![Event::User(self.user, UserEvent::UserSuspended)]),
            state @ (UserState::Suspended | UserState::Removed) => Err(Rejection::WrongState { state }),
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
    fn an_active_user_is_suspended() {
        history([])
            .when(SuspendUser { user: user(1), expected: None })
            .then([Event::User(user(1), UserEvent::UserSuspended)]);
        history([UserEvent::UserSuspended, UserEvent::UserReactivated])
            .when(SuspendUser { user: user(1), expected: None })
            .then([Event::User(user(1), UserEvent::UserSuspended)]);
    }

    #[test]
    fn only_an_active_user_is_suspended() {
        history([UserEvent::UserSuspended])
            .when(SuspendUser { user: user(1), expected: None })
            .refused(Rejection::WrongState { state: UserState::Suspended });
        history([UserEvent::UserRemoved])
            .when(SuspendUser { user: user(1), expected: None })
            .refused(Rejection::WrongState { state: UserState::Removed });
    }

    #[test]
    fn a_stale_command_is_refused() {
        let stale = Rejection::StaleRevision { given: Position::new(1), current: Position::new(2) };
        history([]).when(SuspendUser { user: user(1), expected: Some(Position::new(1)) }).refused(stale);
    }

    #[test]
    fn an_unknown_user_is_refused() {
        history([]).when(SuspendUser { user: user(2), expected: None }).refused(Rejection::UserUnknown);
        given([]).when(SuspendUser { user: user(1), expected: None }).refused(Rejection::ServiceUnknown);
    }
}
