//! What a search for users looks in and for: one rule for both, computed here and not in any database.

use std::fmt;

use domain::Person;
use domain::text::fold;

/// The text that a search looks in: both names as a person says them, and the address behind a line break, which no needle
/// holds, so that none is found across the two.
pub fn text_of(person: &Person) -> String {
    let Person { address, first_name, last_name } = person;
    fold(&format!("{} {}\n{}", first_name.as_str(), last_name.as_str(), address.as_str())).to_string()
}

/// What is searched for: a part of a name, of both (`first last`) or of an address, as it is, without case and accents
/// ([`fold`]). Debug is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Needle(String);

/// Why a text can't be searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NeedleError {
    /// It is empty, or holds nothing but accents.
    #[error("at least one character that is more than an accent; leave it out for all users")]
    Empty,
    /// Longer than any address.
    #[error("at most {} characters", Needle::MAX_CODE_POINTS)]
    TooLong,
    /// No name and no address holds one.
    #[error("no control characters")]
    Control,
}

impl Needle {
    /// The most code points that are searched for.
    pub const MAX_CODE_POINTS: usize = 255;

    /// Reads what a person has typed. Blanks count, and so does everything that means something elsewhere, such as `%`.
    ///
    /// # Errors
    /// See [`NeedleError`].
    pub fn parse(text: &str) -> Result<Self, NeedleError> {
        if text.chars().any(char::is_control) {
            return Err(NeedleError::Control);
        }
        if text.chars().count() > Self::MAX_CODE_POINTS {
            return Err(NeedleError::TooLong);
        }
        let folded = fold(text);
        if folded.is_empty() { Err(NeedleError::Empty) } else { Ok(Self(folded.to_string())) }
    }

    /// The folded text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Needle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Needle(…)")
    }
}

#[cfg(test)]
mod tests {
    use domain::{Address, Name};

    use super::*;

    fn is_found(needle: &str) -> bool {
        let name = |text| Name::parse(text).unwrap();
        let address = Address::parse("isil.oz_1@acme.example").unwrap();
        let person = Person { address, first_name: name("Işıl"), last_name: name("Öz%Straße") };
        text_of(&person).contains(Needle::parse(needle).unwrap().as_str())
    }

    #[test]
    fn a_part_of_a_name_of_both_or_of_the_address_is_found_whatever_its_case_and_accents() {
        for needle in
            ["Işıl", "isil", "IŞIL", "ışı", "İSİL", "oz%", "STRASSE", "straße", "l Ö", "Isil Oz", "z_1@ACME", "."]
        {
            assert!(is_found(needle), "{needle}");
        }
    }

    #[test]
    fn nothing_else_is_found() {
        for needle in ["i%l", "z__1", "isil  oz", "oz isil", "*", "strasse isil", "strasseisil", " isil", "\\"] {
            assert!(!is_found(needle), "{needle}");
        }
    }

    #[test]
    fn what_can_be_no_part_of_a_name_or_an_address_is_refused() {
        for (text, error) in [
            ("", NeedleError::Empty),
            ("\u{301}\u{307}", NeedleError::Empty),
            ("a\0", NeedleError::Control),
            ("strasse\nisil", NeedleError::Control),
            ("\u{85}", NeedleError::Control),
            (&"ş".repeat(256), NeedleError::TooLong),
        ] {
            assert_eq!(Needle::parse(text), Err(error), "{text:?}");
        }
        assert!(Needle::parse(&"ş".repeat(255)).is_ok());
    }

    #[test]
    fn what_is_searched_for_prints_redacted() {
        assert!(!format!("{:?}", Needle::parse("Ann").unwrap()).to_lowercase().contains("ann"));
    }
}
