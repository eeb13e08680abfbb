//! Who may sign in to the panel.

use std::fmt;

use domain::{CredentialHash, Customer};
use uuid::Uuid;

/// The name that somebody signs in with: 1 to 64 characters of `a-z0-9._@+-`, so an e-mail address will do. What is typed is
/// trimmed, and lower-cased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountName(String);

/// The text is no name of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an account's name is 1 to 64 characters of a to z, digits, and . _ @ + -")]
pub struct AccountNameError;

impl AccountName {
    /// Reads a name as it was typed.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(typed: &str) -> Result<Self, AccountNameError> {
        let name = typed.trim().to_ascii_lowercase();
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"._@+-".contains(&c);
        if (1..=64).contains(&name.len()) && name.bytes().all(plain) { Ok(Self(name)) } else { Err(AccountNameError) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An account that may sign in.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id, which the audit log names as who acted; it says nothing of the person.
    pub id: Uuid,
    /// Its name.
    pub name: AccountName,
    /// Whose services it sees.
    pub customer: Customer,
    /// Its password's hash. Never shown: [`CredentialHash`] can't be printed.
    pub hash: CredentialHash,
}

/// An account as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedAccount {
    /// Its name.
    pub name: AccountName,
    /// Whose services it sees.
    pub customer: Customer,
    /// Whether it may sign in no more.
    pub disabled: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_people_type() {
        assert_eq!(AccountName::parse(" Ann@Acme.example ").unwrap().as_str(), "ann@acme.example");
        for wrong in ["", " ", "a b", "ä", "a\n", &"a".repeat(65), "a;b"] {
            let parsed = AccountName::parse(wrong);
            // A newline at the end is trimmed like a blank.
            assert!(parsed.is_err() || wrong == "a\n", "{wrong:?}");
        }
    }
}
