//! Signed notes: checkpoints with their signatures (C2SP signed-note).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::note_key::NoteKey;
use crate::verifier_key::{VerifierKey, is_name};

/// What a signature line begins with: an em dash and a blank.
const SIGNATURE: &str = "— ";
/// How long a note may be, in bytes: room for the 16 signatures of 5 kB that a verifier has to accept, several times over.
const MAX_NOTE: usize = 1_000_000;
/// How many signatures a note may have.
const MAX_SIGNATURES: usize = 100;

/// A note that was opened: what it says, and who of those that are trusted signed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// Those of the given keys whose signatures it carries, each once, in the note's order. Never empty.
    pub signed_by: Vec<VerifierKey>,
}

/// Why a note is not believed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoteError {
    /// It is longer than any sound note, or has more signatures.
    #[error("the checkpoint is too long, or has too many signatures")]
    TooLong,
    /// It is not written as signed notes are.
    #[error("not a signed note: a text, an empty line, and lines of signatures")]
    Form,
    /// A signature claims to be of a key that is trusted, and is not.
    #[error("the signature of {0} is not valid: the checkpoint was altered, or signed by somebody else")]
    BadSignature(String),
    /// No key that is trusted has signed it.
    #[error("the checkpoint carries no signature of a key that is trusted")]
    NotSigned,
    /// It is signed, and says no checkpoint.
    #[error("{0}")]
    Checkpoint(#[from] CheckpointError),
    /// It is signed by a key that speaks for another log.
    #[error("the checkpoint is of {origin}, and was signed by the key of {signer}")]
    OtherLog {
        /// Whose log it says it is of.
        origin: String,
        /// The name of the key that signed it.
        signer: String,
    },
}

/// The checkpoint as a signed note, with a signature of each key, in the given order.
pub fn sign(checkpoint: &Checkpoint, keys: &[&NoteKey]) -> String {
    let text = checkpoint.text();
    let mut note = format!("{text}\n");
    for key in keys {
        let signature = STANDARD.encode([&key.verifier().id()[..], &key.sign(&text)].concat());
        note.push_str(&format!("{SIGNATURE}{} {signature}\n", key.name()));
    }
    note
}

/// Opens a checkpoint that at least one of `trusted` has signed.
///
/// Signatures of keys that are not among them are passed over, also where name or id alone is that of one. Every
/// signature that is by name and id of one of them has to be valid, repeated ones too. Who signed has to be named as the
/// origin is: a key speaks for its own log only.
///
/// # Errors
/// Why it is not believed.
pub fn open(note: impl AsRef<[u8]>, trusted: &[VerifierKey]) -> Result<Opened, NoteError> {
    let (text, signatures) = parted(note.as_ref())?;
    let mut signed_by: Vec<VerifierKey> = Vec::new();
    for (count, line) in signatures.split('\n').enumerate() {
        if count == MAX_SIGNATURES {
            return Err(NoteError::TooLong);
        }
        let (name, id, signature) = signature_of(line).ok_or(NoteError::Form)?;
        let Some(key) = trusted.iter().find(|key| key.name() == name && key.id() == id) else { continue };
        if !key.verifies(text, &signature) {
            return Err(NoteError::BadSignature(name.to_owned()));
        }
        if !signed_by.contains(key) {
            signed_by.push(key.clone());
        }
    }
    if signed_by.is_empty() {
        return Err(NoteError::NotSigned);
    }
    let checkpoint = Checkpoint::parse(text)?;
    match signed_by.iter().find(|key| key.name() != checkpoint.origin) {
        Some(key) => Err(NoteError::OtherLog { origin: checkpoint.origin, signer: key.name().to_owned() }),
        None => Ok(Opened { checkpoint, signed_by }),
    }
}

/// What a note says that it is a checkpoint of, whoever may have written it: to hand it on, and never to believe it.
///
/// # Errors
/// Where it is no note, or says no checkpoint.
pub fn peek(note: impl AsRef<[u8]>) -> Result<Checkpoint, NoteError> {
    let (text, _) = parted(note.as_ref())?;
    Ok(Checkpoint::parse(text)?)
}

/// A note's text, with its last newline, and the lines of its signatures, without theirs.
fn parted(bytes: &[u8]) -> Result<(&str, &str), NoteError> {
    if bytes.len() > MAX_NOTE {
        return Err(NoteError::TooLong);
    }
    let note = str::from_utf8(bytes).map_err(|_| NoteError::Form)?;
    if note.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(NoteError::Form);
    }
    // The text ends with its newline; the last empty line parts it from the signatures.
    let parting = note.rfind("\n\n").ok_or(NoteError::Form)?;
    let signatures = note[parting + 2..].strip_suffix('\n').ok_or(NoteError::Form)?;
    Ok((&note[..=parting], signatures))
}

/// A signature line: name, key id, and the signature itself, which is not empty.
fn signature_of(line: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, encoded) = line.strip_prefix(SIGNATURE)?.split_once(' ')?;
    let bytes = STANDARD.decode(encoded).ok()?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    (is_name(name) && !signature.is_empty()).then(|| (name, *id, signature.to_vec()))
}
