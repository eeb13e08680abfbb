//! A service gets another mailbox user.

use crate::event::UserEvent;
use crate::{Command, EmailService, Event, KeyId, NewCredential, Person, Quota, Rejection, Sealed, Usage, UserId};

/// A service gets another mailbox user.
#[derive(Clone, Debug)]
pub struct AddUser {
    /// A fresh id.
    pub user: UserId,
    /// Address and names.
    pub person: Person,
    /// A fresh key, for all that is personal about the user.
    pub profile_key: KeyId,
    /// The mailbox's quota.
    pub quota: Quota,
    /// The first password.
    pub credential: NewCredential,
}

impl Command for AddUser {
    fn decide(&self, state: &EmailService) -> Result<Vec<Event>, Rejection> {
        let provisioned = state.provisioned()?;
        if !self.person.address.is_in(&provisioned.service.domain) {
            return Err(Rejection::ForeignDomain);
        }
        if provisioned.by_address(&self.person.address).is_some() || provisioned.users.contains_key(&self.user) {
            return Err(Rejection::AddressTaken);
        }
        provisioned.room(Usage::default(), Usage { mailboxes: 1, allotted_bytes: self.quota.bytes() })?;
        let added =
            UserEvent::UserAdded { person: Sealed::known(self.profile_key, self.person.clone()), quota: self.quota };
        let password = self.credential.set_for(Some(&self.person), None)?;
        Ok(vec![Event::User(self.user, added), Event::User(self.user, password)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{added, ann, bob, credential, given, mib, password_set, person, provisioned, user};
    use crate::{MIB, event::UserEvent};

    fn add(n: u128, person: Person, quota: u64) -> AddUser {
        AddUser {
            user: user(n),
            profile_key: crate::spec::key(n),
            quota: mib(quota),
            credential: credential(10 + n, person.clone()),
            person,
        }
    }

    #[test]
    fn a_user_is_added_with_a_password() {
        given([provisioned(5, 100)])
            .when(add(1, ann(), 10))
            .then([Event::User(user(1), added(1, ann(), 10)), Event::User(user(1), password_set(11))]);
    }

    #[test]
    fn an_address_is_taken_while_its_user_stands_and_until_it_is_erased() {
        let standing = [provisioned(5, 100), Event::User(user(1), added(1, ann(), 10))];
        given(standing.clone()).when(add(2, ann(), 10)).refused(Rejection::AddressTaken);
        let removed = given(standing).and([Event::User(user(1), UserEvent::UserRemoved)]);
        removed.clone().when(add(2, ann(), 10)).refused(Rejection::AddressTaken);
        removed
            .and([Event::User(user(1), UserEvent::UserErased)])
            .when(add(2, ann(), 10))
            .then([Event::User(user(2), added(2, ann(), 10)), Event::User(user(2), password_set(12))]);
    }

    #[test]
    fn a_full_plan_takes_nobody() {
        given([provisioned(1, 100), Event::User(user(1), added(1, ann(), 10))])
            .when(add(2, bob(), 10))
            .refused(Rejection::PlanFull { allowed: 1 });
    }

    #[test]
    fn the_pool_is_shared_by_all() {
        given([provisioned(5, 100), Event::User(user(1), added(1, ann(), 90))])
            .when(add(2, bob(), 11))
            .refused(Rejection::PoolExceeded { available_bytes: 10 * MIB });
    }

    #[test]
    fn a_removed_user_gives_its_mailbox_and_quota_back() {
        given([
            provisioned(1, 100),
            Event::User(user(1), added(1, ann(), 100)),
            Event::User(user(1), UserEvent::UserRemoved),
        ])
        .when(add(2, bob(), 100))
        .then([Event::User(user(2), added(2, bob(), 100)), Event::User(user(2), password_set(12))]);
    }

    #[test]
    fn a_suspended_user_keeps_its_mailbox() {
        given([
            provisioned(1, 100),
            Event::User(user(1), added(1, ann(), 1)),
            Event::User(user(1), UserEvent::UserSuspended),
        ])
        .when(add(2, bob(), 1))
        .refused(Rejection::PlanFull { allowed: 1 });
    }

    #[test]
    fn a_foreign_address_is_refused() {
        given([provisioned(5, 100)]).when(add(1, person("ann@other.example"), 1)).refused(Rejection::ForeignDomain);
    }

    #[test]
    fn a_password_judged_for_somebody_else_is_judged_again() {
        let add = AddUser { credential: credential(11, bob()), ..add(1, ann(), 1) };
        given([provisioned(5, 100)]).when(add).refused(Rejection::Superseded);
    }

    #[test]
    fn nobody_is_added_to_nothing() {
        given([]).when(add(1, ann(), 1)).refused(Rejection::ServiceUnknown);
    }
}
