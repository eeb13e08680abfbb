//! The key that checkpoints are signed with, in the text forms of C2SP signed-note (c2sp.org/signed-note).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::verifier_key::{ED25519, KeyError, VerifierKey, fields, lines};

/// What a private key's text begins with.
const PRIVATE: &str = "PRIVATE+KEY+";

/// An Ed25519 key (RFC 8032) and the name that its signatures carry. Redacted in debug prints, wiped on drop.
pub struct NoteKey {
    key: SigningKey,
    public: VerifierKey,
}

impl NoteKey {
    /// Draws a key. `name` has no blanks and no plus signs, as a note's key name must.
    pub fn generate(name: &str, rng: &mut dyn CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self::new(name, &seed)
    }

    fn new(name: &str, seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let public = VerifierKey::new(name, key.verifying_key());
        Self { key, public }
    }

    /// Reads what [`NoteKey::private_text`] wrote, without blanks around it.
    ///
    /// # Errors
    /// [`KeyError`]; also where the hash is not that of the rest.
    pub fn from_private_text(text: &str) -> Result<Self, KeyError> {
        let (name, hash, encoded) = fields(text.strip_prefix(PRIVATE).ok_or(KeyError::Form)?)?;
        let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| KeyError::Form)?);
        let seed = match bytes.split_first() {
            Some((&ED25519, seed)) => seed.try_into().map_err(|_| KeyError::Kind)?,
            _ => return Err(KeyError::Kind),
        };
        let key = Self::new(name, seed);
        if key.public.hash() == hash { Ok(key) } else { Err(KeyError::Hash) }
    }

    /// Reads a file of private keys: one a line, the newest first, at least one; empty lines are passed over.
    ///
    /// # Errors
    /// Where one line is no key, or there is none.
    pub fn from_private_texts(text: &str) -> Result<Vec<Self>, KeyError> {
        let keys: Vec<_> = lines(text).map(Self::from_private_text).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(KeyError::NoKey) } else { Ok(keys) }
    }

    /// The name that its signatures carry, and the origin of the checkpoints that it signs.
    pub fn name(&self) -> &str {
        self.public.name()
    }

    /// What verifiers need.
    pub const fn verifier(&self) -> &VerifierKey {
        &self.public
    }

    /// The key as golang.org/x/mod/sumdb/note writes it: `PRIVATE+KEY+name+hash+base64(type ‖ seed)`.
    pub fn private_text(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new([&[ED25519][..], &self.key.to_bytes()].concat());
        let encoded = Zeroizing::new(STANDARD.encode(&*bytes));
        Zeroizing::new(format!("{PRIVATE}{}+{}+{}", self.name(), self.public.hash(), *encoded))
    }

    /// What verifiers need, as text: `name+hash+base64(type ‖ public key)`.
    pub fn public_text(&self) -> String {
        self.public.to_string()
    }

    pub(crate) fn sign(&self, text: &str) -> [u8; 64] {
        self.key.sign(text.as_bytes()).to_bytes()
    }
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteKey({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use rand_core::{TryCryptoRng, TryRng};

    use super::*;

    struct Zeros;

    impl TryRng for Zeros {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            Ok(0)
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            Ok(0)
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
            bytes.fill(0);
            Ok(())
        }
    }

    impl TryCryptoRng for Zeros {}

    /// Computed from RFC 8032 and the definition of the key id by an independent script.
    #[test]
    fn a_key_is_written_as_notes_write_keys() {
        let key = NoteKey::generate("postkey.test/log", &mut Zeros);
        let public = "postkey.test/log+8fc83126+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
        let private = "PRIVATE+KEY+postkey.test/log+8fc83126+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert_eq!(key.public_text(), public);
        assert_eq!(*key.private_text(), private);
        assert_eq!(format!("{key:?}"), "NoteKey(postkey.test/log)");
    }
}
