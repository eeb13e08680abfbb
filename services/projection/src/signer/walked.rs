//! The tree as the log has it: what no checkpoint holds yet, rows are not believed of.

use domain::Position;
use event_log::{EventLog, ReadError, Scope};
use futures::StreamExt;
use keys::Vault;
use ledger::{Checkpoint, Frontier, leaf_hash};
use wire::check_mac;

use super::Hindrance;
use super::tree::Tree;

/// Entries that are looked at in one go: what else is to be done comes in between.
const AT_ONCE: usize = 256;

/// How far the log was read, and its tree up to there.
#[derive(Debug, Default)]
pub struct Walked(Option<Frontier>);

impl Walked {
    /// Reads the log from the end of `signed`, the newest checkpoint, up to that of `tree`, and refuses where its entries are not
    /// ours, or have another tree. `tree` has to be proved a continuation of `signed`.
    pub async fn up_to(
        &mut self,
        tree: &Tree<'_>,
        signed: Option<&Checkpoint>,
        (log, vault): (&EventLog, &Vault),
    ) -> Result<(), Hindrance> {
        let signed = signed.map_or(0, |checkpoint| checkpoint.size);
        let mut frontier = match self.0.take() {
            // Where another has signed more, its word is taken, as it is for all that was signed.
            Some(frontier) if signed <= frontier.size() && frontier.size() <= tree.size => frontier,
            _ => tree.begun(signed).await?,
        };
        let (from, keyring) = (Position::new(frontier.size()), vault.keyring());
        let mut entries = log.read(Scope::All, from).ready_chunks(AT_ONCE);
        while frontier.size() < tree.size {
            let Some(some) = entries.next().await else { return Err(ended(frontier.size(), tree)) };
            for stored in some {
                let stored = stored.map_err(unread)?;
                if frontier.size() == tree.size {
                    break;
                }
                check_mac(&stored, log.id(), keyring.macs()).map_err(|corrupt| {
                    Hindrance::Wrong(format!("an entry of the log is none of ours, and is not signed: {corrupt}"))
                })?;
                frontier.push(leaf_hash(&stored.entry.bytes));
            }
        }
        if frontier.root() != tree.root {
            return Err(tree.is_not_the_logs(signed));
        }
        self.0 = Some(frontier);
        Ok(())
    }
}

fn ended(at: u64, tree: &Tree<'_>) -> Hindrance {
    Hindrance::Wrong(format!(
        "the log ends at position {at}, and the rows are at {}: the log was restored from an older copy, or somebody wrote to the \
         rows; nothing is signed until that is known",
        tree.size
    ))
}

fn unread(error: ReadError) -> Hindrance {
    match error {
        ReadError::Unavailable(what) => Hindrance::Later(format!("the log can't be read: {what}")),
        ReadError::Corrupt(corrupt) => Hindrance::Wrong(format!("the log is not signed: {corrupt}")),
    }
}
