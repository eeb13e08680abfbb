//! What is read back.

use std::fmt;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use domain::{ServiceId, UserId};

use crate::Kind;

/// A record as the store has it. Of a newer version it may hold words that this one does not know, so they are texts; a kind
/// that it does not know is not read.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its place: of two records, the one that was stored later has the greater. From 1.
    pub id: u64,
    /// See [`Record::at`](crate::Record::at).
    pub at: DateTime<Utc>,
    /// See [`Record::lost`](crate::Record::lost).
    pub lost: u64,
    /// See [`Activity::kind`](crate::Activity::kind).
    pub kind: Kind,
    /// See [`Activity::what`](crate::Activity::what).
    pub what: String,
    /// See [`Activity::code`](crate::Activity::code).
    pub code: String,
    /// See [`Activity::rules`](crate::Activity::rules).
    pub rules: Vec<String>,
    /// See [`Activity::service`](crate::Activity::service).
    pub service: Option<ServiceId>,
    /// See [`Activity::user`](crate::Activity::user).
    pub user: Option<UserId>,
    /// See [`Activity::client`](crate::Activity::client).
    pub client: String,
    /// See [`Activity::actor`](crate::Activity::actor).
    pub actor: Option<String>,
    /// See [`Activity::origin`](crate::Activity::origin).
    pub origin: Option<IpAddr>,
    /// See [`Activity::request`](crate::Activity::request).
    pub request: String,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Who, and from where, is personal.
        f.debug_struct("Kept")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("what", &self.what)
            .field("code", &self.code)
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}
