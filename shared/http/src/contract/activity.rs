//! What the activity log has, as auditors are told.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::instant;
use crate::sample;

/// Something that was refused, tried or read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActivityRecord {
    /// When, by the clock of the service that was asked.
    #[serde(with = "instant")]
    #[schema(value_type = String, format = DateTime)]
    pub at: DateTime<Utc>,
    /// What kind of thing: `refused`, `sign_in` or `audit_read`.
    #[schema(value_type = String)]
    pub kind: Cow<'static, str>,
    /// What was asked for: the name of a command such as `EditUser`, `verify`, or which part of the history.
    pub what: String,
    /// What came of it.
    pub code: String,
    /// Every rule that was broken, by its code, where input was refused.
    pub rules: Vec<String>,
    /// The service that it was about, as far as that is known.
    #[schema(required = true)]
    pub service: Option<Uuid>,
    /// The user that it was about; null for an address that nobody has.
    #[schema(required = true)]
    pub user: Option<Uuid>,
    /// The client that asked.
    pub client: String,
    /// Who acted, as the client claimed.
    #[schema(required = true)]
    pub actor: Option<String>,
    /// The IP address that the acting person came from, as the client claimed.
    #[schema(required = true, value_type = Option<String>)]
    pub origin: Option<IpAddr>,
    /// The request's id, by which it is found in logs.
    pub request_id: String,
    /// How many records of the same process were lost between this one and the one that it wrote before.
    pub lost: u64,
}

/// A page of the activity log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActivityPage {
    /// In the order in which it was written.
    pub activity: Vec<ActivityRecord>,
    /// What to give as `after` for the next page; null on the last.
    #[schema(required = true)]
    pub next: Option<String>,
}

impl ActivityRecord {
    /// One as a caller might get it.
    pub fn example() -> Self {
        Self {
            at: sample::INSTANT,
            kind: Cow::Borrowed("refused"),
            what: "EditUser".to_owned(),
            code: "weak_password".to_owned(),
            rules: vec!["too_short".to_owned(), "missing_digit".to_owned()],
            service: Some(sample::SERVICE),
            user: Some(sample::USER),
            client: "panel".to_owned(),
            actor: Some("person-7".to_owned()),
            origin: Some(IpAddr::from([203, 0, 113, 7])),
            request_id: sample::REQUEST.to_owned(),
            lost: 0,
        }
    }
}

impl fmt::Debug for ActivityRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Who, and from where, is personal.
        f.debug_struct("ActivityRecord")
            .field("kind", &self.kind)
            .field("what", &self.what)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}
