//! A user leaves: mailbox and quota are free at once, the credential is dead, the address stays taken.

use crate::event::UserEvent;
use crate::{Command, EmailService, Event, Position, Rejection, UserId, UserState};

/// A user leaves: mailbox and quota are free at once, the credential is dead, the address stays taken.
#[derive(Clone, Debug)]
pub struct RemoveUser {
    /// The user.
    pub user: UserId,
    /// The user's revision that the command was made for, where the caller insists.
    pub expected: Option<Position>,
}

impl Command for RemoveUser {
    fn decide(&self, state: &EmailService) -> Result<Vec<Event>, Rejection> {
        let user = state.provisioned()?.user(self.user)?;
        user.expect(self.expected)?;
        match user.state {
            UserState::Active | UserState::Suspended => Ok(vec![Event::User(self.user, UserEvent::UserRemoved)]),
            state @ UserState::Removed => Err(Rejection::WrongState { state }),
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
    fn an_active_or_suspended_user_is_removed() {
        history([])
            .when(RemoveUser { user: user(1), expected: None })
            .then([Event::User(user(1), UserEvent::UserRemoved)]);
        history([UserEvent::UserSuspended])
            .when(RemoveUser { user: user(1), expected: None })
            .then([Event::User(user(1), UserEvent::UserRemoved)]);
    }

    #[test]
    fn a_user_is_removed_once() {
        history([UserEvent::UserRemoved])
            .when(RemoveUser { user: user(1), expected: None })
            .refused(Rejection::WrongState { state: UserState::Removed });
        history([UserEvent::UserSuspended, UserEvent::UserRemoved])
            .when(RemoveUser { user: user(1), expected: None })
            .refused(Rejection::WrongState { state: UserState::Removed });
    }

    #[test]
    fn a_stale_command_is_refused() {
        let stale = Rejection::StaleRevision { given: Position::new(1), current: Position::new(2) };
        history([]).when(RemoveUser { user: user(1), expected: Some(Position::new(1)) }).refused(stale);
    }

    #[test]
    fn an_unknown_user_is_refused() {
        history([]).when(RemoveUser { user: user(2), expected: None }).refused(Rejection::UserUnknown);
        given([]).when(RemoveUser { user: user(1), expected: None }).refused(Rejection::ServiceUnknown);
    }
}
