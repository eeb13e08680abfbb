//! The keys that verifiers trust, as C2SP signed-note and golang.org/x/mod/sumdb/note write them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

/// The signature type of Ed25519 in a signed note.
pub(crate) const ED25519: u8 = 0x01;
/// How long a key's name may be, in bytes.
const MAX_NAME: usize = 255;

/// Why a text is no key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyError {
    /// It is not written as keys are.
    #[error("not a key: a verifier key is written name+hash+base64, and a private one PRIVATE+KEY+name+hash+base64")]
    Form,
    /// Its hash is not that of its name and key: some of it was altered, or lost on the way.
    #[error("the key's hash does not belong to its name and key: it has been altered")]
    Hash,
    /// It is not Ed25519, or no sound key of it.
    #[error("the key is not a sound Ed25519 key")]
    Kind,
    /// A file of keys has none.
    #[error("there is no key in it")]
    NoKey,
}

/// The public half of a key that checkpoints are signed with, and its name. Keys that are equal have equal texts.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: VerifyingKey,
    id: [u8; 4],
}

impl VerifierKey {
    pub(crate) fn new(name: &str, key: VerifyingKey) -> Self {
        let digest = Sha256::new().chain_update(name).chain_update(b"\n").chain_update(bytes(&key)).finalize();
        Self { name: name.to_owned(), key, id: [digest[0], digest[1], digest[2], digest[3]] }
    }

    /// Reads `name+hash+base64(type ‖ public key)`, without blanks around it.
    ///
    /// # Errors
    /// [`KeyError`]; also where the hash is not that of the rest.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, hash, encoded) = fields(text)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| KeyError::Form)?;
        let key = match bytes.split_first() {
            Some((&ED25519, key)) => key.try_into().map_err(|_| KeyError::Kind)?,
            _ => return Err(KeyError::Kind),
        };
        let key = VerifyingKey::from_bytes(key).map_err(|_| KeyError::Kind)?;
        if key.is_weak() {
            return Err(KeyError::Kind);
        }
        let parsed = Self::new(name, key);
        if parsed.hash() == hash { Ok(parsed) } else { Err(KeyError::Hash) }
    }

    /// Reads a file of keys: one a line, at least one; empty lines are passed over.
    ///
    /// # Errors
    /// Where one line is no key, or there is none.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, KeyError> {
        let keys: Vec<_> = lines(text).map(Self::parse).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(KeyError::NoKey) } else { Ok(keys) }
    }

    /// Its name, which its signatures carry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key id, in hexadecimal: the first four bytes of SHA-256(name ‖ `\n` ‖ type ‖ public key).
    pub fn hash(&self) -> String {
        self.id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) const fn id(&self) -> [u8; 4] {
        self.id
    }

    /// Whether `signature` is this key's over `text` (RFC 8032; no key or point of small order).
    pub(crate) fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        let Ok(signature) = Signature::from_slice(signature) else { return false };
        self.key.verify_strict(text.as_bytes(), &signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, self.hash(), STANDARD.encode(bytes(&self.key)))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

fn bytes(key: &VerifyingKey) -> Vec<u8> {
    [&[ED25519][..], key.as_bytes()].concat()
}

/// The lines of a file of keys.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty())
}

/// `name+hash+base64`, taken apart. Base64 may have plus signs of its own.
pub(crate) fn fields(text: &str) -> Result<(&str, &str, &str), KeyError> {
    let mut fields = text.splitn(3, '+');
    let (Some(name), Some(hash), Some(encoded)) = (fields.next(), fields.next(), fields.next()) else {
        return Err(KeyError::Form);
    };
    // A key of ours never has another, and a name is printed.
    let sound = is_name(name) && name.len() <= MAX_NAME && !name.contains(char::is_control);
    if sound { Ok((name, hash, encoded)) } else { Err(KeyError::Form) }
}

/// Whether a text can be a key's name: not empty, no Unicode blanks, no plus (C2SP signed-note).
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+')
}
