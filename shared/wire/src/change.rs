//! What one command did, decoded.

use std::fmt;
use std::net::IpAddr;

use chrono::{DateTime, SubsecRound, Utc};
use domain::{Event, Position, Sealed, ServiceId, UserId};
use ledger::Hash;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{CommandId, Corrupt, EntryId, LogId, Subject};

/// What one command did: all of it, in one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The entry's own id.
    pub id: EntryId,
    /// When; whole microseconds, never before the previous entry of the subject.
    pub at: DateTime<Utc>,
    /// The previous entry of the subject.
    pub prev: Option<Link>,
    /// The command that did it.
    pub command: CommandId,
    /// Who asked for it.
    pub by: By,
    /// What it did.
    pub body: Body,
}

impl Change {
    /// The subject that the change belongs on.
    pub fn subject(&self) -> Subject {
        match &self.body {
            Body::LogCreated { .. } => Subject::log(),
            Body::Service { service, .. } => Subject::service(*service),
        }
    }

    /// Its events; none in the log's own first entry.
    pub fn events(&self) -> &[Event] {
        match &self.body {
            Body::LogCreated { .. } => &[],
            Body::Service { events, .. } => events,
        }
    }

    /// An instant in the precision that an entry keeps.
    pub fn instant(at: DateTime<Utc>) -> DateTime<Utc> {
        at.trunc_subsecs(6)
    }

    /// Checks that the change, found at `position`, follows `last`, the last entry of its subject before it.
    ///
    /// # Errors
    /// Where it names another entry: it was replayed, moved, reordered, or the one before it was replaced.
    pub fn follows(&self, position: Position, last: Option<Link>) -> Result<(), Corrupt> {
        if self.prev == last {
            Ok(())
        } else {
            Err(Corrupt::new(position, "it does not follow the entry before it on its subject"))
        }
    }
}

/// An entry as the next one of its subject names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it stands.
    pub position: Position,
    /// The RFC 6962 leaf hash of its stored bytes.
    pub leaf: Hash,
}

/// Who asked for a change, as far as the client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// The client's name in the clients file.
    pub client: String,
    /// The person acting, as the client claims: an opaque id.
    pub actor: Option<String>,
}

/// What a change did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The log began.
    LogCreated {
        /// Its id.
        log: LogId,
    },
    /// Something happened to a service or to one of its users.
    Service {
        /// The service.
        service: ServiceId,
        /// The one user that all events are about; none where they are about the service itself.
        user: Option<UserId>,
        /// What happened, at least one event.
        events: Vec<Event>,
        /// What only few may read.
        private: Vec<Sealed<Private>>,
    },
}

/// What only few may read about a change. Redacted in debug prints.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Private {
    /// The address that the acting person came from, as the client claims.
    pub origin: Option<IpAddr>,
    /// Why, in that person's words.
    pub reason: Option<String>,
    /// What was asked for.
    pub fingerprint: Option<Fingerprint>,
}

impl Private {
    /// Whether there is nothing in it.
    pub const fn is_empty(&self) -> bool {
        self.origin.is_none() && self.reason.is_none() && self.fingerprint.is_none()
    }
}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Private(…)")
    }
}

/// SHA-256 of what was asked for, by which a repeat of the same request is told from another one with its key.
///
/// Where a password was part of it, whoever reads this can test guesses: it is sealed under the credential's key and dies
/// with it. Redacted in debug prints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint of a request: its kind, the ids in its path, and its body in canonical form; each after its length.
    pub fn of(kind: &str, path: &[&str], body: &Zeroizing<Vec<u8>>) -> Self {
        let mut hash = Sha256::new_with_prefix(b"postkey request v1\n");
        for part in std::iter::once(kind).chain(path.iter().copied()).map(str::as_bytes).chain([body.as_slice()]) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}
