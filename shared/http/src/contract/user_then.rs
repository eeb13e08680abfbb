//! A user as of a moment, as auditors and operators are told.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::instant;
use crate::sample;

/// How a user stood at a moment. Address and names are null where they are erased by now, whenever the moment was.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserThen {
    /// The user's id.
    pub user: Uuid,
    /// The service that it is of.
    pub service: Uuid,
    /// The mailbox address.
    #[schema(required = true)]
    pub address: Option<String>,
    /// The first name.
    #[schema(required = true)]
    pub first_name: Option<String>,
    /// The last name.
    #[schema(required = true)]
    pub last_name: Option<String>,
    /// The mailbox's quota, whole MiB; null once the user was erased.
    #[schema(required = true)]
    pub quota_bytes: Option<u64>,
    /// `active`, `suspended`, `removed` or `erased`.
    #[schema(value_type = String)]
    pub state: Cow<'static, str>,
    /// The position of the last change of the user up to the moment.
    pub revision: u64,
    /// When that was.
    #[serde(with = "instant")]
    #[schema(value_type = String, format = DateTime)]
    pub at: DateTime<Utc>,
    /// When the password had last been changed; null where there was none.
    #[serde(with = "instant::optional")]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub credential_changed_at: Option<DateTime<Utc>>,
    /// Whether the person was erased, then or since.
    pub erased: bool,
    /// Whether address and names are null because the caller may not see them; absent where it may.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub redacted: bool,
}

impl UserThen {
    /// One as a caller might get it.
    pub fn example() -> Self {
        Self {
            user: sample::USER,
            service: sample::SERVICE,
            address: Some("zoe@walk.example".to_owned()),
            first_name: Some("Zoe".to_owned()),
            last_name: Some("Yilmaz".to_owned()),
            quota_bytes: Some(1_073_741_824),
            state: Cow::Borrowed("active"),
            revision: 4711,
            at: sample::INSTANT,
            credential_changed_at: Some(sample::INSTANT),
            erased: false,
            redacted: false,
        }
    }

    /// The same without address and names, for whoever may not see them.
    #[must_use]
    pub fn redacted(self) -> Self {
        Self { address: None, first_name: None, last_name: None, redacted: true, ..self }
    }
}

impl fmt::Debug for UserThen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Address and names are personal.
        f.debug_struct("UserThen")
            .field("user", &self.user)
            .field("state", &self.state)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}
