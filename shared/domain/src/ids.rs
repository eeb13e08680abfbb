//! Identifiers and positions. Ids carry no meaning but identity: they may stand in subjects, headers and log lines,
//! where an address or a name must never stand.

use std::fmt;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::DomainName;

/// Declares a newtype over [`Uuid`] with the conversions that every id has.
#[macro_export]
macro_rules! uuid_newtype {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(::uuid::Uuid);

        impl $name {
            /// Takes an id as it is.
            pub const fn new(id: ::uuid::Uuid) -> Self {
                Self(id)
            }

            /// The bare UUID.
            pub const fn uuid(self) -> ::uuid::Uuid {
                self.0
            }

            /// The sixteen bytes, big-endian (RFC 9562 §4).
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

uuid_newtype! {
    /// An email service: one domain, one plan, its users. UUIDv5 of the domain, so a domain is unique by construction.
    ServiceId
}
uuid_newtype! {
    /// A mailbox user, for its whole life. UUIDv7.
    UserId
}
uuid_newtype! {
    /// A key under which a part of an entry is sealed. Destroying the key erases the part.
    KeyId
}

/// The namespace of service ids (RFC 9562 §5.5): itself UUIDv5 of `postkey.email-service` in the DNS namespace.
const SERVICE_NAMESPACE: Uuid = Uuid::from_u128(0xb135_8093_0b79_540d_b63f_e313_7fe6_2684);

impl ServiceId {
    /// The id of the service that serves `domain`: UUIDv5 of its lower-case A-labels.
    pub fn of(domain: &DomainName) -> Self {
        Self(Uuid::new_v5(&SERVICE_NAMESPACE, domain.as_str().as_bytes()))
    }
}

/// A place in the log: 1 for its first entry, without gaps. 0 is the place before the first.
///
/// Positions are the only counters there are: revisions, ETags and freshness are all positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// Before the first entry.
    pub const START: Self = Self(0);

    /// The last that a log can have: the stores count no further.
    pub const LAST: Self = Self(i64::MAX.cast_unsigned());

    /// The position of an entry, from 1 to [`Position::LAST`], of a number that anybody may have written; none where no entry can
    /// stand there.
    pub const fn of_entry(position: u64) -> Option<Self> {
        if 1 <= position && position <= Self::LAST.0 { Some(Self(position)) } else { None }
    }

    /// Takes a position as it is.
    pub const fn new(position: u64) -> Self {
        Self(position)
    }

    /// The bare number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position that follows this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Where and when an event stands in the log; what a fold needs besides the event itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The position of the entry that holds the event.
    pub position: Position,
    /// The entry's instant.
    pub at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_is_what_its_comment_says() {
        assert_eq!(SERVICE_NAMESPACE, Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"postkey.email-service"));
    }

    #[test]
    fn a_domain_has_one_service_however_it_is_typed() {
        let id = |text: &str| ServiceId::of(&DomainName::parse(text).expect("a domain"));
        assert_eq!(id("ACME.example"), id("acme.example"));
        assert_eq!(id("bücher.example"), id("xn--bcher-kva.example"));
        assert_ne!(id("acme.example"), id("acme.test"));
    }

    #[test]
    fn an_entry_stands_where_stores_can_count() {
        for (position, expected) in [(0, None), (1, Some(1)), (Position::LAST.get(), Some(Position::LAST.get()))] {
            assert_eq!(Position::of_entry(position), expected.map(Position::new));
        }
        for beyond in [Position::LAST.next().get(), u64::MAX] {
            assert_eq!(Position::of_entry(beyond), None, "{beyond}");
        }
    }
}
