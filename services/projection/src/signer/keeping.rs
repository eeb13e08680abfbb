//! What is kept of earlier checkpoints, and what is to be signed next.

use keys::KeptCrossing;
use ledger::{Checkpoint, NoteError, NoteKey, Opened, VerifierKey, open, peek, sign};

use super::tree::Tree;
use super::{Hindrance, Signing};

/// A checkpoint that is ours.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The signed note.
    pub note: String,
    /// What it says.
    pub checkpoint: Checkpoint,
}

/// A checkpoint that is to be kept.
pub struct Next {
    /// The checkpoint.
    pub kept: Kept,
    /// The keys that it goes over from and to.
    pub crossings: Vec<KeptCrossing>,
}

/// What is kept at one moment.
pub struct Keeping {
    /// None where this process signs nothing.
    keys: Vec<NoteKey>,
    /// The newest in the key store.
    pub newest: Option<Kept>,
    /// Who of `keys` has signed that: the newest of them.
    signed_by: Option<usize>,
    filed: Option<Kept>,
}

impl Keeping {
    /// Looks at key store and files.
    pub async fn look(signing: &Signing) -> Result<Self, Hindrance> {
        let Some(files) = &signing.files else { return Self::look_only(signing).await };
        let keys = files.keys().await.map_err(Hindrance::Later)?;
        let trusted: Vec<_> = keys.iter().map(|key| key.verifier().clone()).collect();
        // In this order: the file's is then never newer for another reason than that the store went back.
        let filed = files.checkpoint().await.map_err(Hindrance::Later)?;
        let filed = filed.map(|note| opened(note, &trusted, "the checkpoint beside the ledger key")).transpose()?;
        let newest = signing.checkpoints.newest().await?;
        let newest = newest.map(|note| opened(note, &trusted, "the newest checkpoint in the key store")).transpose()?;
        let signed_by = newest.as_ref().and_then(|(_, signers)| trusted.iter().position(|key| signers.contains(key)));
        Ok(Self { keys, newest: newest.map(|(kept, _)| kept), signed_by, filed: filed.map(|(kept, _)| kept) })
    }

    /// Without a key, whose a signature is can't be told: whoever reads the checkpoint can.
    async fn look_only(signing: &Signing) -> Result<Self, Hindrance> {
        let newest = signing.checkpoints.newest().await?.map(|note| {
            let checkpoint = peek(&note).map_err(|error| {
                Hindrance::Wrong(format!("what the key store holds as the newest checkpoint is none: {error}"))
            })?;
            Ok::<_, Hindrance>(Kept { note, checkpoint })
        });
        Ok(Self { keys: Vec::new(), newest: newest.transpose()?, signed_by: None, filed: None })
    }

    /// The newest checkpoint of the key store, as it stands there.
    pub fn newest_note(&self) -> Option<&str> {
        self.newest.as_ref().map(|kept| kept.note.as_str())
    }

    /// What the newest of the key store says.
    pub fn stored(&self) -> Option<&Checkpoint> {
        self.newest.as_ref().map(|kept| &kept.checkpoint)
    }

    /// What that in the file says.
    pub fn filed(&self) -> Option<&Checkpoint> {
        self.filed.as_ref().map(|kept| &kept.checkpoint)
    }

    /// That in the file, as it stands there.
    pub fn filed_note(&self) -> Option<&str> {
        self.filed.as_ref().map(|kept| kept.note.as_str())
    }

    /// That the key store is older than the file, if it is: what is in the file was in the store first.
    pub fn restored(&self) -> Option<String> {
        let filed = self.filed()?.size;
        let stored = self.stored().map_or(0, |checkpoint| checkpoint.size);
        (stored < filed).then(|| {
            format!(
                "the key store was restored from an older copy: its newest checkpoint was of {stored} entries, and one of \
                 {filed} was signed; restore the newest copy, or, if there is none, see that keys that were destroyed since \
                 are destroyed again, and start this service again"
            )
        })
    }

    /// What is to be signed and kept, of a tree that continues all that is kept: nothing where the newest holds all of it
    /// and carries the newest key's signature, and nothing without a key.
    pub fn next(&self, tree: &Tree<'_>) -> Option<Next> {
        let current = self.keys.first()?;
        let whole = self.stored().is_some_and(|stored| stored.size == tree.size);
        if whole && self.signed_by == Some(0) {
            return None;
        }
        // Every key from the one that has signed last to the newest: whoever trusts any of them can follow.
        let from = self.signed_by.unwrap_or(self.keys.len() - 1);
        let signers: Vec<_> = self.keys.iter().take(from + 1).collect();
        let checkpoint = Checkpoint { origin: current.name().to_owned(), size: tree.size, root: tree.root };
        let note = sign(&checkpoint, &signers);
        let crossings = signers
            .windows(2)
            .map(|pair| KeptCrossing { note: note.clone(), old: pair[1].public_text(), new: pair[0].public_text() })
            .collect();
        Some(Next { kept: Kept { note, checkpoint }, crossings })
    }
}

fn opened(note: String, trusted: &[VerifierKey], what: &str) -> Result<(Kept, Vec<VerifierKey>), Hindrance> {
    match open(&note, trusted) {
        Ok(Opened { checkpoint, signed_by }) => Ok((Kept { note, checkpoint }, signed_by)),
        Err(error @ NoteError::NotSigned) => Err(Hindrance::Wrong(format!(
            "{what} is not signed by a key of the ledger key file ({error}): put the key that signed it back into that file"
        ))),
        Err(error) => {
            Err(Hindrance::Wrong(format!("{what} is not what was signed: {error}; restore it from your backup")))
        }
    }
}
