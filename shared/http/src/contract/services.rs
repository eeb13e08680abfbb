//! Email services, as they are listed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::sample;

/// An email service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Service {
    /// Its id: the same for a domain, always.
    pub service: Uuid,
    /// Its domain, in A-labels.
    pub domain: String,
    /// Whose it is.
    pub customer: String,
    /// What it may use.
    pub plan: Plan,
    /// What its users take of that.
    #[schema(inline)]
    pub usage: Usage,
    /// The position of its last change.
    pub revision: u64,
}

/// A plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// How many mailboxes.
    pub mailboxes: u32,
    /// How many bytes of storage its mailboxes share.
    pub pool_bytes: u64,
}

// What a service's users take of its plan.
#[expect(missing_docs, reason = "it is described where it stands in a service")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Mailboxes in use, suspended ones included.
    pub mailboxes: u32,
    /// The sum of their quotas.
    pub allotted_bytes: u64,
}

/// A page of services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Services {
    /// In the order of their domains.
    pub services: Vec<Service>,
    /// What to give as `after` for the next page; null on the last.
    #[schema(required = true)]
    pub next: Option<String>,
}

impl Service {
    /// One as a caller might get it.
    pub fn example() -> Self {
        Self {
            service: sample::SERVICE,
            domain: "walk.example".to_owned(),
            customer: "walkers".to_owned(),
            plan: Plan { mailboxes: 10, pool_bytes: 10_737_418_240 },
            usage: Usage { mailboxes: 1, allotted_bytes: 1_073_741_824 },
            revision: 4710,
        }
    }
}

impl From<domain::Plan> for Plan {
    fn from(plan: domain::Plan) -> Self {
        Self { mailboxes: plan.mailboxes(), pool_bytes: plan.pool_bytes() }
    }
}
