//! Sealing a part: XChaCha20-Poly1305 with a commitment to the key.

use std::fmt;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// XChaCha20's nonce (draft-irtf-cfrg-xchacha-03 §2): long enough to be drawn at random for every box.
const NONCE: usize = 24;
/// What a box commits to its key with: half of the 64 bytes that HKDF gives.
const COMMITMENT: usize = 32;
/// What the derivation is for (RFC 5869 §3.2).
const INFO: &[u8] = b"postkey part v1";

/// The key of one sealed part, or of all that is personal about one user. Redacted in debug prints, wiped on drop.
#[derive(Clone)]
pub struct PartKey(Zeroizing<[u8; 32]>);

/// The box was sealed under another key, for another place, or has been changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed part does not open: another key, another place, or changed bytes")]
pub struct NotOurs;

impl PartKey {
    /// Draws a key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *key);
        Self(key)
    }

    /// Takes key bytes as they are.
    pub const fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The key bytes, for wrapping.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals `plain` for the place that `associated` names: nonce (24 bytes) ‖ commitment (32) ‖ ciphertext and tag.
    ///
    /// Encryption key and commitment are the halves of HKDF-SHA256 (RFC 5869) over this key with the nonce as its salt.
    /// Poly1305 alone commits to no key: without the commitment one box could open to two texts under two keys.
    pub fn seal(&self, plain: &[u8], associated: &[u8], rng: &mut dyn CryptoRng) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        let (key, commitment) = self.derive(&nonce);
        let payload = Payload { msg: plain, aad: associated };
        let sealed = XChaCha20Poly1305::new((&*key).into())
            .encrypt(&XNonce::from(nonce), payload)
            .unwrap_or_else(|_| unreachable!("a part is far below the cipher's 256 GiB"));
        [&nonce[..], &commitment[..], &sealed].concat()
    }

    /// Opens what [`PartKey::seal`] sealed for the same place.
    ///
    /// # Errors
    /// Where anything about the box, the key or the place differs.
    pub fn open(&self, sealed: &[u8], associated: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotOurs> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or(NotOurs)?;
        let (given, ciphertext) = rest.split_first_chunk::<COMMITMENT>().ok_or(NotOurs)?;
        let (key, commitment) = self.derive(nonce);
        if !bool::from(given.ct_eq(&*commitment)) {
            return Err(NotOurs);
        }
        let payload = Payload { msg: ciphertext, aad: associated };
        let plain = XChaCha20Poly1305::new((&*key).into()).decrypt(&XNonce::from(*nonce), payload);
        plain.map(Zeroizing::new).map_err(|_| NotOurs)
    }

    fn derive(&self, nonce: &[u8; NONCE]) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; COMMITMENT]>) {
        let mut okm = Zeroizing::new([0; 64]);
        Hkdf::<Sha256>::new(Some(nonce), &*self.0)
            .expand(INFO, &mut *okm)
            .unwrap_or_else(|_| unreachable!("64 bytes are below HKDF's 8160"));
        let (mut key, mut commitment) = (Zeroizing::new([0; 32]), Zeroizing::new([0; COMMITMENT]));
        key.copy_from_slice(&okm[..32]);
        commitment.copy_from_slice(&okm[32..]);
        (key, commitment)
    }
}

impl fmt::Debug for PartKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PartKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use getrandom::SysRng;
    use rand_core::UnwrapErr;

    use super::*;

    #[test]
    fn a_part_opens_under_its_key_at_its_place_only() {
        let rng = &mut UnwrapErr(SysRng);
        let key = PartKey::generate(rng);
        let sealed = key.seal(b"plain", b"here", rng);
        assert_eq!(key.open(&sealed, b"here").as_deref(), Ok(&b"plain".to_vec()));
        assert_eq!(key.open(&sealed, b"there"), Err(NotOurs));
        assert_eq!(PartKey::generate(rng).open(&sealed, b"here"), Err(NotOurs));
        for i in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[i] ^= 1;
            assert_eq!(key.open(&changed, b"here"), Err(NotOurs), "byte {i}");
            assert_eq!(key.open(&sealed[..i], b"here"), Err(NotOurs), "cut at {i}");
        }
    }

    #[test]
    fn two_boxes_of_one_text_differ() {
        let rng = &mut UnwrapErr(SysRng);
        let key = PartKey::generate(rng);
        assert_ne!(key.seal(b"plain", b"", rng), key.seal(b"plain", b"", rng));
    }

    #[test]
    fn a_key_prints_redacted() {
        assert_eq!(format!("{:?}", PartKey::from_bytes(Zeroizing::new([7; 32]))), "PartKey(…)");
    }
}
