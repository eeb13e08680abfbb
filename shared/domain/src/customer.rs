//! Whose a service is.

use std::fmt;

/// A customer of the hosting company: `[A-Za-z0-9._-]{1,64}`, an opaque id of the panel's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Customer(String);

/// The text is no customer id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a customer id takes 1 to 64 of A-Z a-z 0-9 . _ -")]
pub struct CustomerError;

impl Customer {
    /// What an id is, as a regular expression (ECMA-262).
    pub const PATTERN: &str = "^[A-Za-z0-9._-]{1,64}$";

    /// Reads a customer id; case matters.
    pub fn parse(text: &str) -> Result<Self, CustomerError> {
        let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        if text.is_empty() || text.len() > 64 || !text.bytes().all(fits) {
            return Err(CustomerError);
        }
        Ok(Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_id_is_plain_ascii() {
        assert!(Customer::parse("acme-1.EU_x").is_ok());
        for refused in ["", "*", "a b", "a/b", "ä", &"a".repeat(65)] {
            assert_eq!(Customer::parse(refused), Err(CustomerError), "{refused:?}");
        }
    }
}
