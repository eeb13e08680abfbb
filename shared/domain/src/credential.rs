//! What the domain holds of a password: the finished hash and the policy that judged it.

use std::fmt;

use zeroize::Zeroizing;

/// An argon2id hash as a PHC string (`$argon2id$v=19$m=…,t=…,p=…$salt$hash`). Redacted in debug prints, wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialHash(Zeroizing<String>);

/// The text is no argon2id PHC string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an argon2id hash in PHC string format")]
pub struct CredentialHashError;

impl CredentialHash {
    /// The longest PHC string taken, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Takes a PHC string. Its parameters are read where it is verified.
    pub fn parse(phc: String) -> Result<Self, CredentialHashError> {
        let phc = Zeroizing::new(phc);
        let plain = phc.bytes().all(|c| c.is_ascii_graphic());
        if phc.len() > Self::MAX_BYTES || !plain || !phc.starts_with("$argon2id$") {
            return Err(CredentialHashError);
        }
        Ok(Self(phc))
    }

    /// The PHC string: for a mail server's lookup and for verification, for no log line and no answer to a panel.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CredentialHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialHash(…)")
    }
}

/// The name and version of the policy that a password was judged by, such as `standard-1`: `[a-z0-9.-]{1,32}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyVersion(String);

/// The text is no policy version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a policy version takes 1 to 32 of a-z 0-9 . -")]
pub struct PolicyVersionError;

impl PolicyVersion {
    /// Reads a policy version.
    pub fn parse(text: &str) -> Result<Self, PolicyVersionError> {
        let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'-');
        if text.is_empty() || text.len() > 32 || !text.bytes().all(fits) {
            return Err(PolicyVersionError);
        }
        Ok(Self(text.to_owned()))
    }

    /// The version as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_argon2id_and_prints_redacted() {
        let hash = CredentialHash::parse("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA".into()).expect("a hash");
        assert_eq!(format!("{hash:?}"), "CredentialHash(…)");
        for refused in ["", "$argon2i$v=19$x", "$2y$10$abc", "$argon2id$ ", "$argon2id$\n"] {
            assert_eq!(CredentialHash::parse(refused.into()), Err(CredentialHashError), "{refused:?}");
        }
    }

    #[test]
    fn a_policy_version_is_plain() {
        assert!(PolicyVersion::parse("standard-1").is_ok());
        for refused in ["", "Standard", "a b", &"a".repeat(33)] {
            assert_eq!(PolicyVersion::parse(refused), Err(PolicyVersionError));
        }
    }
}
