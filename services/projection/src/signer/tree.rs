//! The tree as the rows have it, and what it is a continuation of. The rows and what they say of themselves lie in one database:
//! that the log has it too is found by [`super::walked`].

use domain::Position;
use ledger::{Checkpoint, ConsistencyPlan, Frontier, Hash, verify_consistency};

use super::Hindrance;
use super::nodes::Nodes;
use crate::read_model::{LedgerRows, LedgerState};

/// The tree of all that is applied. Its root is that of the applied position, and the rows' own.
pub struct Tree<'a> {
    rows: &'a dyn LedgerRows,
    /// How many leaves it has.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

async fn begun(rows: &dyn LedgerRows, size: u64) -> Result<Frontier, Hindrance> {
    let plan = Frontier::plan(size);
    let nodes = Nodes::read(rows, &plan.nodes()).await?;
    plan.take_up(|level, index| nodes.hash(level, index)).map_err(altered)
}

/// What is said of rows that are not those of the log that was applied.
fn altered(what: impl std::fmt::Display) -> Hindrance {
    Hindrance::Wrong(format!(
        "the ledger's rows are not those of the log: {what}; no checkpoint is signed until the read model's tables \
         `ledger_leaf` and `ledger_node` are restored, or emptied, to be made anew from the log"
    ))
}

impl<'a> Tree<'a> {
    /// The tree as it stands; none where nothing is applied yet.
    pub async fn look(rows: &'a dyn LedgerRows) -> Result<Option<Self>, Hindrance> {
        let LedgerState { applied, size, .. } = rows.ledger().await?;
        let Some(applied) = applied.filter(|applied| applied.position > Position::START) else { return Ok(None) };
        if size != applied.position {
            let at = applied.position;
            return Err(Hindrance::Later(format!("the ledger's rows are at position {size}, and the others at {at}")));
        }
        let frontier = begun(rows, size.get()).await?;
        if frontier != applied.frontier {
            return Err(altered(format!("their tree of {size} leaves has another root")));
        }
        Ok(Some(Self { rows, size: size.get(), root: frontier.root() }))
    }

    /// The frontier of its first leaves, by the rows' own nodes.
    pub async fn begun(&self, size: u64) -> Result<Frontier, Hindrance> {
        begun(self.rows, size).await
    }

    /// What is said where the log has other entries than it has leaves, behind the first so many.
    pub fn is_not_the_logs(&self, proved: u64) -> Hindrance {
        altered(format!("their leaves {} to {} are not the hashes of its entries", proved + 1, self.size))
    }

    /// Proves, by the rows' own nodes, that the tree begins with a checkpoint's, which is no larger.
    pub async fn begins_with(&self, older: &Checkpoint) -> Result<(), Hindrance> {
        let plan = ConsistencyPlan::new(older.size, self.size).map_err(|error| Hindrance::Later(error.to_string()))?;
        let nodes = Nodes::read(self.rows, &plan.nodes()).await?;
        let proof = plan.prove(|level, index| nodes.hash(level, index)).map_err(altered)?;
        verify_consistency(older.size, older.root, self.size, self.root, &proof).map_err(|unproved| {
            Hindrance::Wrong(format!(
                "the log of {} entries does not continue that of the checkpoint of {}: {unproved}; no checkpoint is signed \
                 until it is known what was altered: `postkey audit verify` names it",
                self.size, older.size
            ))
        })
    }
}
