//! What a history comes to: the fold of entries onto rows, by which the projector, the drift watch and the auditor say what a log
//! makes of its services and users.
//!
//! Works over entries that it is given: it opens no store, asks no service, and trusts none.

mod as_of;
pub mod export;
mod fold;
mod replay;
mod rows;
pub mod shown;
#[cfg(feature = "staged")]
#[expect(clippy::unwrap_used, reason = "it stands in tests alone")]
pub mod staged;
pub mod verify;

pub use as_of::UserReplay;
pub use fold::{Folding, fold, touched};
pub use replay::{AsOf, NoMoment, Replay};
pub use rows::{Applied, Batch, Leaf, Rows, ServiceRow, Touched, UserRow};
