//! How a service's no is read, and what else can become of a call.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::RETRY_AFTER;
use serde::Deserialize;

use crate::{Code, RequestId, Violation};

/// Why there is no answer as hoped. Never holds a token or a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// A problem (RFC 9457) as the service told it.
    #[error("the service refuses: {0}")]
    Problem(CallProblem),
    /// Nobody there, too slow, or what came is no answer of ours. Whether a command was carried out is unknown: ask again with
    /// the same key.
    #[error("{url} does not answer: {reason}")]
    Unreachable {
        /// Who was asked.
        url: String,
        /// What happened.
        reason: &'static str,
    },
}

/// A problem as the service told it.
///
/// Its texts are the service's, or of whoever is at its address: they are for a page that escapes them. Only status and code are
/// displayed, since a log line could be broken by anything else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}, status {status}", code.map_or("a code that is not known here", Code::as_str))]
pub struct CallProblem {
    /// The HTTP status.
    pub status: u16,
    /// What went wrong; none where a newer service says it by a code that is not known here.
    pub code: Option<Code>,
    /// What went wrong this time and what to do, for a person.
    pub detail: Option<String>,
    /// By which the request is found in the service's logs.
    pub request_id: Option<String>,
    /// Every wrong field, where input was refused; else empty.
    pub violations: Vec<Violation>,
    /// After how long to ask again, where the service says so.
    pub retry_after: Option<Duration>,
}

impl CallProblem {
    /// What a service would say to a header that can't be sent: it is not asked.
    pub(super) fn unsendable(field: &str, hint: &str) -> Self {
        Self {
            status: Code::InvalidInput.status().as_u16(),
            code: Some(Code::InvalidInput),
            detail: Some(Code::InvalidInput.title().to_owned()),
            request_id: None,
            violations: vec![Violation::new(field, "invalid", hint.to_owned())],
            retry_after: None,
        }
    }
}

/// What is read of a problem's body.
#[derive(Deserialize)]
pub(super) struct Told {
    code: String,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    violations: Vec<Violation>,
}

impl Told {
    /// The code, if it is one that we know: a stranger's answer may hold anything.
    pub(super) fn code(&self) -> Option<Code> {
        Code::ALL.iter().find(|code| code.as_str() == self.code).copied()
    }

    /// With what the answer's head says.
    pub(super) fn with(self, status: u16, headers: &HeaderMap) -> CallProblem {
        let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        CallProblem {
            status,
            code: self.code(),
            detail: self.detail,
            request_id: self.request_id.filter(|id| RequestId::parse(id).is_some()),
            violations: self.violations,
            retry_after: seconds.map(Duration::from_secs),
        }
    }
}
