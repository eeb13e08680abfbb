//! The headers that a command understands, each parsed once, and every wrong one named at once.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};

use crate::{Entropy, Problem, Violation, percent, uuid_v4};

/// The longest that a client may ask a command to wait for its effect.
pub const MAX_WAIT: Duration = Duration::from_secs(30);

/// Declares a text that a client sends in a header, redacted in debug prints where it may tell of a person.
macro_rules! header_text {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text as it was meant.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

header_text! {
    /// The client's own name for this command, under which a repetition is recognised for ever: 1 to 255 visible ASCII
    /// characters.
    IdempotencyKey
}
header_text! {
    /// Who acts, as the client claims: an opaque id of 1 to 128 visible ASCII characters.
    Actor
}
header_text! {
    /// Why, as the client claims: 1 to 500 code points without control characters.
    Reason
}

impl IdempotencyKey {
    /// What a key is, as a regular expression (ECMA-262).
    pub const PATTERN: &str = "^[!-~]{1,255}$";

    /// Reads a key.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        visible_ascii(text, 255).map(Self).ok_or("1 to 255 visible ASCII characters")
    }

    /// The one that the request brings, if it brings exactly one that can be read; else a fresh one.
    pub(crate) fn of(headers: &HeaderMap, entropy: &dyn Entropy) -> Self {
        let mut reader = Reader { headers, violations: Vec::new() };
        reader.read("Idempotency-Key", Self::parse).unwrap_or_else(|| Self(uuid_v4(entropy).to_string()))
    }
}

impl Actor {
    /// What an actor's id is, as a regular expression (ECMA-262).
    pub const PATTERN: &str = "^[!-~]{1,128}$";

    /// Reads an actor's id.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        visible_ascii(text, 128).map(Self).ok_or("an opaque id of 1 to 128 visible ASCII characters")
    }
}

impl Reason {
    /// The most code points that a reason has.
    pub const MAX_CODE_POINTS: usize = 500;
    /// What a reason must not hold, as a regular expression (ECMA-262).
    pub const PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";
    /// What a reason is in a header, as a regular expression (ECMA-262): one group a code point.
    pub const ENCODED_PATTERN: &str =
        "^([ -$&-~]|%([2-6][0-9A-Fa-f]|7[0-9A-Ea-e]|[C-Fc-f][0-9A-Fa-f](%[89ABab][0-9A-Fa-f]){1,3})){1,500}$";

    /// Checks a reason that was sent as plain text, as in a body.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let length = text.chars().count();
        if !(1..=Self::MAX_CODE_POINTS).contains(&length) || text.chars().any(char::is_control) {
            return Err("1 to 500 characters of text, no control characters");
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads a reason from a header, where it is percent-encoded UTF-8.
    pub fn decode(text: &str) -> Result<Self, &'static str> {
        let decoded = percent::decode(text).ok_or("percent-encoded UTF-8")?;
        Self::parse(&decoded)
    }
}

/// The state that a caller insists on (RFC 9110 §13.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: that it is there, at whatever revision. A change checks that anyway; what is yet to be made can't be.
    Any,
    /// `"4711"`: that it is at this revision.
    Revision(u64),
}

/// What a command's headers say. As an extractor it answers 422 with every wrong header.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CommandHeaders {
    /// `Idempotency-Key`, as the caller gave it. By which key the command may be repeated is what [`IdempotencyKey`] says as an
    /// extractor.
    pub idempotency_key: Option<IdempotencyKey>,
    /// `If-Match: "revision"` or `*`.
    pub if_match: Option<IfMatch>,
    /// `Prefer: wait=SECONDS`, cut to [`MAX_WAIT`]. A preference that can't be read is ignored, as RFC 7240 §2 wants.
    pub wait: Option<Duration>,
    /// `Postkey-Actor`.
    pub actor: Option<Actor>,
    /// `Postkey-Origin`: the address that the acting person came from.
    pub origin: Option<IpAddr>,
    /// `Postkey-Reason`.
    pub reason: Option<Reason>,
}

impl CommandHeaders {
    /// Reads the headers, or names every wrong one.
    pub fn parse(headers: &HeaderMap) -> Result<Self, Vec<Violation>> {
        let mut reader = Reader { headers, violations: Vec::new() };
        let parsed = Self {
            idempotency_key: reader.read("Idempotency-Key", IdempotencyKey::parse),
            if_match: reader.read("If-Match", if_match),
            wait: preferred_wait(headers),
            actor: reader.read("Postkey-Actor", Actor::parse),
            origin: reader.read("Postkey-Origin", |text| text.parse().map_err(|_| "an IP address")),
            reason: reader.read("Postkey-Reason", Reason::decode),
        };
        if reader.violations.is_empty() { Ok(parsed) } else { Err(reader.violations) }
    }
}

impl fmt::Debug for CommandHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An origin is personal, like the texts that redact themselves.
        f.debug_struct("CommandHeaders")
            .field("idempotency_key", &self.idempotency_key)
            .field("if_match", &self.if_match)
            .field("wait", &self.wait)
            .field("actor", &self.actor)
            .field("origin", &self.origin.map(|_| "…"))
            .field("reason", &self.reason)
            .finish()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CommandHeaders {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::parse(&parts.headers).map_err(Problem::invalid_input)
    }
}

struct Reader<'a> {
    headers: &'a HeaderMap,
    violations: Vec<Violation>,
}

impl Reader<'_> {
    /// Reads a header that may stand once.
    fn read<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, &'static str>) -> Option<T> {
        let mut given = self.headers.get_all(name).iter();
        let only = given.next()?;
        let parsed = match given.next() {
            Some(_) => Err(("repeated", "say it once")),
            None => parse(only.to_str().unwrap_or_default()).map_err(|hint| ("invalid", hint)),
        };
        parsed.map_err(|(code, hint)| self.violations.push(Violation::new(name, code, hint))).ok()
    }
}

fn visible_ascii(text: &str, longest: usize) -> Option<String> {
    let fits = (1..=longest).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

/// A revision as an entity tag: strong, single, the digits of a number as we write them.
fn if_match(text: &str) -> Result<IfMatch, &'static str> {
    if text == "*" {
        return Ok(IfMatch::Any);
    }
    let digits = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let number: Option<u64> = digits.and_then(|digits| digits.parse().ok());
    // Compared with what we would write, so that `"+7"` and `"007"` are refused: tags are compared by their letters.
    match number {
        Some(number) if digits == Some(number.to_string().as_str()) => Ok(IfMatch::Revision(number)),
        _ => Err("one revision in double quotes, such as \"4711\", as a user's ETag gives it"),
    }
}

/// The first `wait` of all preferences, if it is a number.
fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    let all = headers.get_all("prefer").iter().filter_map(|value: &HeaderValue| value.to_str().ok());
    let value =
        all.flat_map(preferences).find_map(|(name, value)| name.eq_ignore_ascii_case("wait").then_some(value))?;
    if value.is_empty() || !value.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    // More digits than a number has are still more than the most.
    Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)).min(MAX_WAIT))
}

/// The preferences of one header line: name and value, without parameters.
fn preferences(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut quoted = false;
    let parts = line.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    parts.map(|preference| {
        let preference = preference.split(';').next().unwrap_or_default();
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        let value = value.trim();
        let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
        (name.trim(), bare)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    #[test]
    fn good_headers_are_read() {
        let parsed = CommandHeaders::parse(&headers(&[
            ("idempotency-key", "save-4711"),
            ("if-match", "\"4711\""),
            ("prefer", "wait=5"),
            ("postkey-actor", "staff/17"),
            ("postkey-origin", "2001:db8::1"),
            ("postkey-reason", "Anruf%20von%20Frau%20M%C3%BCller"),
        ]))
        .unwrap();
        assert_eq!(parsed.idempotency_key.as_ref().map(IdempotencyKey::as_str), Some("save-4711"));
        assert_eq!((parsed.if_match, parsed.wait), (Some(IfMatch::Revision(4711)), Some(Duration::from_secs(5))));
        assert_eq!(parsed.actor.as_ref().map(Actor::as_str), Some("staff/17"));
        assert_eq!(parsed.origin, Some("2001:db8::1".parse().unwrap()));
        assert_eq!(parsed.reason.as_ref().map(Reason::as_str), Some("Anruf von Frau Müller"));
        assert_eq!(CommandHeaders::parse(&HeaderMap::new()), Ok(CommandHeaders::default()));
        let printed = format!("{parsed:?}");
        assert!(!printed.contains("Müller") && !printed.contains("db8") && !printed.contains("staff"), "{printed}");
    }

    #[test]
    fn every_wrong_header_is_named_at_once() {
        let wrong = CommandHeaders::parse(&headers(&[
            ("idempotency-key", "a b"),
            ("if-match", "W/\"4711\""),
            ("prefer", "wait=soon"),
            ("postkey-actor", ""),
            ("postkey-origin", "localhost"),
            ("postkey-origin", "127.0.0.1"),
            ("postkey-reason", "%zz"),
        ]))
        .unwrap_err();
        let named: Vec<_> = wrong.iter().map(|v| (v.field.as_str(), v.code.as_ref())).collect();
        let expected = [
            ("Idempotency-Key", "invalid"),
            ("If-Match", "invalid"),
            ("Postkey-Actor", "invalid"),
            ("Postkey-Origin", "repeated"),
            ("Postkey-Reason", "invalid"),
        ];
        assert_eq!(named, expected);
    }

    #[test]
    fn a_revision_is_one_strong_tag_of_digits() {
        assert_eq!(if_match("*"), Ok(IfMatch::Any));
        assert_eq!(if_match("\"0\""), Ok(IfMatch::Revision(0)));
        let refused = ["4711", "\"4711", "W/\"1\"", "\"1\", \"2\"", "\"+1\"", "\"007\"", "\"\"", "\"x\"", ""];
        for refused in refused {
            assert!(if_match(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn the_first_wait_that_was_preferred_counts_and_has_a_bound() {
        let waited = |lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|line| ("prefer", *line)).collect();
            preferred_wait(&headers(&lines)).map(|wait| wait.as_secs())
        };
        assert_eq!(waited(&["respond-async, WAIT = \"7\"; x=1, wait=9"]), Some(7));
        assert_eq!(waited(&["respond-async", "wait=0"]), Some(0));
        assert_eq!(waited(&["wait=31"]), Some(30));
        assert_eq!(waited(&["wait=99999999999999999999999"]), Some(30));
        assert_eq!(waited(&["note=\"a, wait=3\", wait=4"]), Some(4));
        for ignored in ["wait", "wait=", "wait=-1", "wait=1.5", "waiting=1", ""] {
            assert_eq!(waited(&[ignored]), None, "{ignored}");
        }
    }

    #[test]
    fn texts_keep_within_their_bounds() {
        assert!(IdempotencyKey::parse(&"k".repeat(255)).is_ok() && IdempotencyKey::parse(&"k".repeat(256)).is_err());
        assert!(Actor::parse(&"a".repeat(128)).is_ok() && Actor::parse(&"a".repeat(129)).is_err());
        assert!(Reason::decode(&"%C3%A4".repeat(500)).is_ok() && Reason::decode(&"ä".repeat(501)).is_err());
        for refused in ["", "%0A", "%C2%85", "%ff", "50%"] {
            assert!(Reason::decode(refused).is_err(), "{refused}");
        }
        assert!(Actor::parse("ä").is_err());
    }
}
