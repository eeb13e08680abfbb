//! A suspended user may sign in again.

use crate::event::UserEvent;
use crate::{Command, EmailService, Event, Rejection, UserId, UserState};

/// A suspended user may sign in again.
#[derive(Clone, Debug)]
pub struct ReactivateUser {
    /// The user.
    pub user: UserId,
}

impl Command for ReactivateUser {
    fn decide(&self, state: &EmailService) -> Result<Vec<Event>, Rejection> {
        match state.provisioned()?.user(self.user)?.state {
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
            .when(ReactivateUser { user: user(1) })
            .then([Event::User(user(1), UserEvent::UserReactivated)]);
    }

    #[test]
    fn only_a_suspended_user_is_reactivated() {
        history([]).when(ReactivateUser { user: user(1) }).refused(Rejection::WrongState { state: UserState::Active });
        history([UserEvent::UserRemoved])
            .when(ReactivateUser { user: user(1) })
            .refused(Rejection::WrongState { state: UserState::Removed });
    }

    #[test]
    fn an_unknown_user_is_refused() {
        history([]).when(ReactivateUser { user: user(2) }).refused(Rejection::UserUnknown);
        given([]).when(ReactivateUser { user: user(1) }).refused(Rejection::ServiceUnknown);
    }
}
