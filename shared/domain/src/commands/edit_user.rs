//! "Save" in the edit dialog: names, quota and, if asked, the password, in one entry.

use crate::event::{NameChange, UserEvent};
use crate::{
    Command, EmailService, Erasable, Event, Name, NewCredential, Person, Position, Quota, Rejection, Sealed, Usage,
    User, UserId,
};

/// "Save" in the edit dialog. What is `None` is left alone.
#[derive(Clone, Debug)]
pub struct EditUser {
    /// The user to edit.
    pub user: UserId,
    /// The first name to set.
    pub first_name: Option<Name>,
    /// The last name to set.
    pub last_name: Option<Name>,
    /// The quota to set.
    pub quota: Option<Quota>,
    /// The password to set; a password set by a panel is always a change.
    pub credential: Option<NewCredential>,
    /// The user's revision that the edit was made for, where the caller insists.
    pub expected: Option<Position>,
}

impl EditUser {
    /// The person as the edit leaves it: whose password a new one is judged to be.
    pub fn person(&self, before: &Person) -> Person {
        NameChange { first_name: self.first_name.clone(), last_name: self.last_name.clone() }.on(before.clone())
    }

    fn names(&self, user: &User) -> Option<Sealed<NameChange>> {
        let before = user.person.value.known();
        let changed = |new: &Option<Name>, old: Option<&Name>| new.clone().filter(|new| Some(new) != old);
        let first_name = changed(&self.first_name, before.map(|person| &person.first_name));
        let last_name = changed(&self.last_name, before.map(|person| &person.last_name));
        if first_name.is_none() && last_name.is_none() {
            return None;
        }
        Some(Sealed { key: user.person.key, value: Erasable::Known(NameChange { first_name, last_name }) })
    }
}

impl Command for EditUser {
    fn decide(&self, state: &EmailService) -> Result<Vec<Event>, Rejection> {
        let provisioned = state.provisioned()?;
        let user = provisioned.present_user(self.user)?;
        user.expect(self.expected)?;
        let names = self.names(user);
        let quota = self.quota.filter(|quota| *quota != user.quota);
        if let Some(quota) = quota {
            let before = user.usage();
            provisioned.room(before, Usage { allotted_bytes: quota.bytes(), ..before })?;
        }
        let mut events = Vec::new();
        if names.is_some() || quota.is_some() {
            events.push(Event::User(self.user, UserEvent::UserEdited { names, quota }));
        }
        if let Some(credential) = &self.credential {
            let person = user.person.value.known().map(|person| self.person(person));
            events.push(Event::User(self.user, credential.set_for(person.as_ref(), None)?));
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MIB;
    use crate::spec::{added, ann, bob, credential, given, mib, name, password_set, provisioned, renamed, user};

    fn two_users() -> [Event; 3] {
        [provisioned(5, 100), Event::User(user(1), added(1, ann(), 10)), Event::User(user(2), added(2, bob(), 20))]
    }

    fn edit() -> EditUser {
        EditUser { user: user(1), first_name: None, last_name: None, quota: None, credential: None, expected: None }
    }

    #[test]
    fn names_and_quota_are_one_event_with_what_changed() {
        given(two_users())
            .when(EditUser {
                first_name: Some(name("Anna")),
                last_name: Some(ann().last_name),
                quota: Some(mib(80)),
                ..edit()
            })
            .then([Event::User(user(1), renamed(1, Some("Anna"), None, Some(80)))]);
    }

    #[test]
    fn names_and_password_are_two_events_of_one_decision() {
        let anna = Person { first_name: name("Anna"), ..ann() };
        given(two_users())
            .when(EditUser { first_name: Some(name("Anna")), credential: Some(credential(7, anna)), ..edit() })
            .then([Event::User(user(1), renamed(1, Some("Anna"), None, None)), Event::User(user(1), password_set(7))]);
    }

    #[test]
    fn a_password_alone_is_a_change_of_password() {
        given(two_users())
            .when(EditUser { credential: Some(credential(7, ann())), ..edit() })
            .then([Event::User(user(1), password_set(7))]);
    }

    #[test]
    fn what_is_already_so_changes_nothing() {
        given(two_users())
            .when(EditUser { first_name: Some(ann().first_name), quota: Some(mib(10)), ..edit() })
            .then([]);
        given(two_users()).when(edit()).then([]);
    }

    #[test]
    fn a_quota_beyond_the_pool_is_refused_with_what_is_left() {
        given(two_users())
            .when(EditUser { quota: Some(mib(81)), ..edit() })
            .refused(Rejection::PoolExceeded { available_bytes: 80 * MIB });
    }

    #[test]
    fn a_stale_edit_is_refused() {
        given(two_users())
            .when(EditUser { expected: Some(Position::new(1)), ..edit() })
            .refused(Rejection::StaleRevision { given: Position::new(1), current: Position::new(2) });
        given(two_users())
            .when(EditUser { expected: Some(Position::new(2)), quota: Some(mib(11)), ..edit() })
            .then([Event::User(user(1), renamed(1, None, None, Some(11)))]);
    }

    #[test]
    fn a_password_judged_with_other_names_is_judged_again() {
        let anna = Person { first_name: name("Anna"), ..ann() };
        given(two_users())
            .when(EditUser { credential: Some(credential(7, anna)), ..edit() })
            .refused(Rejection::Superseded);
    }

    #[test]
    fn a_suspended_user_can_be_edited() {
        given(two_users())
            .and([Event::User(user(1), UserEvent::UserSuspended)])
            .when(EditUser { quota: Some(mib(11)), ..edit() })
            .then([Event::User(user(1), renamed(1, None, None, Some(11)))]);
    }

    #[test]
    fn an_unknown_or_removed_user_can_not_be_edited() {
        given(two_users()).when(EditUser { user: user(3), ..edit() }).refused(Rejection::UserUnknown);
        given(two_users())
            .and([Event::User(user(1), UserEvent::UserRemoved)])
            .when(edit())
            .refused(Rejection::UserUnknown);
        given([]).when(edit()).refused(Rejection::ServiceUnknown);
    }
}
