//! The keys that stand for a user, and which of them an event dooms: what they have sealed is to be opened by nobody any
//! more.

use crate::event::UserEvent;
use crate::{Event, ImpossibleHistory, KeyId, Moment, User};

/// The keys under which the log holds what still stands of a user. Their ids are in the clear, so this can be folded where
/// nothing can be opened: by whoever destroys keys, also those that are gone already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserKeys {
    /// Of address and names, and of what is private about the user's changes.
    pub profile: KeyId,
    /// Of the password that signs in; none after removal.
    pub credential: Option<KeyId>,
}

impl UserKeys {
    /// A user's.
    pub fn of(user: &User) -> Self {
        Self { profile: user.person.key, credential: user.credential.as_ref().map(|credential| credential.hash.key) }
    }

    /// The keys after `event`: `None` before the user was added and after it was erased. What [`User::evolve`] makes of the
    /// event has these keys ([`UserKeys::of`]); where that finds it impossible, this may not.
    ///
    /// # Errors
    /// Where the event is of a user that does not exist, or adds one that does.
    pub fn evolve(before: Option<Self>, event: &UserEvent, moment: Moment) -> Result<Option<Self>, ImpossibleHistory> {
        let impossible = |what| Err(ImpossibleHistory { position: moment.position, what });
        match (before, event) {
            (None, UserEvent::UserAdded { person, .. }) => Ok(Some(Self { profile: person.key, credential: None })),
            (None, _) => impossible("an event of a user that does not exist"),
            (Some(_), UserEvent::UserAdded { .. }) => impossible("a user added twice"),
            (Some(keys), UserEvent::PasswordChanged { hash, .. }) => {
                Ok(Some(Self { credential: Some(hash.key), ..keys }))
            }
            (Some(keys), UserEvent::UserRemoved) => Ok(Some(Self { credential: None, ..keys })),
            (Some(_), UserEvent::UserErased) => Ok(None),
            (Some(keys), UserEvent::UserEdited { .. } | UserEvent::UserSuspended | UserEvent::UserReactivated) => {
                Ok(Some(keys))
            }
        }
    }

    /// Whether events of one entry may doom keys that stood before it. Where not, nobody has to know which those were.
    pub fn may_be_doomed_by(events: &[Event]) -> bool {
        for event in events {
            match event {
                // Of whoever begins here nothing stood before.
                Event::User(_, UserEvent::UserAdded { .. }) => return false,
                Event::User(_, UserEvent::PasswordChanged { .. } | UserEvent::UserRemoved | UserEvent::UserErased) => {
                    return true;
                }
                Event::User(
                    _,
                    UserEvent::UserEdited { .. } | UserEvent::UserSuspended | UserEvent::UserReactivated,
                )
                | Event::Service(_) => {}
            }
        }
        false
    }

    /// The keys that are doomed where `after` follows `before`: those that nothing stands under any more.
    pub fn doomed(before: Option<Self>, after: Option<Self>) -> impl Iterator<Item = KeyId> {
        let all =
            |keys: Option<Self>| keys.into_iter().flat_map(|keys| [Some(keys.profile), keys.credential]).flatten();
        all(before).filter(move |key| all(after).all(|stands| stands != *key))
    }
}

impl Event {
    /// Whether it is in force only once the keys that it dooms are destroyed, and not as soon as nobody signs in by them.
    pub const fn is_in_force_once_destroyed(&self) -> bool {
        matches!(self, Self::User(_, UserEvent::UserErased))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{added, ann, at, key, password_set, renamed, user};

    /// What each event dooms, one after the other.
    fn doomed(events: &[UserEvent]) -> Vec<Vec<KeyId>> {
        let mut keys = None;
        let step = |(event, n): (&UserEvent, u64)| {
            let before = keys;
            keys = UserKeys::evolve(before, event, at(n)).unwrap();
            let doomed: Vec<_> = UserKeys::doomed(before, keys).collect();
            let event = Event::User(user(1), event.clone());
            assert!(doomed.is_empty() || UserKeys::may_be_doomed_by(&[event]));
            doomed
        };
        events.iter().zip(1..).map(step).collect()
    }

    #[test]
    fn a_credentials_key_dies_with_the_next_one_and_with_removal_and_the_profile_key_with_erasure() {
        let (added, renamed) = (added(1, ann(), 10), renamed(1, Some("Anna"), None, None));
        let life = [
            added,
            password_set(7),
            renamed,
            password_set(8),
            UserEvent::UserSuspended,
            UserEvent::UserReactivated,
            UserEvent::UserRemoved,
            UserEvent::UserErased,
        ];
        let none = Vec::new;
        let expected = vec![none(), none(), none(), vec![key(7)], none(), none(), vec![key(8)], vec![key(1)]];
        assert_eq!(doomed(&life), expected);
    }

    #[test]
    fn a_user_that_never_had_a_password_loses_none() {
        let life = [added(1, ann(), 10), UserEvent::UserRemoved, UserEvent::UserErased];
        assert_eq!(doomed(&life), [vec![], vec![], vec![key(1)]]);
    }

    #[test]
    fn a_key_that_goes_on_standing_is_not_doomed() {
        assert_eq!(doomed(&[added(1, ann(), 10), password_set(7), password_set(7)]), [[], [], []] as [[KeyId; 0]; 3]);
    }

    #[test]
    fn what_is_before_an_entry_is_asked_for_only_where_it_may_be_doomed() {
        let asks = |events: &[UserEvent]| {
            let events: Vec<_> = events.iter().map(|event| Event::User(user(1), event.clone())).collect();
            UserKeys::may_be_doomed_by(&events)
        };
        let renamed = renamed(1, Some("Anna"), None, None);
        assert!(!asks(&[added(1, ann(), 10), password_set(7)]), "a new user");
        assert!(!asks(std::slice::from_ref(&renamed)));
        assert!(asks(&[renamed, password_set(7)]));
        assert!(asks(&[UserEvent::UserRemoved]) && asks(&[UserEvent::UserErased]));
    }

    #[test]
    fn nobody_is_added_twice_and_nothing_happens_to_nobody() {
        let keys = UserKeys { profile: key(1), credential: None };
        assert!(UserKeys::evolve(Some(keys), &added(2, ann(), 10), at(2)).is_err());
        for event in [password_set(7), UserEvent::UserRemoved, UserEvent::UserErased, UserEvent::UserSuspended] {
            assert!(UserKeys::evolve(None, &event, at(2)).is_err());
        }
    }

    #[test]
    fn only_an_erasure_waits_for_its_keys() {
        let waits = |event: UserEvent| Event::User(user(1), event).is_in_force_once_destroyed();
        assert!(waits(UserEvent::UserErased));
        assert!(!waits(UserEvent::UserRemoved) && !waits(password_set(7)));
    }
}
