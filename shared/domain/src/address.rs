//! Domains and mailbox addresses, in the one form in which they are compared, stored and looked up.

use std::fmt;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

/// A domain in lower-case A-labels (RFC 5890), with at least two labels and at most 253 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainName(String);

/// The text is no domain that mail could be delivered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a domain: two labels or more of letters, digits and hyphens, such as acme.example, at most 253 characters"
)]
pub struct DomainNameError;

impl DomainName {
    /// The most characters that a domain has, in A-labels.
    pub const MAX_CHARACTERS: usize = 253;
    /// What is read without being brought to another form but lower case, as a regular expression (ECMA-262).
    pub const PATTERN: &str =
        r"^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$";

    /// Reads a domain as a person types it; upper case and U-labels are brought to lower-case A-labels (UTS #46).
    pub fn parse(text: &str) -> Result<Self, DomainNameError> {
        let ascii = Uts46::new()
            .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
            .map_err(|_| DomainNameError)?;
        if !ascii.contains('.') {
            return Err(DomainNameError);
        }
        Ok(Self(ascii.into_owned()))
    }

    /// The domain in A-labels.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first label, as a person would recognise it in a password.
    pub fn first_label(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A mailbox address: lower case, local part `[a-z0-9._+-]{1,64}`, a [`DomainName`]. Its debug print is redacted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    text: String,
    at: usize,
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no `@`.
    #[error("not an address: it has no @")]
    NoAt,
    /// The part before the `@` is empty, too long, or has another character.
    #[error("the part before the @ takes 1 to 64 of a-z 0-9 . _ + -")]
    Local,
    /// The part after the `@` is no domain.
    #[error("the part after the @ is {0}")]
    Domain(#[from] DomainNameError),
}

impl Address {
    /// The one spelling under which attempts at what somebody gives as an address are counted, whatever it is.
    pub fn spelling_of(text: &str) -> String {
        Self::parse(text).map_or_else(|_| text.to_lowercase(), |address| address.text)
    }

    /// The most characters that an address has.
    pub const MAX_CHARACTERS: usize = 64 + 1 + DomainName::MAX_CHARACTERS;
    /// What is read without being brought to another form but lower case, as a regular expression (ECMA-262).
    pub const PATTERN: &str = r"^[A-Za-z0-9._+-]{1,64}@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$";

    /// Reads an address as a person types it; letters are brought to lower case.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
        let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'+' | b'-');
        if local.is_empty() || local.len() > 64 || !local.bytes().all(fits) {
            return Err(AddressError::Local);
        }
        let domain = DomainName::parse(domain)?;
        Ok(Self { text: format!("{}@{domain}", local.to_ascii_lowercase()), at: local.len() })
    }

    /// `local@domain`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the `@`.
    pub fn local_part(&self) -> &str {
        &self.text[..self.at]
    }

    /// The part after the `@`.
    pub fn domain(&self) -> DomainName {
        DomainName(self.text[self.at + 1..].to_owned())
    }

    /// Whether the address lies in `domain`.
    pub fn is_in(&self, domain: &DomainName) -> bool {
        &self.text[self.at + 1..] == domain.as_str()
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_lower_case_a_labels() {
        assert_eq!(DomainName::parse("Bücher.Example").map(|d| d.0), Ok("xn--bcher-kva.example".into()));
        for refused in
            ["", "acme", "acme.example.", ".example", "a b.example", "-a.example", "a_b.example", "acme..example"]
        {
            assert_eq!(DomainName::parse(refused), Err(DomainNameError), "{refused:?}");
        }
        let long = format!("{}.example", ["a".repeat(60).as_str(); 5].join("."));
        assert_eq!(DomainName::parse(&long), Err(DomainNameError));
    }

    #[test]
    fn an_address_is_lower_case_and_knows_its_parts() {
        let address = Address::parse("Ann.Lee+mail@ACME.example").expect("an address");
        assert_eq!(address.as_str(), "ann.lee+mail@acme.example");
        assert_eq!(address.local_part(), "ann.lee+mail");
        assert!(address.is_in(&DomainName::parse("acme.example").expect("a domain")));
    }

    #[test]
    fn what_is_no_address_is_refused_by_its_part() {
        assert_eq!(Address::parse("ann"), Err(AddressError::NoAt));
        for refused in
            ["@acme.example", "a@b@acme.example", "a n@acme.example", "ä@acme.example", "a\u{0}@acme.example"]
        {
            assert_eq!(Address::parse(refused), Err(AddressError::Local), "{refused:?}");
        }
        assert_eq!(Address::parse(&format!("{}@acme.example", "a".repeat(65))), Err(AddressError::Local));
        assert_eq!(Address::parse("ann@acme"), Err(AddressError::Domain(DomainNameError)));
    }

    #[test]
    fn an_address_prints_redacted() {
        assert!(!format!("{:?}", Address::parse("ann@acme.example")).contains("ann"));
    }
}
