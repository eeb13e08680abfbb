//! What is recorded.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use domain::{ServiceId, UserId};

/// What kind of thing was done. Each has a bound of its own, so that a flood of one pushes out nothing of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A command, or a look into the history, that was refused.
    Refused,
    /// A login, however it ended.
    SignIn,
    /// A look into the history.
    AuditRead,
}

/// The text names no kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of refused, sign_in, audit_read")]
pub struct KindError;

impl Kind {
    /// Every kind there is.
    pub const ALL: [Self; 3] = [Self::Refused, Self::SignIn, Self::AuditRead];

    /// The kind as it stands in stores and answers. Never changed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::SignIn => "sign_in",
            Self::AuditRead => "audit_read",
        }
    }
}

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(KindError)
    }
}

/// Something that was done, and that the event log does not tell.
#[derive(Clone)]
pub struct Activity {
    /// What kind of thing.
    pub kind: Kind,
    /// What was asked for: the name of a command, `verify`, or which part of the history.
    pub what: &'static str,
    /// What came of it: a problem's code, a verdict, or `ok`.
    pub code: &'static str,
    /// Every rule that was broken, by its code, where input was refused.
    pub rules: Vec<&'static str>,
    /// The service that it was about, as far as that is known.
    pub service: Option<ServiceId>,
    /// The user that it was about. None for an address that nobody has.
    pub user: Option<UserId>,
    /// The client that asked, by its name.
    pub client: String,
    /// Who acted, as the client claimed: an opaque id.
    pub actor: Option<String>,
    /// Where that person came from, as the client claimed.
    pub origin: Option<IpAddr>,
    /// The request's id, by which it is found in logs.
    pub request: String,
}

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Who, and from where, is personal.
        f.debug_struct("Activity")
            .field("kind", &self.kind)
            .field("what", &self.what)
            .field("code", &self.code)
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

/// An activity as it is stored.
#[derive(Clone, Debug)]
pub struct Record {
    /// When, by the clock of the process that recorded it; kept to the microsecond.
    pub at: DateTime<Utc>,
    /// How many records of the same process were lost before this one and after the one that it stored before: at least so
    /// many were not seen to be stored.
    pub lost: u64,
    /// What was done.
    pub activity: Activity,
}
