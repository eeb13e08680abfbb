//! The names of a person.

use std::fmt;

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization;

use crate::Address;

/// A first or last name: NFC, 1 to 100 code points, no control characters, no blanks at its ends. Debug is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(String);

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is left without the blanks.
    #[error("a name must not be empty")]
    Empty,
    /// Over 100 code points.
    #[error("a name has at most 100 characters")]
    TooLong,
    /// A control character or a line break.
    #[error("a name must not hold control characters or line breaks")]
    Control,
}

impl Name {
    /// The most code points that a name has.
    pub const MAX_CODE_POINTS: usize = 100;
    /// What a name has to hold and must not, as a regular expression (ECMA-262): a character that is no blank; no control
    /// character, no line or paragraph separator.
    pub const PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*[^\u0000- \u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$";

    /// Reads a name: blanks at its ends are dropped, the rest is brought to NFC.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let breaks = |c| {
            use GeneralCategory::{Control, LineSeparator, ParagraphSeparator};
            matches!(get_general_category(c), Control | LineSeparator | ParagraphSeparator)
        };
        if text.chars().any(breaks) {
            return Err(NameError::Control);
        }
        let name: String = text.trim().nfc().collect();
        match name.chars().count() {
            0 => Err(NameError::Empty),
            n if n > Self::MAX_CODE_POINTS => Err(NameError::TooLong),
            _ => Ok(Self(name)),
        }
    }

    /// The name in NFC.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name(…)")
    }
}

/// All that is personal about a mailbox user: sealed under one key, erased as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The mailbox address.
    pub address: Address,
    /// The first name.
    pub first_name: Name,
    /// The last name.
    pub last_name: Name,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_nfc() {
        assert_eq!(Name::parse("  Zoe\u{308} ").map(|n| n.0), Ok("Zoë".into()));
        assert_eq!(Name::parse(&"ş".repeat(100)).map(|n| n.0), Ok("ş".repeat(100)));
    }

    #[test]
    fn what_is_no_name_is_refused_by_its_fault() {
        assert_eq!(Name::parse(" "), Err(NameError::Empty));
        assert_eq!(Name::parse(&"a".repeat(101)), Err(NameError::TooLong));
        for refused in ["a\u{0}", "a\nb", "\u{7f}", "a\u{85}", "a\u{2028}b", "\tAnn"] {
            assert_eq!(Name::parse(refused), Err(NameError::Control), "{refused:?}");
        }
    }

    #[test]
    fn a_name_prints_redacted() {
        assert!(!format!("{:?}", Name::parse("Ann")).contains("Ann"));
    }
}
