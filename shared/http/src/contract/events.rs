//! What happened, as panels, auditors and operators are told.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use super::instant;
use super::services::Plan;
use crate::sample;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Where it stands in the log; events of one command share it.
    pub position: u64,
    /// When.
    #[serde(with = "instant")]
    #[schema(value_type = String, format = DateTime)]
    pub at: DateTime<Utc>,
    /// What, such as `PasswordChanged`.
    #[schema(value_type = String)]
    pub r#type: Cow<'static, str>,
    /// The service that it happened to.
    #[schema(required = true)]
    pub service: Option<Uuid>,
    /// The user that it happened to; null where it was the service.
    #[schema(required = true)]
    pub user: Option<Uuid>,
    /// The client that asked for it.
    pub client: String,
    /// Who acted, as the client claimed.
    #[schema(required = true)]
    pub actor: Option<String>,
    /// The command's id.
    pub command: Uuid,
    /// What the event says; what was erased is null.
    #[schema(schema_with = data_schema)]
    pub data: EventData,
    /// For operators and auditors: the IP address that whoever acted came from, as the client claimed; absent where none was
    /// named, null where it was erased, or would have been.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    #[schema(required = false, value_type = Option<String>)]
    pub origin: Option<Option<String>>,
    /// For operators and auditors: why, in the words of whoever acted; absent where nothing was said, null where it was erased,
    /// or would have been.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    #[schema(required = false, value_type = Option<String>)]
    pub reason: Option<Option<String>>,
    /// Whether address and names are null because the caller may not see them, whether erased or not; absent where it may.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub redacted: bool,
}

/// What each event says is some of this, by its type; what was erased is null.
fn data_schema() -> RefOr<Schema> {
    let text = Option::<String>::schema;
    ObjectBuilder::new()
        .property("domain", String::schema())
        .property("customer", String::schema())
        .property("plan", Plan::schema())
        .property("address", text())
        .property("first_name", text())
        .property("last_name", text())
        .property("quota_bytes", u64::schema())
        .property("by_user", bool::schema())
        .into()
}

/// What an event says: some of this, by its type. What it does not say is none and not written; what was erased is
/// `Some(None)`, written as null.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventData {
    /// The service's domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Whose the service is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The plan that was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// The address of a user that was added.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    pub address: Option<Option<String>>,
    /// The first name that was set.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    pub first_name: Option<Option<String>>,
    /// The last name that was set.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    pub last_name: Option<Option<String>>,
    /// The quota that was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_bytes: Option<u64>,
    /// Whether the user changed its password itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_user: Option<bool>,
}

/// What is there is said, null too.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A page of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Events {
    /// In the order of the log.
    pub events: Vec<Event>,
    /// What to give as `after` for the next page; null on the last.
    #[schema(required = true)]
    pub next: Option<String>,
}

impl Event {
    /// One as a caller might get it.
    pub fn example() -> Self {
        Self {
            position: 4711,
            at: sample::INSTANT,
            r#type: Cow::Borrowed("PasswordChanged"),
            service: Some(sample::SERVICE),
            user: Some(sample::USER),
            client: "panel".to_owned(),
            actor: Some("person-7".to_owned()),
            command: sample::COMMAND,
            data: EventData { by_user: Some(false), ..EventData::default() },
            origin: None,
            reason: None,
            redacted: false,
        }
    }

    /// The same without address and names, for whoever may not see them. What is no person's stays.
    #[must_use]
    pub fn redacted(mut self) -> Self {
        for personal in [&mut self.data.address, &mut self.data.first_name, &mut self.data.last_name] {
            if personal.is_some() {
                *personal = Some(None);
                self.redacted = true;
            }
        }
        self
    }
}

impl fmt::Debug for EventData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Address and names are personal.
        f.write_str("EventData(…)")
    }
}
