//! What is shown of rows and events. Written out by hand for each type, so that nothing is shown because it is there: never a
//! hash, a key, a box or a fingerprint.

use std::borrow::Cow;

use domain::event::{NameChange, ServiceEvent, UserEvent};
use domain::{Erasable, Event, Name, UserId};
use postkey_http::{EventData, Plan, Service, Usage, User, UserThen};
use wire::{Body, Change, Opened};

use crate::as_of::UserReplay;
use crate::rows::{ServiceRow, UserRow};

/// A service.
pub fn service(row: &ServiceRow) -> Service {
    let service = &row.service;
    Service {
        service: row.id.uuid(),
        domain: service.domain.to_string(),
        customer: service.customer.to_string(),
        plan: Plan::from(service.plan),
        usage: Usage { mailboxes: service.usage.mailboxes, allotted_bytes: service.usage.allotted_bytes },
        revision: service.revision.get(),
    }
}

/// A user; what was erased is none.
pub fn user(row: &UserRow) -> User {
    let person = row.user.person.value.known();
    User {
        user: row.id.uuid(),
        service: row.service.uuid(),
        address: person.map(|person| person.address.as_str().to_owned()),
        first_name: person.map(|person| person.first_name.as_str().to_owned()),
        last_name: person.map(|person| person.last_name.as_str().to_owned()),
        quota_bytes: row.user.quota.bytes(),
        state: Cow::Borrowed(row.user.state.as_str()),
        revision: row.user.revision.get(),
        credential_changed_at: row.user.credential.as_ref().map(|credential| credential.changed_at),
    }
}

/// One of an entry's events.
pub fn event(opened: &Opened, event: &domain::Event) -> postkey_http::Event {
    let Change { at, command, by, body, .. } = &opened.change;
    let (user, data) = match event {
        Event::Service(event) => (None, of_service(event)),
        Event::User(user, event) => (Some(user.uuid()), of_user(event)),
    };
    let service = match body {
        Body::Service { service, .. } => Some(service.uuid()),
        Body::LogCreated { .. } => None,
    };
    postkey_http::Event {
        position: opened.link.position.get(),
        at: *at,
        r#type: Cow::Borrowed(event.name()),
        service,
        user,
        client: by.client.clone(),
        actor: by.actor.clone(),
        command: command.uuid(),
        data,
        origin: None,
        reason: None,
        redacted: false,
    }
}

/// The same with origin and reason, for operators and auditors; and without address and names, unless they are `personal`'s to
/// see.
pub fn event_with_private(opened: &Opened, event: &domain::Event, personal: bool) -> postkey_http::Event {
    let (origin, reason) = private(&opened.change);
    let event = postkey_http::Event { origin, reason, ..self::event(opened, event) };
    if personal { event } else { event.redacted() }
}

/// All of an entry's events with all that was opened; none where the log began.
pub fn events_with_private(opened: &Opened) -> Vec<postkey_http::Event> {
    opened.change.events().iter().map(|event| event_with_private(opened, event, true)).collect()
}

/// Origin and reason of a change: none where none was given, null where they were erased, or whatever was given was.
fn private(change: &Change) -> (Option<Option<String>>, Option<Option<String>>) {
    let Body::Service { events, private, .. } = &change.body else { return (None, None) };
    // What a password was asked for with is sealed under its own key, and is neither.
    let of_password = |key| {
        events
            .iter()
            .any(|event| matches!(event, Event::User(_, UserEvent::PasswordChanged { hash, .. }) if hash.key == key))
    };
    let Some(part) = private.iter().find(|part| !of_password(part.key)) else { return (None, None) };
    match &part.value {
        Erasable::Known(known) => (known.origin.map(|origin| Some(origin.to_string())), known.reason.clone().map(Some)),
        Erasable::Erased => (Some(None), Some(None)),
    }
}

/// A user as its history says that it stood at its last entry; none before it was added.
pub fn user_then(id: UserId, replay: &UserReplay) -> Option<UserThen> {
    let (service, last) = (replay.service()?, replay.last()?);
    let row = replay.row();
    let shown = row.as_ref().map(user);
    let erased = row.as_ref().is_none_or(|row| row.user.person.value.known().is_none());
    Some(UserThen {
        user: id.uuid(),
        service: service.uuid(),
        address: shown.as_ref().and_then(|shown| shown.address.clone()),
        first_name: shown.as_ref().and_then(|shown| shown.first_name.clone()),
        last_name: shown.as_ref().and_then(|shown| shown.last_name.clone()),
        quota_bytes: shown.as_ref().map(|shown| shown.quota_bytes),
        state: shown.as_ref().map_or(Cow::Borrowed("erased"), |shown| shown.state.clone()),
        revision: last.position.get(),
        at: last.at,
        credential_changed_at: shown.as_ref().and_then(|shown| shown.credential_changed_at),
        erased,
        redacted: false,
    })
}

fn of_service(event: &ServiceEvent) -> EventData {
    match event {
        ServiceEvent::ServiceProvisioned { domain, customer, plan, key: _ } => EventData {
            domain: Some(domain.to_string()),
            customer: Some(customer.to_string()),
            plan: Some(Plan::from(*plan)),
            ..EventData::default()
        },
        ServiceEvent::PlanChanged { plan } => EventData { plan: Some(Plan::from(*plan)), ..EventData::default() },
    }
}

fn of_user(event: &UserEvent) -> EventData {
    match event {
        UserEvent::UserAdded { person, quota } => {
            let person = person.value.known();
            EventData {
                address: Some(person.map(|person| person.address.as_str().to_owned())),
                first_name: Some(person.map(|person| text(&person.first_name))),
                last_name: Some(person.map(|person| text(&person.last_name))),
                quota_bytes: Some(quota.bytes()),
                ..EventData::default()
            }
        }
        UserEvent::UserEdited { names, quota } => {
            let (first_name, last_name) = match names.as_ref().map(|names| &names.value) {
                None => (None, None),
                // Nobody knows any more which of them were set.
                Some(Erasable::Erased) => (Some(None), Some(None)),
                Some(Erasable::Known(NameChange { first_name, last_name })) => {
                    let set = |name: &Option<Name>| name.as_ref().map(|name| Some(text(name)));
                    (set(first_name), set(last_name))
                }
            };
            let quota_bytes = quota.map(|quota| quota.bytes());
            EventData { first_name, last_name, quota_bytes, ..EventData::default() }
        }
        UserEvent::PasswordChanged { hash: _, policy: _, proved } => {
            EventData { by_user: Some(proved.is_some()), ..EventData::default() }
        }
        UserEvent::UserSuspended | UserEvent::UserReactivated | UserEvent::UserRemoved | UserEvent::UserErased => {
            EventData::default()
        }
    }
}

fn text(name: &Name) -> String {
    name.as_str().to_owned()
}
