//! Lists in pages: how many rows, and behind which.
//!
//! A page begins behind a key that never changes (keyset paging). Whoever walks through the pages comes once, and once only,
//! upon every row that was there when the walk began and stays, however many others come and go meanwhile; a row that comes
//! meanwhile, upon at most once: where its key lies before the page that was last, not at all. The order is that of the keys:
//! of services their domains, of users their ids, of events their places in the log. A user's id is drawn when its request
//! comes, not when it stands in the log, so that its order is nearly that of adding: who is added meanwhile may lie before.
//! Events come behind all others, so a walk that goes on comes upon each of them. A cursor belongs to the list that gave it,
//! as it was asked for: to another list, or with another filter, it is refused.

use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postkey_http::{Described, Fields, Problem, Violation};
use serde_json::{Value, json};
use uuid::Uuid;

/// The rows of one page, unless asked for fewer or more.
const LIMIT: u32 = 50;
/// How many rows of one page may be asked for.
const LIMITS: RangeInclusive<u64> = 1..=500;
/// So much of a list's name stands in its cursors, in bytes.
const TAG: usize = 8;
/// The namespace of lists, for UUIDv5: drawn once.
const LISTS: Uuid = Uuid::from_u128(0x5b0c_9d1e_7f43_4a86_a2f5_3c80_61d7_94eb);
/// What is said of a cursor that belongs elsewhere.
const HINT: &str = "the `next` of an earlier page, as it was given, with the same filters";

/// Reads `limit`.
pub fn limit(fields: &mut Fields) -> u32 {
    let read = fields.optional_within("limit", LIMITS, "1 to 500");
    read.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(LIMIT)
}

/// A list as it was asked for. Its cursors are opaque, and hold its name only as a hash.
pub struct List([u8; TAG]);

impl List {
    /// The list of this name with these filters, each in its place.
    pub fn new(name: &str, filters: &[&str]) -> Self {
        // No filter's text holds a NUL.
        let asked = std::iter::once(name).chain(filters.iter().copied()).collect::<Vec<_>>().join("\0");
        let id = Uuid::new_v5(&LISTS, asked.as_bytes()).into_bytes();
        let mut tag = [0; TAG];
        tag.copy_from_slice(&id[..TAG]);
        Self(tag)
    }

    /// A cursor to what stands behind a key. Keys are nothing personal: cursors stand in URLs.
    pub fn cursor(&self, key: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode([&self.0, key].concat())
    }
}

/// `after`: a cursor that an earlier page gave, of whichever list.
#[derive(Debug)]
pub struct After(Vec<u8>);

impl Described for After {
    fn schema() -> Value {
        let says = "The `next` of an earlier page, as it was given, with the same filters.";
        json!({"type": "string", "description": says, "pattern": "^[A-Za-z0-9_-]+$"})
    }
}

impl After {
    /// Reads `after`.
    pub fn read(fields: &mut Fields) -> Option<Self> {
        fields.optional("after", |text| {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() > TAG);
            bytes.map(Self).ok_or(HINT)
        })
    }

    /// The key that it stands for in this list.
    ///
    /// # Errors
    /// 422 where it is another list's, or the key can't be one.
    pub fn key<T>(&self, list: &List, read: impl FnOnce(&[u8]) -> Option<T>) -> Result<T, Problem> {
        let (tag, key) = self.0.split_at(TAG);
        let key = if *tag == list.0 { read(key) } else { None };
        key.ok_or_else(|| Problem::invalid_input(vec![Violation::new("after", "invalid", HINT)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cursor: &str, list: &List) -> Option<Vec<u8>> {
        let after = After(URL_SAFE_NO_PAD.decode(cursor).unwrap());
        after.key(list, |key| Some(key.to_vec())).ok()
    }

    #[test]
    fn a_cursor_is_taken_by_its_own_list_as_it_was_asked_for_and_by_no_other() {
        let list = List::new("users", &["acme", "ann"]);
        let cursor = list.cursor(b"key");
        assert!(cursor.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_')), "{cursor}");
        assert_eq!(read(&cursor, &List::new("users", &["acme", "ann"])), Some(b"key".to_vec()));
        for (name, filters) in [
            ("services", &["acme", "ann"][..]),
            ("users", &["acme", "anna"]),
            ("users", &["acme", ""]),
            ("users", &["acmeann", ""]),
            ("users", &["acme"]),
            ("users", &["", "acme", "ann"]),
        ] {
            assert_eq!(read(&cursor, &List::new(name, filters)), None, "{name} {filters:?}");
        }
    }
}
