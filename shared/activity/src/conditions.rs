//! A filter as SQL that both databases take, with its values in the order of their placeholders.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::Filter;

/// What is read of each record, in this order.
pub const COLUMNS: &str =
    "id, at, lost, kind, what, code, rules, service_id, user_id, client, actor, origin, request_id";

/// A value, which each adapter binds as its own driver's type.
#[derive(Clone)]
pub enum Value {
    Number(i64),
    Id(Uuid),
    Text(String),
    Instant(DateTime<Utc>),
}

/// Conditions with their values.
#[derive(Clone, Default)]
pub struct Conditions {
    /// Joined by AND, without a WHERE.
    pub text: String,
    /// Those of `$1`, `$2` …
    pub values: Vec<Value>,
}

impl Conditions {
    /// One more.
    fn add(&mut self, column: &str, operator: &str, value: Value) {
        self.values.push(value);
        let and = if self.text.is_empty() { "" } else { " AND " };
        // Writing to a text never fails.
        let _ = write!(self.text, "{and}{column} {operator} ${}", self.values.len());
    }

    /// A number as the next value; its placeholder.
    pub fn number(&mut self, number: i64) -> String {
        self.values.push(Value::Number(number));
        format!("${}", self.values.len())
    }

    /// Records recorded then; none where the filter says no time.
    pub fn of_time(filter: &Filter) -> Option<Self> {
        let mut conditions = Self::default();
        conditions.time(filter);
        (!conditions.values.is_empty()).then_some(conditions)
    }

    fn time(&mut self, filter: &Filter) {
        if let Some(from) = filter.from {
            self.add("at", ">=", Value::Instant(from));
        }
        if let Some(to) = filter.to {
            self.add("at", "<", Value::Instant(to));
        }
    }

    /// Records at these places.
    pub fn of_places(after: i64, up_to: i64) -> Self {
        let mut conditions = Self::default();
        conditions.add("id", ">", Value::Number(after));
        conditions.add("id", "<=", Value::Number(up_to));
        conditions
    }

    /// Of these, those that one index finds: by the user, the service or the kind.
    pub fn found_by_index(mut self, filter: &Filter) -> Self {
        match (filter.user, filter.service, filter.kind) {
            (Some(user), ..) => self.add("user_id", "=", Value::Id(user.uuid())),
            (_, Some(service), _) => self.add("service_id", "=", Value::Id(service.uuid())),
            (.., Some(kind)) => self.add("kind", "=", Value::Text(kind.as_str().to_owned())),
            _ => {}
        }
        self
    }

    /// Of these, those that the filter has.
    pub fn filtered_by(mut self, filter: &Filter) -> Self {
        if let Some(user) = filter.user {
            self.add("user_id", "=", Value::Id(user.uuid()));
        }
        if let Some(service) = filter.service {
            self.add("service_id", "=", Value::Id(service.uuid()));
        }
        if let Some(kind) = filter.kind {
            self.add("kind", "=", Value::Text(kind.as_str().to_owned()));
        }
        if let Some(actor) = &filter.actor {
            self.add("actor", "=", Value::Text(actor.clone()));
        }
        self.time(filter);
        self
    }
}
