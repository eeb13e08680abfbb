//! The key that checkpoints are signed with, in the text forms of C2SP signed-note (c2sp.org/signed-note).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The signature type of Ed25519 in a signed note.
const ED25519: u8 = 0x01;

/// An Ed25519 key (RFC 8032) and the name that its signatures carry. Redacted in debug prints, wiped on drop.
pub struct NoteKey {
    name: String,
    key: SigningKey,
}

impl NoteKey {
    /// Draws a key. `name` has no blanks and no plus signs, as a note's key name must.
    pub fn generate(name: &str, rng: &mut dyn CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self { name: name.to_owned(), key: SigningKey::from_bytes(&seed) }
    }

    /// The key as golang.org/x/mod/sumdb/note writes it: `PRIVATE+KEY+name+hash+base64(type ‖ seed)`.
    pub fn private_text(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new([&[ED25519][..], &self.key.to_bytes()].concat());
        let encoded = Zeroizing::new(STANDARD.encode(&*bytes));
        Zeroizing::new(format!("PRIVATE+KEY+{}+{}+{}", self.name, self.hash(), *encoded))
    }

    /// What verifiers need: `name+hash+base64(type ‖ public key)`.
    pub fn public_text(&self) -> String {
        format!("{}+{}+{}", self.name, self.hash(), STANDARD.encode(self.public_bytes()))
    }

    fn public_bytes(&self) -> Vec<u8> {
        [&[ED25519][..], self.key.verifying_key().as_bytes()].concat()
    }

    /// The key id: the first four bytes of SHA-256(name ‖ `\n` ‖ type ‖ public key), in hexadecimal.
    fn hash(&self) -> String {
        let digest =
            Sha256::new().chain_update(&self.name).chain_update(b"\n").chain_update(self.public_bytes()).finalize();
        digest[..4].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteKey({})", self.name)
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
