//! The port to where a ledger's newest checkpoint is kept.

use async_trait::async_trait;

use crate::Unavailable;

/// That a ledger's key was replaced, as texts: the checkpoint that both keys signed, and the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCrossing {
    /// The checkpoint, a signed note.
    pub note: String,
    /// The verifier key of before.
    pub old: String,
    /// The verifier key from there on.
    pub new: String,
}

/// Where the newest checkpoint is kept that was ever signed: whoever signs the next one proves it consistent with this one,
/// and puts it here before anybody sees it. So of two that sign at once, one has signed nothing that counts.
///
/// Texts in, texts out: it knows no ledger. Write access here can hide that something was signed, and forge nothing.
///
/// Every method may be called by many at once, from several processes, and sees what any of them has done. Callers retry on
/// [`Unavailable`].
#[async_trait]
pub trait CheckpointStore: Send + Sync {
    /// The newest checkpoint, exactly as it was put here; `None` before the first.
    async fn newest(&self) -> Result<Option<String>, Unavailable>;

    /// Puts `next` in the place of `expected` (`None`: where there is none yet), and keeps `crossings` with it, in one
    /// transaction, durably on return. `false`: something else stands there, and nothing was changed. Where the answer was
    /// lost it may have happened, also where it is `false`: [`CheckpointStore::newest`] tells.
    async fn replace(
        &self,
        expected: Option<&str>,
        next: &str,
        crossings: &[KeptCrossing],
    ) -> Result<bool, Unavailable>;

    /// All crossings, the oldest first.
    async fn crossings(&self) -> Result<Vec<KeptCrossing>, Unavailable>;
}
