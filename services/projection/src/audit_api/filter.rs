//! Which events are asked for.

use std::fmt::Display;

use chrono::{DateTime, Utc};
use domain::{Event, ServiceId, UserId};
use postkey_http::{Actor, Described, Fields, FromFields, hyphenated};
use serde_json::{Value, json};
use uuid::Uuid;
use wire::Change;

/// What an event must be like. What is `None` may be anything.
#[derive(Default)]
pub struct Filter {
    /// Of this service.
    pub service: Option<ServiceId>,
    /// About this user.
    pub user: Option<UserId>,
    /// Its name, one of [`Event::NAMES`].
    pub event: Option<&'static str>,
    /// By this person, as the client has claimed.
    pub actor: Option<Actor>,
    /// Then or later.
    pub from: Option<DateTime<Utc>>,
    /// Earlier than that.
    pub to: Option<DateTime<Utc>>,
}

/// The service and the user that a question is about, as far as it names them.
pub type About = (Option<ServiceId>, Option<UserId>);

/// One of [`Event::NAMES`].
struct EventName(&'static str);

impl Described for EventName {
    fn schema() -> Value {
        json!({"type": "string", "enum": Event::NAMES})
    }
}

impl FromFields for Filter {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let service = fields.optional("service", id).map(ServiceId::new);
        let user = fields.optional("user", id).map(UserId::new);
        let event = fields.optional("type", |text| {
            let known = Event::NAMES.into_iter().find(|name| *name == text);
            known.map(EventName).ok_or_else(|| format!("one of {}", Event::NAMES.join(", ")))
        });
        let event = event.map(|EventName(name)| name);
        let actor = fields.optional("actor", Actor::parse);
        let (from, to) = between(fields);
        Some(Self { service, user, event, actor, from, to })
    }
}

/// Reads an id.
pub fn id(text: &str) -> Result<Uuid, &'static str> {
    hyphenated(text).ok_or("an id, as in 01997b5c-3f6e-7c21-9d4e-5a0b1c2d3e4f")
}

/// Reads `from` and `to`, between which something was.
pub fn between(fields: &mut Fields) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
    let (from, to) = (fields.optional("from", instant), fields.optional("to", instant));
    if let (Some(from), Some(to)) = (from, to)
        && to <= from
    {
        fields.refuse("to", "invalid", "an instant after `from`");
    }
    (from, to)
}

/// A filter's value as one of a list's filters.
pub fn text(value: Option<impl Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn instant(text: &str) -> Result<DateTime<Utc>, &'static str> {
    // The parser takes a blank too, and a + that is not written %2B reads as one.
    let read = DateTime::parse_from_rfc3339(text).ok().filter(|_| !text.contains(' '));
    let read = read.map(|at| at.to_utc());
    read.ok_or("an instant as RFC 3339 has it, such as 2026-11-24T12:03:04Z; a + is written %2B")
}

impl Filter {
    /// Whether an event of this change is asked for.
    pub fn takes(&self, change: &Change, event: &Event) -> bool {
        let user = match event {
            Event::User(user, _) => Some(*user),
            Event::Service(_) => None,
        };
        let actor = change.by.actor.as_deref();
        self.user.is_none_or(|asked| user == Some(asked))
            && self.event.is_none_or(|asked| event.name() == asked)
            && self.actor.as_ref().is_none_or(|asked| actor == Some(asked.as_str()))
            && self.from.is_none_or(|from| change.at >= from)
            && !self.ends_before(change)
    }

    /// Whether neither this change nor any after it in its service is asked for: instants of a service never go back.
    pub fn ends_before(&self, change: &Change) -> bool {
        self.to.is_some_and(|to| change.at >= to)
    }

    /// Whom it names.
    pub const fn about(&self) -> About {
        (self.service, self.user)
    }

    /// As a list's filters.
    pub fn texts(&self) -> [String; 6] {
        let actor = self.actor.as_ref().map(Actor::as_str);
        [text(self.service), text(self.user), text(self.event), text(actor), text(self.from), text(self.to)]
    }
}
