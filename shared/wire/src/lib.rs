//! Entries of the log: from a decoded [`Change`] to stored bytes and back. Pure: no I/O, no clock; keys come in a batch.
//!
//! # The bytes of an entry, version 1
//!
//! One line of JSON, a newline, and the MAC:
//!
//! ```text
//! {"v":1,"id":uuid,"at":time,"prev":{"position":n,"leaf":base64}|null,"command":uuid,"by":{"client":text,"actor":text|null},
//!  "service":uuid|null,"user":uuid|null,"events":[{"type":text,"data":{…},"sealed":[{"key":uuid,"box":base64}]},…],
//!  "private":[{"key":uuid,"box":base64},…]}⏎key-id base64(mac)
//! ```
//!
//! - The line is written without blanks, its fields in this order, all of them always there. It is hashed and
//!   authenticated as it was first written. Duplicate, missing or unknown fields are [`Corrupt`].
//! - `id` is a UUIDv7. `at` is RFC 3339 in UTC with six decimals and `Z`. `base64` is RFC 4648 §4 with padding.
//! - `prev` is the entry before this one on the same subject: its position and the RFC 6962 leaf hash of its stored bytes;
//!   `null` for a subject's first entry.
//! - The MAC is HMAC-SHA-256 over `postkey entry v1⏎` log id `⏎` subject `⏎` line, ids in hyphenated lower case.
//! - The first entry of a log has neither service nor user and one event, `LogCreated` with `{"log":uuid}`, on the subject
//!   `postkey.log`. Every other entry has a service, and lies on that service's subject.
//!
//! | `type` | `data` | sealed, under |
//! |---|---|---|
//! | `LogCreated` | `{"log"}` | |
//! | `ServiceProvisioned` | `{"domain","customer","plan":{"mailboxes","pool_bytes"},"key"}` | |
//! | `PlanChanged` | `{"plan":{"mailboxes","pool_bytes"}}` | |
//! | `UserAdded` | `{"quota_bytes"}` | `{"address","first_name","last_name"}`, the user's profile key |
//! | `UserEdited` | `{"quota_bytes"?}` | none, or `{"first_name"?,"last_name"?}`, the profile key |
//! | `PasswordChanged` | `{"policy","proved":n|null}` | `{"hash"}`, a key of its own |
//! | `UserSuspended` `UserReactivated` `UserRemoved` `UserErased` | `{}` | |
//!
//! `proved` is the position of the credential that a user proved to know when it changed its own password.
//!
//! `private` holds `{"origin"?,"reason"?,"fingerprint"?}`: origin and reason under the user's profile key (the service's
//! where there is no user), the fingerprint under the credential's key where the entry sets one, else with the others.
//!
//! # Sealed parts
//!
//! A box is what [`PartKey::seal`](keys::PartKey::seal) makes of the part's JSON, filled up with blanks to a multiple of
//! [`PAD`] bytes so that its length says little about a name. Its associated data names its place: log id (16 bytes),
//! service (16, or none), user (16, or none), entry id (16), index of the part in the entry (4, big-endian; the events'
//! parts first, then the private ones, from 0) and key id (16), each after its length as 4 bytes, big-endian.

mod change;
mod corrupt;
mod entry;
mod line;
mod open;
mod parts;
mod seal;

pub use change::{Body, By, Change, Fingerprint, Link, Private};
pub use corrupt::Corrupt;
pub use entry::{CommandId, Entry, EntryId, LogId, Stored, Subject, SubjectError};
pub use open::{OpenError, Opened, SealedEntry, authenticate, check_mac, open_all, open_events, read_sealed};
pub use parts::PAD;
pub use seal::{SealError, seal};
