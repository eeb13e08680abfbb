//! Mailbox users, as they are listed.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::instant;
use crate::sample;

/// A mailbox user. Address and names are null where they are erased.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
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
    /// The mailbox's quota, whole MiB.
    pub quota_bytes: u64,
    /// `active`, `suspended` or `removed`.
    #[schema(value_type = String)]
    pub state: Cow<'static, str>,
    /// The position of the user's last change, for `If-Match`.
    pub revision: u64,
    /// When the password was last changed; null where there is none any more.
    #[serde(with = "instant::optional")]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub credential_changed_at: Option<DateTime<Utc>>,
}

/// A page of users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Users {
    /// In the order of their ids, which is nearly that of adding; removed ones included.
    pub users: Vec<User>,
    /// What to give as `after` for the next page; null on the last.
    #[schema(required = true)]
    pub next: Option<String>,
}

impl User {
    /// One as a caller might get it.
    pub fn example() -> Self {
        Self {
            user: sample::USER,
            service: sample::SERVICE,
            address: Some("zoe@walk.example".to_owned()),
            first_name: Some("Zoe".to_owned()),
            last_name: Some("Yilmaz".to_owned()),
            quota_bytes: 1_073_741_824,
            state: Cow::Borrowed("active"),
            revision: 4711,
            credential_changed_at: Some(sample::INSTANT),
        }
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Address and names are personal.
        f.debug_struct("User")
            .field("user", &self.user)
            .field("state", &self.state)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}
