//! `GET /ledger/tile/{level}/{index}`: a tile of the tree.

use axum::extract::State;
use axum::response::Response;
use ledger::{NodeRange, Tile};
use postkey_http::{Caller, Operation, Path, Problem};
use serde_json::json;

use super::{ROLES, bytes, question, with_index};
use crate::app::App;

pub fn operation() -> Operation {
    let level = json!({"type": "integer", "minimum": 0, "maximum": 63});
    let says = "The level: hashes of level 0 are those of entries, each above them the root of a full tile of the level below.";
    let operation = question(
        "tile",
        "Hashes of the log's Merkle tree",
        "Hashes of 32 bytes, 256 of a full tile, else as many as the path says.",
    );
    with_index(operation.path("level", says, level, json!(0)), "tile of the level").details(
        "404 for a tile that the tree does not have, yet; of a tile that is full by now, narrower ones are served too.",
    )
}

/// What the tree does not have is not found, whatever is wrong with its path.
pub async fn tile(
    State(app): State<App>,
    caller: Caller,
    Path((level, index)): Path<(String, String)>,
) -> Result<Response, Problem> {
    caller.require(ROLES)?;
    let tile: Tile = format!("tile/{level}/{index}").parse().map_err(|_| Problem::not_found())?;
    let nodes = app.ledger.nodes(&NodeRange { level: tile.level, indexes: tile.nodes() }).await?;
    if nodes.len() != usize::from(tile.width) {
        return Err(Problem::not_found());
    }
    Ok(bytes(nodes.iter().flat_map(|node| node.hash.0).collect()))
}
