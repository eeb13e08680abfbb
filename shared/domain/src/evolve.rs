//! The fold: from events to state. One fold with three readers; each part is usable alone, so that a projector can load
//! only the rows that an entry touches.

use std::collections::{BTreeMap, HashMap};

use crate::event::{NameChange, ServiceEvent, UserEvent};
use crate::{
    Address, Credential, EmailService, Event, Moment, Plan, Position, Provisioned, Quota, Sealed, Service, Usage, User,
    UserState,
};

/// The event can't have followed what went before it: the log was tampered with, or a bug wrote it. Never skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("impossible history at position {position}: {what}")]
pub struct ImpossibleHistory {
    /// The position of the entry.
    pub position: Position,
    /// What is impossible about it; no personal data.
    pub what: &'static str,
}

const fn impossible<T>(moment: Moment, what: &'static str) -> Result<T, ImpossibleHistory> {
    Err(ImpossibleHistory { position: moment.position, what })
}

/// The state after `event`.
///
/// # Errors
/// Where no decision could have produced `event` in `state`.
pub fn evolve(state: EmailService, event: &Event, moment: Moment) -> Result<EmailService, ImpossibleHistory> {
    let mut state = match state {
        EmailService::Provisioned(state) => state,
        EmailService::Unprovisioned => {
            let parts = evolve_parts(Parts::default(), event, moment)?;
            let users = BTreeMap::new();
            return Ok(EmailService::Provisioned(Provisioned {
                service: parts.service,
                users,
                by_address: HashMap::new(),
            }));
        }
    };
    let id = match event {
        Event::User(id, _) => Some(*id),
        Event::Service(_) => None,
    };
    let user = id.and_then(|id| state.users.remove(&id));
    let freed = user.as_ref().and_then(known_address);
    let after = evolve_parts(Parts { service: Some(state.service), user }, event, moment)?;
    state.service = after.service;
    match (id, after.user) {
        (Some(id), Some(user)) => {
            match (known_address(&user), freed) {
                (Some(address), _) => {
                    if state.by_address.insert(address, id).is_some_and(|other| other != id) {
                        return impossible(moment, "an address that another user has");
                    }
                }
                // Its key was destroyed between two looks at the history: whose erasure follows has no address any more.
                (None, Some(address)) => drop(state.by_address.remove(&address)),
                (None, None) => {}
            }
            state.users.insert(id, user);
        }
        _ => {
            freed.and_then(|address| state.by_address.remove(&address));
        }
    }
    Ok(EmailService::Provisioned(state))
}

/// The parts of a state that one entry touches: the service's own, and that of the one user that it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts<S = Option<Service>> {
    /// The service's own part; none before it was provisioned.
    pub service: S,
    /// The user's part; none before it was added and after it was erased.
    pub user: Option<User>,
}

/// The touched parts after `event`, for whoever holds no whole state. That no address is taken twice is not seen here.
///
/// # Errors
/// Where no decision could have produced `event` there.
pub fn evolve_parts(before: Parts, event: &Event, moment: Moment) -> Result<Parts<Service>, ImpossibleHistory> {
    let Parts { service, user } = before;
    match event {
        Event::Service(event) => Ok(Parts { service: Service::evolve(service, event, moment)?, user }),
        Event::User(_, event) => {
            let Some(mut service) = service else {
                return impossible(moment, "a user of a service that does not exist");
            };
            let usage = |user: Option<&User>| user.map_or_else(Usage::default, User::usage);
            let before = usage(user.as_ref());
            let user = User::evolve(user, event, moment)?;
            service.account(before, usage(user.as_ref()), moment)?;
            Ok(Parts { service, user })
        }
    }
}

/// The state after `events`, which stand in the log in this order.
///
/// # Errors
/// At the first event that can't have followed what went before.
pub fn replay<'a>(
    state: EmailService,
    events: impl IntoIterator<Item = (&'a Event, Moment)>,
) -> Result<EmailService, ImpossibleHistory> {
    events.into_iter().try_fold(state, |state, (event, moment)| evolve(state, event, moment))
}

fn known_address(user: &User) -> Option<Address> {
    user.person.value.known().map(|person| person.address.clone())
}

impl Service {
    /// The service's own part after `event`; `before` is `None` where it does not exist yet.
    ///
    /// # Errors
    /// Where no decision could have produced `event`.
    pub fn evolve(before: Option<Self>, event: &ServiceEvent, moment: Moment) -> Result<Self, ImpossibleHistory> {
        match (before, event) {
            (None, ServiceEvent::ServiceProvisioned { domain, customer, plan, key }) => Ok(Self {
                domain: domain.clone(),
                customer: customer.clone(),
                plan: *plan,
                key: *key,
                usage: Usage::default(),
                revision: moment.position,
            }),
            (Some(_), ServiceEvent::ServiceProvisioned { .. }) => impossible(moment, "a service provisioned twice"),
            (Some(service), ServiceEvent::PlanChanged { plan }) => {
                covered(*plan, service.usage, moment)?;
                Ok(Self { plan: *plan, revision: moment.position, ..service })
            }
            (None, ServiceEvent::PlanChanged { .. }) => impossible(moment, "a plan of a service that does not exist"),
        }
    }

    /// Accounts for a user that took `before` of the plan and now takes `after`.
    ///
    /// # Errors
    /// Where the plan would be exceeded.
    pub fn account(&mut self, before: Usage, after: Usage, moment: Moment) -> Result<(), ImpossibleHistory> {
        let Some(usage) = self.usage.replace(before, after) else {
            return impossible(moment, "users that take less than nothing of the plan");
        };
        if usage != self.usage {
            covered(self.plan, usage, moment)?;
            self.usage = usage;
        }
        Ok(())
    }
}

const fn covered(plan: Plan, usage: Usage, moment: Moment) -> Result<(), ImpossibleHistory> {
    if plan.covers(usage) { Ok(()) } else { impossible(moment, "more in use than the plan allows") }
}

impl User {
    /// The user's part after `event`: `None` before it was added and after it was erased.
    ///
    /// # Errors
    /// Where no decision could have produced `event`.
    pub fn evolve(before: Option<Self>, event: &UserEvent, moment: Moment) -> Result<Option<Self>, ImpossibleHistory> {
        let Some(user) = before else {
            return match event {
                UserEvent::UserAdded { person, quota } => Ok(Some(Self {
                    person: person.clone(),
                    quota: *quota,
                    state: UserState::Active,
                    credential: None,
                    revision: moment.position,
                })),
                _ => impossible(moment, "an event of a user that does not exist"),
            };
        };
        let user = Self { revision: moment.position, ..user };
        match (event, user.state) {
            (UserEvent::UserEdited { names, quota }, UserState::Active | UserState::Suspended) => {
                user.edited(names.as_ref(), *quota, moment).map(Some)
            }
            (UserEvent::PasswordChanged { hash, policy, proved }, UserState::Active | UserState::Suspended) => {
                if proved.is_some_and(|proved| !user.proves(proved)) {
                    return impossible(moment, "a password changed by proof of a credential that was not current");
                }
                let credential = Credential {
                    hash: hash.clone(),
                    policy: policy.clone(),
                    revision: moment.position,
                    changed_at: moment.at,
                };
                Ok(Some(Self { credential: Some(credential), ..user }))
            }
            (UserEvent::UserSuspended, UserState::Active) => Ok(Some(Self { state: UserState::Suspended, ..user })),
            (UserEvent::UserReactivated, UserState::Suspended) => Ok(Some(Self { state: UserState::Active, ..user })),
            (UserEvent::UserRemoved, UserState::Active | UserState::Suspended) => {
                Ok(Some(Self { state: UserState::Removed, credential: None, ..user }))
            }
            (UserEvent::UserErased, UserState::Removed) => Ok(None),
            (UserEvent::UserAdded { .. }, _) => impossible(moment, "a user added twice"),
            _ => impossible(moment, "an event that the user's state does not allow"),
        }
    }

    /// Whether somebody who knows the credential of this position may change it.
    fn proves(&self, position: Position) -> bool {
        let current = self.credential.as_ref().map(|credential| credential.revision);
        self.state == UserState::Active && current == Some(position)
    }

    fn edited(
        self,
        names: Option<&Sealed<NameChange>>,
        quota: Option<Quota>,
        moment: Moment,
    ) -> Result<Self, ImpossibleHistory> {
        let person = match names {
            None => self.person,
            Some(names) if names.key != self.person.key => {
                return impossible(moment, "names under another key than the user's");
            }
            Some(names) => Sealed { key: names.key, value: NameChange::apply(&names.value, self.person.value) },
        };
        Ok(Self { person, quota: quota.unwrap_or(self.quota), ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Erasable;
    use crate::spec::{self, ann, at};

    #[test]
    fn erased_names_erase_the_person() {
        let added =
            UserEvent::UserAdded { person: Sealed { key: spec::key(1), value: Erasable::Erased }, quota: spec::mib(1) };
        let edited =
            UserEvent::UserEdited { names: Some(Sealed { key: spec::key(1), value: Erasable::Erased }), quota: None };
        let user = User::evolve(None, &added, at(1)).unwrap();
        let user = User::evolve(user, &edited, at(2)).unwrap().unwrap();
        assert_eq!(user.person.value, Erasable::Erased);
        assert_eq!(user.revision, Position::new(2));
    }

    /// A history is read in several looks, and the key may be destroyed between two of them.
    #[test]
    fn a_user_whose_key_was_destroyed_half_way_leaves_its_address_free() {
        let state = spec::state([spec::provisioned(5, 100), Event::User(spec::user(1), spec::added(1, ann(), 1))]);
        let gone =
            UserEvent::UserEdited { names: Some(Sealed { key: spec::key(1), value: Erasable::Erased }), quota: None };
        let rest = [gone, UserEvent::UserRemoved, UserEvent::UserErased].map(|event| Event::User(spec::user(1), event));
        let state = replay(state, rest.iter().zip((3..).map(at))).unwrap();
        let heir = Event::User(spec::user(2), spec::added(2, ann(), 1));
        let state = evolve(state, &heir, at(6)).unwrap();
        assert_eq!(state.provisioned().unwrap().by_address(&ann().address), Some(spec::user(2)));
    }

    #[test]
    fn names_under_a_strangers_key_are_an_impossible_history() {
        let edited =
            UserEvent::UserEdited { names: Some(Sealed { key: spec::key(9), value: Erasable::Erased }), quota: None };
        let user = User::evolve(None, &spec::added(1, ann(), 1), at(1)).unwrap();
        assert!(User::evolve(user, &edited, at(2)).is_err());
    }

    #[test]
    fn a_proof_is_of_the_current_credential_of_an_active_user() {
        let user = |events: &[UserEvent]| {
            let fold = |user, (event, n)| User::evolve(user, event, at(n));
            events.iter().zip(1..).try_fold(None, fold)
        };
        let (added, set) = (spec::added(1, ann(), 1), spec::password_set(5));
        assert!(user(&[added.clone(), set.clone(), spec::password_proved(6, 2)]).is_ok());
        assert!(user(&[added.clone(), set.clone(), spec::password_proved(6, 1)]).is_err());
        assert!(user(&[added.clone(), spec::password_proved(6, 1)]).is_err());
        assert!(user(&[added, set, UserEvent::UserSuspended, spec::password_proved(6, 2)]).is_err());
    }

    #[test]
    fn a_plan_can_not_be_exceeded_by_history() {
        let given = spec::state([spec::provisioned(1, 1), Event::User(spec::user(1), spec::added(1, ann(), 1))]);
        let second = Event::User(spec::user(2), spec::added(2, spec::bob(), 1));
        assert!(evolve(given.clone(), &second, at(9)).is_err());
        let same_address = Event::User(spec::user(2), spec::added(2, ann(), 1));
        assert!(evolve(given, &same_address, at(9)).is_err());
    }
}
