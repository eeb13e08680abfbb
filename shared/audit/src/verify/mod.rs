//! Whether a log is what it was: everything that can be told about it from its bytes, a checkpoint and the public key of who
//! signed it; and more with the keys of its entries.
//!
//! Trusts nothing that it reads: neither the store, nor what an entry says of another.

mod anchors;
mod examine;
mod export;
mod finding;
mod history;
mod log;
mod report;
mod rows;
mod tally;
mod tiles;

pub use anchors::{Anchor, Anchors};
pub use examine::{Examined, Examiner, PartsSeen};
pub use export::{Claims, ExportSeen, take_export};
pub use finding::{Finding, Findings, Kind};
pub use history::{Extent, History};
pub use log::{CouldNotLook, Dooms, Watches, take_log};
pub use report::{CheckpointReport, Report};
pub use rows::{LiveRows, RowsSeen, RowsUnread, applied, compare};
pub use tally::Tally;
pub use tiles::{KeptNodes, Tiles};

#[cfg(test)]
mod tests;
