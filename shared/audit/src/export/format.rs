//! An export, version 1: records, one a line of JSON, or as rows of CSV (`csv.rs`). It verifies by itself on another machine.
//!
//! The first record says what the export is of and under which checkpoint, then comes one for each entry in the order of the log,
//! and the last says how many there were and what all bytes before it hash to, so that one that was cut off, or to which
//! something was added, is told.
//!
//! There is one way to write a record (`render.rs`): whatever says the same otherwise, or says more, was altered.
//!
//! `entry` is the stored bytes as they are (they are UTF-8): what proofs are about. `events` is what they say as far as
//! whoever exported could open it; no proof speaks of what was sealed. Never a hash of a password.

use chrono::{DateTime, Utc};
use ledger::{Crossing, Hash, KeyError, VerifierKey};
use postkey_http::Event;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The version of the format.
pub const VERSION: u32 = 1;

/// The first record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`VERSION`].
    pub postkey_export: u32,
    /// The log's id.
    pub log: Uuid,
    /// Which entries are in it.
    pub scope: ExportScope,
    /// Whether `events` hold personal data.
    pub personal: Personal,
    /// The last position that was looked at: of what `scope` says, everything up to here is in it. That of the entry, where it is
    /// of one; otherwise not before the last that stands under the checkpoint.
    pub to: u64,
    /// The checkpoint that proofs are for, a signed note (C2SP tlog-checkpoint); none where nothing is proved.
    pub checkpoint: Option<String>,
    /// The keys that checkpoints of this log are signed with, as verifiers write them (C2SP signed-note). They say which
    /// key to look for; whoever verifies trusts its own.
    pub public_keys: Vec<String>,
    /// Where one of those keys took the place of another.
    pub crossings: Vec<CrossingRecord>,
    /// When it was made.
    pub at: DateTime<Utc>,
}

/// Which entries an export holds: `"all"`, `{"service":uuid}`, `{"user":uuid,"service":uuid}` or `{"entry":position}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportScope {
    /// All.
    All,
    /// Those of a service.
    Service(Uuid),
    /// Those about one of its users.
    User {
        /// The service.
        service: Uuid,
        /// The user.
        user: Uuid,
    },
    /// The one at this position.
    Entry(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartOf {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<Uuid>,
    service: Uuid,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryAt {
    entry: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum ScopeText {
    Word(String),
    Part(PartOf),
    One(EntryAt),
}

impl Serialize for ExportScope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = match *self {
            Self::All => ScopeText::Word("all".to_owned()),
            Self::Service(service) => ScopeText::Part(PartOf { user: None, service }),
            Self::User { service, user } => ScopeText::Part(PartOf { user: Some(user), service }),
            Self::Entry(entry) => ScopeText::One(EntryAt { entry }),
        };
        text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ExportScope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match ScopeText::deserialize(deserializer)? {
            ScopeText::Word(word) if word == "all" => Ok(Self::All),
            ScopeText::Word(_) => Err(D::Error::custom("a scope is \"all\", or names a service or an entry")),
            ScopeText::Part(PartOf { user: None, service }) => Ok(Self::Service(service)),
            ScopeText::Part(PartOf { user: Some(user), service }) => Ok(Self::User { service, user }),
            ScopeText::One(EntryAt { entry }) => Ok(Self::Entry(entry)),
        }
    }
}

/// Whether personal data stands in `events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Personal {
    /// It does; what is null was erased.
    Shown,
    /// It was left out, and so were origins and reasons: null says nothing of whether it was erased.
    Redacted,
}

/// A checkpoint at which one key took the place of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossingRecord {
    /// The checkpoint, a signed note with the signatures of both.
    pub note: String,
    /// The key before.
    pub old: String,
    /// The key from there on.
    pub new: String,
}

impl From<&Crossing> for CrossingRecord {
    fn from(crossing: &Crossing) -> Self {
        Self { note: crossing.note.clone(), old: crossing.old.to_string(), new: crossing.new.to_string() }
    }
}

impl CrossingRecord {
    /// Reads the keys.
    ///
    /// # Errors
    /// Where one of them is none.
    pub fn parse(&self) -> Result<Crossing, KeyError> {
        let (old, new) = (VerifierKey::parse(&self.old)?, VerifierKey::parse(&self.new)?);
        Ok(Crossing { note: self.note.clone(), old, new })
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryRecord {
    /// Where it stands in the log.
    pub position: u64,
    /// The subject that it is filed under.
    pub subject: String,
    /// Its stored bytes.
    pub entry: String,
    /// What it says, event by event; none where the log began.
    pub events: Vec<Event>,
    /// That it stands in the checkpoint's tree: hashes from its leaf's sibling upwards (RFC 9162 §2.1.3). Only in exports
    /// of a part of the log, for the root of the whole is computed; none for what came after the checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Vec<ProofHash>>,
}

/// A hash of a proof, in base64 (RFC 4648 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofHash(pub Hash);

impl Serialize for ProofHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ProofHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Hash::from_base64(&text).map(Self).ok_or_else(|| D::Error::custom("a hash is 32 bytes in base64"))
    }
}

/// The last record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// True.
    pub end: bool,
    /// How many entries there are.
    pub entries: u64,
    /// SHA-256 of all bytes before this record, newlines included, in lower-case hexadecimal.
    pub sha256: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_written_as_the_format_says() {
        let (service, user) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for (scope, text) in [
            (ExportScope::All, "\"all\"".to_owned()),
            (ExportScope::Service(service), format!("{{\"service\":\"{service}\"}}")),
            (ExportScope::Entry(4711), "{\"entry\":4711}".to_owned()),
            (ExportScope::User { service, user }, format!("{{\"user\":\"{user}\",\"service\":\"{service}\"}}")),
        ] {
            assert_eq!(serde_json::to_string(&scope).unwrap(), text);
            assert_eq!(serde_json::from_str::<ExportScope>(&text).unwrap(), scope);
        }
    }

    #[test]
    fn other_scopes_are_refused() {
        for text in ["\"some\"", "{}", "{\"user\":\"00000000-0000-0000-0000-000000000001\"}", "{\"all\":1}", "null"] {
            assert!(serde_json::from_str::<ExportScope>(text).is_err(), "{text}");
        }
    }
}
