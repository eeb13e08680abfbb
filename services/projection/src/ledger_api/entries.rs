//! `GET /ledger/tile/entries/{index}`: the entries beside a tile of level 0.

use axum::extract::State;
use axum::response::Response;
use domain::Position;
use event_log::Scope;
use futures::TryStreamExt;
use ledger::{Bundle, NodeRange, leaf_hash};
use postkey_http::{Caller, Code, Operation, Path, Problem};

use super::{ROLES, bytes, question, with_index};
use crate::app::App;
use crate::queries::log_failed;
use crate::turns::Whose;

pub fn operation() -> Operation {
    let operation = question(
        "entries",
        "Entries of the log, as they were stored",
        "Each entry after its length of two bytes, big-endian: 256 of a full bundle, else as many as the path says.",
    );
    with_index(operation, "bundle")
        .details("What entries hold under keys stays sealed here. 404 for a bundle that the log does not have, yet.")
        .problems(&[Code::LogCorrupt, Code::LogUnavailable, Code::Overloaded])
}

/// What is not in the tree yet is not found. 503 where the log is not what the tree was made of.
pub async fn entries(State(app): State<App>, caller: Caller, Path(index): Path<String>) -> Result<Response, Problem> {
    caller.require(ROLES)?;
    let bundle: Bundle = format!("tile/entries/{index}").parse().map_err(|_| Problem::not_found())?;
    let leaves = app.ledger.nodes(&NodeRange { level: 0, indexes: bundle.entries() }).await?;
    if leaves.len() != usize::from(bundle.width) {
        return Err(Problem::not_found());
    }
    let _turn = app.bundling.take(&Whose::client(&caller)).await?;
    // Leaf i is the entry at position i + 1, which is the one after position i.
    let mut stored = app.log.read(Scope::All, Position::new(bundle.entries().start));
    let mut answer = Vec::new();
    for leaf in leaves {
        let next = stored.try_next().await.map_err(|error| log_failed(&error))?;
        let entry = next.ok_or_else(|| Problem::new(Code::LogUnavailable))?.entry;
        if leaf_hash(&entry.bytes) != leaf.hash {
            tracing::error!(leaf = leaf.index, "an entry of the log is not the one that its leaf was made of");
            return Err(Problem::new(Code::LogCorrupt));
        }
        Bundle::add(&mut answer, &entry.bytes).map_err(|_| Problem::internal())?;
    }
    Ok(bytes(answer))
}
