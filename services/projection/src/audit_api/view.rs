//! What a panel is shown of an event. Written out by hand for each type, so that nothing is shown because it is there.

use std::borrow::Cow;

use domain::event::{NameChange, ServiceEvent, UserEvent};
use domain::{Erasable, Event, Name};
use postkey_http::{EventData, Plan};
use wire::{Change, Opened};

/// One of an entry's events.
pub fn shown(opened: &Opened, event: &Event) -> postkey_http::Event {
    let Change { at, command, by, body, .. } = &opened.change;
    let (user, data) = match event {
        Event::Service(event) => (None, of_service(event)),
        Event::User(user, event) => (Some(user.uuid()), of_user(event)),
    };
    let service = match body {
        wire::Body::Service { service, .. } => Some(service.uuid()),
        wire::Body::LogCreated { .. } => None,
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
    }
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
