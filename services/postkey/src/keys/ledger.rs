//! `postkey keys rotate --ledger-key-file FILE`: another key signs the log's checkpoints from now on.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use ledger::{NoteKey, VerifierKey};
use postkey_http::EntropyRng;
use zeroize::Zeroizing;

use crate::edges::SystemEntropy;
use crate::failure::Failure;
use crate::journal::print;
use crate::ledger_files::LedgerFolder;

/// Draws a key of the same name and puts it before the others, after its public half stands in `public-key`: whatever a
/// running projection signs with it, verifiers can have the key for.
pub fn rotate(key_file: PathBuf) -> Result<(), Failure> {
    let folder = LedgerFolder::of(key_file);
    let keys = folder.keys()?;
    let Some(current) = keys.first() else { return Err(Failure::failed("there is no key to replace")) };
    let new = NoteKey::generate(current.name(), &mut EntropyRng::new(Arc::new(SystemEntropy)));
    let public = with_public(&folder, &keys, &new)?;
    LedgerFolder::write(&folder.public_key(), &public)?;
    let private = std::iter::once(&new).chain(&keys).map(NoteKey::private_text);
    let private = Zeroizing::new(private.map(|text| format!("{}\n", *text)).collect::<String>());
    LedgerFolder::write(folder.key(), &private)?;
    print(format_args!("new public key  {}", new.public_text()))?;
    print(format_args!(
        "the next checkpoint carries the signatures of both keys; once it is signed, the last lines of {} may go: {}",
        folder.key().display(),
        "whoever has only the old public key follows by that checkpoint"
    ))
}

/// The public keys of before, and the new one last.
fn with_public(folder: &LedgerFolder, keys: &[NoteKey], new: &NoteKey) -> Result<String, Failure> {
    let path = folder.public_key();
    let before = match fs::read_to_string(&path) {
        Ok(text) => VerifierKey::parse_all(&text).map_err(|error| {
            Failure::failed(format!("{}: {error}; restore it from your backup, or remove it", path.display()))
        })?,
        // It follows from the private ones.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            keys.iter().rev().map(|key| key.verifier().clone()).collect()
        }
        Err(error) => return Err(Failure::io(&path, &error)),
    };
    Ok(before.iter().chain([new.verifier()]).map(|key| format!("{key}\n")).collect())
}
