//! What happened. Events are facts: they are never changed, only followed by others.

use crate::{
    CredentialHash, Customer, DomainName, Erasable, KeyId, Name, Person, Plan, PolicyVersion, Position, Quota, Sealed,
    UserId,
};

/// One fact about a service or about one of its users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// About the service itself.
    Service(ServiceEvent),
    /// About one user.
    User(UserId, UserEvent),
}

impl Event {
    /// The name of every event there is.
    pub const NAMES: [&'static str; 9] = [
        "ServiceProvisioned",
        "PlanChanged",
        "UserAdded",
        "UserEdited",
        "PasswordChanged",
        "UserSuspended",
        "UserReactivated",
        "UserRemoved",
        "UserErased",
    ];

    /// The event's name, as the log and the API spell it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Service(ServiceEvent::ServiceProvisioned { .. }) => "ServiceProvisioned",
            Self::Service(ServiceEvent::PlanChanged { .. }) => "PlanChanged",
            Self::User(_, UserEvent::UserAdded { .. }) => "UserAdded",
            Self::User(_, UserEvent::UserEdited { .. }) => "UserEdited",
            Self::User(_, UserEvent::PasswordChanged { .. }) => "PasswordChanged",
            Self::User(_, UserEvent::UserSuspended) => "UserSuspended",
            Self::User(_, UserEvent::UserReactivated) => "UserReactivated",
            Self::User(_, UserEvent::UserRemoved) => "UserRemoved",
            Self::User(_, UserEvent::UserErased) => "UserErased",
        }
    }
}

/// A fact about an email service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceEvent {
    /// The service came to be.
    ServiceProvisioned {
        /// The domain that it serves; stands in clear for ever.
        domain: DomainName,
        /// Whose it is.
        customer: Customer,
        /// What it may use.
        plan: Plan,
        /// The key for what is private in entries about the service itself.
        key: KeyId,
    },
    /// The plan was replaced.
    PlanChanged {
        /// The new plan.
        plan: Plan,
    },
}

/// A fact about a mailbox user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserEvent {
    /// The user came to be, without a password yet.
    UserAdded {
        /// Address and names, under the user's profile key.
        person: Sealed<Person>,
        /// The mailbox's quota.
        quota: Quota,
    },
    /// Names or quota were set anew. What is `None` stayed as it was.
    UserEdited {
        /// The names that were set, under the user's profile key.
        names: Option<Sealed<NameChange>>,
        /// The quota that was set.
        quota: Option<Quota>,
    },
    /// From here on only this password signs in.
    PasswordChanged {
        /// The hash, under a key of its own.
        hash: Sealed<CredentialHash>,
        /// The policy by which the password was judged.
        policy: PolicyVersion,
        /// Where the user changed it itself: the position of the credential that was current, and that it proved to
        /// know. `None` where a panel set it.
        proved: Option<Position>,
    },
    /// The user can't sign in for now; address, mailbox and quota stay taken.
    UserSuspended,
    /// The user can sign in again.
    UserReactivated,
    /// The user is gone: mailbox and quota are free, the credential is dead, the address stays taken.
    UserRemoved,
    /// All that is personal about a removed user is to be destroyed; the address is free.
    UserErased,
}

/// Names that an edit set; at least one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameChange {
    /// The first name, where it was set.
    pub first_name: Option<Name>,
    /// The last name, where it was set.
    pub last_name: Option<Name>,
}

impl NameChange {
    /// `person` with these names; erased where either side is.
    pub(crate) fn apply(change: &Erasable<Self>, person: Erasable<Person>) -> Erasable<Person> {
        match (change, person) {
            (Erasable::Known(change), Erasable::Known(person)) => Erasable::Known(change.on(person)),
            _ => Erasable::Erased,
        }
    }

    /// `person` with these names.
    pub(crate) fn on(&self, person: Person) -> Person {
        Person {
            first_name: self.first_name.clone().unwrap_or(person.first_name),
            last_name: self.last_name.clone().unwrap_or(person.last_name),
            ..person
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{added, ann, mib, password_set, plan, provisioned, user};

    #[test]
    fn every_event_has_a_name_of_its_own_and_all_of_them_are_known() {
        let of_users = [
            added(1, ann(), 10),
            UserEvent::UserEdited { names: None, quota: Some(mib(1)) },
            password_set(2),
            UserEvent::UserSuspended,
            UserEvent::UserReactivated,
            UserEvent::UserRemoved,
            UserEvent::UserErased,
        ];
        let of_services = [provisioned(1, 1), Event::Service(ServiceEvent::PlanChanged { plan: plan(1, 1) })];
        let events = of_services.into_iter().chain(of_users.into_iter().map(|event| Event::User(user(1), event)));
        let names: Vec<_> = events.map(|event| event.name()).collect();
        assert_eq!(names, Event::NAMES);
    }
}
