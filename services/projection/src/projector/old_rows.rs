//! Rows of an older postkey's, which no search finds: they are written again as they are, a few at a time, while the log goes
//! first. Logins and lists go on by them meanwhile.

use super::{Broken, Halt, Projector};
use crate::read_model::{Applied, ApplyError, Batch};

/// So many are written again at once: for as long, some milliseconds, an entry may have to wait.
const AT_ONCE: u32 = 256;

impl Projector {
    /// Writes some of them again, where rows stand at `applied`; says whether there may be more.
    pub(super) async fn rewrite_old_rows(&self, applied: Option<&Applied>) -> Result<bool, Halt> {
        // Before anything was applied there are none.
        let Some(applied) = applied else { return Ok(false) };
        let users = self.model.not_searchable(self.generation, AT_ONCE).await?;
        if users.is_empty() {
            return Ok(false);
        }
        tracing::debug!(rows = users.len(), "rows of an older version are written again, so that a search finds them");
        let batch = Batch {
            services: Vec::new(),
            users,
            erased: Vec::new(),
            leaves: Vec::new(),
            nodes: Vec::new(),
            to: applied.clone(),
        };
        match self.model.apply(self.generation, &batch, Some(applied)).await {
            Ok(()) => Ok(true),
            Err(ApplyError::Moved | ApplyError::NotLeading) => Err(Halt::Moved),
            Err(error @ ApplyError::AddressTwice) => Err(Halt::Broken(Broken::Damaged(error.to_string()))),
            Err(ApplyError::ReadModel(error)) => Err(error.into()),
        }
    }
}
