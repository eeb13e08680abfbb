//! What a command is answered with.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::instant;
use crate::sample;

/// The outcome, and an instant at which it was known to be in force: for a repeat, and where nothing changed, that of the
/// answer. Since when exactly is not recorded; an earlier instant could be claimed falsely.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// Where the change stands in the log; where nothing changed, where the service stands.
    pub position: u64,
    /// The revision of what it is about, for `If-Match`.
    pub revision: u64,
    /// What happened; empty where nothing changed.
    #[schema(value_type = Vec<String>)]
    pub events: Vec<Cow<'static, str>>,
    /// Whether it is in force; where nothing changed, whether what stands there is.
    pub effective: bool,
    /// An instant at which it was known to be in force; null where it is not yet.
    #[serde(with = "instant::optional")]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub effective_at: Option<DateTime<Utc>>,
    /// Whether an earlier request with the same key had carried it out.
    pub repeated: bool,
    /// The service that it is about.
    pub service: Uuid,
    /// The user that it is about, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Uuid, required = false)]
    pub user: Option<Uuid>,
}

impl Receipt {
    /// One as a caller might get it, of a change of which these events came.
    pub fn example(events: &[&'static str]) -> Self {
        Self {
            position: 4711,
            revision: 4711,
            events: events.iter().copied().map(Cow::Borrowed).collect(),
            effective: true,
            effective_at: Some(sample::INSTANT),
            repeated: false,
            service: sample::SERVICE,
            user: Some(sample::USER),
        }
    }

    /// The same of a change of no user.
    #[must_use]
    pub fn of_service(self) -> Self {
        Self { user: None, ..self }
    }

    /// The same where it is not in force yet.
    #[must_use]
    pub fn later(self) -> Self {
        Self { effective: false, effective_at: None, ..self }
    }
}
