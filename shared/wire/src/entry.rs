//! The unit of the log as its carriers see it: a subject and bytes. Nothing here parses an entry.

use std::fmt;

use domain::{Position, ServiceId};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

domain::uuid_newtype! {
    /// A log's identity: random, drawn when the log is made, named by its first entry, and part of every MAC and box.
    LogId
}
domain::uuid_newtype! {
    /// An entry's own id. UUIDv7.
    EntryId
}
domain::uuid_newtype! {
    /// What a command is known by: UUIDv5 of client, service and idempotency key. A repeat has the same id.
    CommandId
}

/// Where an entry is filed: one subject a service (`postkey.p07.<service>`), and one for the log itself (`postkey.log`).
///
/// The subject is the consistency boundary: an append is guarded by the last position of its subject. It carries ids
/// only. `p00` to `p63`, the low 6 bits of the service id, is there so that whole partitions can move one day.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    service: Option<ServiceId>,
    /// ASCII, kept in place: a log that is read has one of these for every entry.
    text: [u8; Subject::LONGEST],
    length: u8,
}

/// The text is no subject of this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a subject of this log")]
pub struct SubjectError;

impl Subject {
    /// As many bytes as the subject of a service has.
    const LONGEST: usize = "postkey.p00.".len() + Hyphenated::LENGTH;

    /// The subject of the log's own entries, of which the first is one.
    pub fn log() -> Self {
        let mut text = [0; Self::LONGEST];
        let own = b"postkey.log";
        text[..own.len()].copy_from_slice(own);
        Self { service: None, text, length: own.len() as u8 }
    }

    /// The subject of a service's entries.
    pub fn service(service: ServiceId) -> Self {
        let partition = service.as_bytes()[15] & 0x3f;
        let mut text = *b"postkey.p00.                                    ";
        text[9] += partition / 10;
        text[10] += partition % 10;
        service.uuid().hyphenated().encode_lower(&mut text[12..]);
        Self { service: Some(service), text, length: Self::LONGEST as u8 }
    }

    /// Reads a subject as a store gives it back.
    pub fn parse(text: &str) -> Result<Self, SubjectError> {
        let subject = match text.rsplit_once('.') {
            Some(("postkey", "log")) => Self::log(),
            Some((_, id)) => Self::service(ServiceId::new(Uuid::try_parse(id).map_err(|_| SubjectError)?)),
            None => return Err(SubjectError),
        };
        if subject.as_str() == text { Ok(subject) } else { Err(SubjectError) }
    }

    /// The service whose entries are filed here; none for the log's own.
    pub const fn of_service(&self) -> Option<ServiceId> {
        self.service
    }

    /// The subject as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..usize::from(self.length)]).unwrap_or_else(|_| unreachable!("it is ASCII"))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subject").field(&self.as_str()).finish()
    }
}

/// An entry as it is stored: never changed after it was appended, hashed as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is filed.
    pub subject: Subject,
    /// The line of JSON, a newline, and the MAC, at most [`Entry::MAX_BYTES`].
    pub bytes: Vec<u8>,
}

impl Entry {
    /// The most bytes that an entry has.
    pub const MAX_BYTES: usize = 32 * 1024;
}

/// An entry and the position that the log gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the log.
    pub position: Position,
    /// What stands there.
    pub entry: Entry,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_carries_the_partition_and_the_id() {
        let service = ServiceId::new(Uuid::from_u128(0xc7));
        let subject = Subject::service(service);
        assert_eq!(subject.as_str(), "postkey.p07.00000000-0000-0000-0000-0000000000c7");
        assert_eq!(subject.of_service(), Some(service));
        assert_eq!(Subject::log().of_service(), None);
        assert_eq!(Subject::parse(subject.as_str()), Ok(subject));
        assert_eq!(Subject::parse("postkey.log"), Ok(Subject::log()));
        assert_eq!(Subject::service(ServiceId::new(Uuid::from_u128(63))).as_str()[..11], *"postkey.p63");
    }

    #[test]
    fn another_subject_is_refused() {
        for refused in [
            "",
            "postkey",
            "postkey.log.x",
            "log",
            "postkey.p08.00000000-0000-0000-0000-0000000000c7",
            "postkey.p07.00000000-0000-0000-0000-0000000000C7",
            "postkey.p07.000000000000000000000000000000c7",
        ] {
            assert_eq!(Subject::parse(refused), Err(SubjectError), "{refused}");
        }
    }
}
