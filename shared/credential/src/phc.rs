//! Hashes as PHC strings: `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`.

use std::fmt::Write;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Params, Version};
use domain::CredentialHash;
use zeroize::Zeroizing;

use crate::parameters::{OUTPUT_BYTES, Parameters, SALT_BYTES};

/// A stored hash, read.
pub(crate) struct Stored {
    pub parameters: Parameters,
    pub salt: Salt,
    pub output: Zeroizing<Vec<u8>>,
}

/// The text is no hash that we compute: another algorithm or version, parameters out of bounds, salt or hash missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Reads a stored hash, of any parameters within the bounds of [`Parameters`] and of version 19 (0x13), the only one of
/// RFC 9106.
pub(crate) fn read(hash: &CredentialHash) -> Result<Stored, Unreadable> {
    let phc = PasswordHash::new(hash.expose()).map_err(|_| Unreadable)?;
    if phc.algorithm != ARGON2ID_IDENT || phc.version != Some(Version::V0x13 as u32) {
        return Err(Unreadable);
    }
    // An absent parameter would silently be argon2's default.
    if ["m", "t", "p"].into_iter().any(|name| phc.params.get_decimal(name).is_none()) {
        return Err(Unreadable);
    }
    let params = Params::try_from(&phc).map_err(|_| Unreadable)?;
    let (salt, output) = phc.salt.zip(phc.hash).ok_or(Unreadable)?;
    Ok(Stored {
        parameters: Parameters::bounded(params).map_err(|_| Unreadable)?,
        salt,
        output: Zeroizing::new(output.as_bytes().to_vec()),
    })
}

/// Writes a hash of ours. `None` only where a library that checks lengths refused ours, which a test rules out.
pub(crate) fn write(
    parameters: &Parameters,
    salt: &[u8; SALT_BYTES],
    output: &[u8; OUTPUT_BYTES],
) -> Option<CredentialHash> {
    let phc = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13 as u32),
        params: ParamsString::try_from(parameters.as_argon2()).ok()?,
        salt: Some(Salt::new(salt).ok()?),
        hash: Some(Output::new(output).ok()?),
    };
    let mut text = String::with_capacity(CredentialHash::MAX_BYTES);
    write!(text, "{phc}").ok()?;
    CredentialHash::parse(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Stored, Unreadable> {
        read(&CredentialHash::parse(text.into()).expect("a hash"))
    }

    #[test]
    fn a_hash_is_written_and_read_as_it_was() {
        let written = write(&Parameters::OWASP, &[7; SALT_BYTES], &[9; OUTPUT_BYTES]).expect("a hash");
        assert_eq!(
            written.expose(),
            "$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk"
        );
        let stored = read(&written).expect("ours");
        assert_eq!(stored.parameters, Parameters::OWASP);
        assert_eq!((stored.salt.as_ref(), stored.output.as_slice()), (&[7; 16][..], &[9; 32][..]));
    }

    #[test]
    fn what_we_would_not_compute_is_unreadable() {
        for text in [
            "$argon2id$",
            "$argon2id$v=19$m=19456,t=2,p=1",
            "$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw",
            "$argon2id$v=16$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$CQkJCQkJCQkJCQkJCQkJCQ",
            "$argon2id$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$CQkJCQkJCQkJCQkJCQkJCQ",
            "$argon2id$v=19$m=4194304,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$CQkJCQkJCQkJCQkJCQkJCQ",
            "$argon2id$v=19$m=19456,t=200,p=1$BwcHBwcHBwcHBwcHBwcHBw$CQkJCQkJCQkJCQkJCQkJCQ",
            "$argon2id$v=19$m=19456,p=1$BwcHBwcHBwcHBwcHBwcHBw$CQkJCQkJCQkJCQkJCQkJCQ",
            "$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$not*base64",
        ] {
            assert_eq!(parse(text).err(), Some(Unreadable), "{text}");
        }
    }
}
