//! All that is personal about a removed user is destroyed, and the address is free.

use crate::event::UserEvent;
use crate::{Command, EmailService, Event, Rejection, UserId, UserState};

/// All that is personal about a removed user is destroyed, and the address is free.
#[derive(Clone, Debug)]
pub struct EraseUser {
    /// The user.
    pub user: UserId,
}

impl Command for EraseUser {
    fn decide(&self, state: &EmailService) -> Result<Vec<Event>, Rejection> {
        match state.provisioned()?.user(self.user)?.state {
            UserState::Removed => Ok(vec![Event::User(self.user, UserEvent::UserErased)]),
            state @ (UserState::Active | UserState::Suspended) => Err(Rejection::WrongState { state }),
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
    fn a_removed_user_is_erased() {
        history([UserEvent::UserRemoved])
            .when(EraseUser { user: user(1) })
            .then([Event::User(user(1), UserEvent::UserErased)]);
    }

    #[test]
    fn only_a_removed_user_is_erased() {
        history([]).when(EraseUser { user: user(1) }).refused(Rejection::WrongState { state: UserState::Active });
        history([UserEvent::UserSuspended])
            .when(EraseUser { user: user(1) })
            .refused(Rejection::WrongState { state: UserState::Suspended });
    }

    #[test]
    fn an_unknown_user_is_refused() {
        history([]).when(EraseUser { user: user(2) }).refused(Rejection::UserUnknown);
        given([]).when(EraseUser { user: user(1) }).refused(Rejection::ServiceUnknown);
    }
}
