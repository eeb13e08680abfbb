//! Where the errors of NATS and its client end.

use std::path::PathBuf;

use domain::Position;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Corrupt, ReadError};

/// JetStream's error codes, as nats-server 2.15.1 has them (`server/errors.json`).
pub(super) mod code {
    /// No stream of this name; also for moments while it has no leader.
    pub const STREAM_NOT_FOUND: u64 = 10059;
    /// A stream of this name, made otherwise.
    pub const STREAM_NAME_IN_USE: u64 = 10058;
    /// No consumer of this name.
    pub const CONSUMER_NOT_FOUND: u64 = 10014;
    /// No message at or after the position that was asked for.
    pub const NO_MESSAGE_FOUND: u64 = 10037;
    /// The subject does not end where the append expects it to.
    pub const WRONG_LAST_SEQUENCE: u64 = 10071;
    /// The same, while another append to the subject is on its way through the replicas.
    pub const WRONG_LAST_SEQUENCE_IN_FLIGHT: u64 = 10164;
    /// The stream was sealed.
    pub const STREAM_SEALED: u64 = 10109;
    /// Too few servers that could hold a stream are known to be there, now or ever.
    pub const NO_SUITABLE_PEERS: u64 = 10005;
    /// The cluster has no leader.
    pub const CLUSTER_NOT_AVAILABLE: u64 = 10008;
}

/// Why a stream can't be used as a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The servers can't be reached, or don't answer. Worth trying again.
    #[error("the log can't be reached at {servers}: {reason}")]
    Unavailable {
        /// Where, without secrets.
        servers: String,
        /// Why.
        reason: String,
    },
    /// An address is none.
    #[error("an address of NATS can't be read: write nats://HOST:PORT or tls://HOST:PORT, several with commas between")]
    Url,
    /// A file that proves who we are, or who they are, can't be used.
    #[error("{}: {what}", path.display())]
    Credentials {
        /// Which file.
        path: PathBuf,
        /// Why; nothing of its content.
        what: String,
    },
    /// The server is too old to be trusted with the log.
    #[error(
        "the NATS server is version {0}: postkey needs 2.15.1 or later, for earlier ones lose what they have acknowledged"
    )]
    Version(String),
    /// There is no stream. Making it is what the first start, or an administrator, does.
    #[error("there is no stream {}: `postkey nats setup` makes it", super::STREAM)]
    Missing,
    /// There is one already; nothing was touched.
    #[error("there is a stream {} already", super::STREAM)]
    AlreadyExists,
    /// The stream is something else; nothing was touched.
    #[error("the stream POSTKEY is not a log of postkey: {0}")]
    NotALog(String),
    /// A copy into it was begun and has not come to its end.
    #[error("the stream {} is a copy that has not come to its end: run `postkey copy` again", super::STREAM)]
    Unfinished,
    /// The servers refused.
    #[error("NATS refuses: {0}")]
    Refused(String),
}

/// How a question to JetStream failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ApiFault {
    /// Nobody has answered: away, or not allowed to ask.
    NoAnswer(String),
    /// JetStream's own refusal.
    Refused { code: u64, what: String },
    /// What came was no answer.
    Nonsense(String),
}

impl ApiFault {
    /// Whether it is this refusal.
    pub fn is(&self, wanted: u64) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == wanted)
    }

    /// Whether nobody answers because these credentials may not ask; the connection hears that in the server's words.
    pub fn is_for_want_of_rights(&self) -> bool {
        matches!(self, Self::NoAnswer(what) if what.to_lowercase().contains("permissions violation"))
    }

    /// Whether it may end by itself once the servers of the cluster have heard from each other.
    pub fn is_of_a_cluster_that_gathers(&self) -> bool {
        self.is(code::NO_SUITABLE_PEERS) || self.is(code::CLUSTER_NOT_AVAILABLE)
    }

    /// What it means to a reader: nothing that waiting can't mend.
    pub fn unavailable(self) -> ReadError {
        ReadError::Unavailable(self.to_string())
    }
}

impl std::fmt::Display for ApiFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoAnswer(what) => write!(f, "{what}"),
            Self::Refused { code: code::STREAM_NOT_FOUND, .. } => {
                write!(f, "NATS has no stream {}, or it has no leader now", super::STREAM)
            }
            Self::Refused { code, what } => write!(f, "NATS refuses: {what} ({code})"),
            Self::Nonsense(what) => write!(f, "an answer of NATS can't be read: {what}"),
        }
    }
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    code: u64,
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
struct Refused {
    error: Option<Refusal>,
}

/// An answer of JetStream's API.
pub(super) fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, ApiFault> {
    let nonsense = |error: serde_json::Error| ApiFault::Nonsense(error.to_string());
    match serde_json::from_slice(payload).map_err(nonsense)? {
        Refused { error: Some(Refusal { code, err_code, description }) } => {
            Err(ApiFault::Refused { code: if err_code == 0 { code } else { err_code }, what: description })
        }
        Refused { error: None } => serde_json::from_slice(payload).map_err(nonsense),
    }
}

/// The log is there, and is not sound.
pub(super) fn damaged(after: Position, what: impl Into<String>) -> ReadError {
    Corrupt::Damaged { after, what: what.into() }.into()
}
