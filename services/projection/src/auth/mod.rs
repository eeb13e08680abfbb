//! The check that webmail makes at login.

mod freshness;
mod heads;
pub(crate) mod verify;

pub use freshness::{Freshness, NotFresh};
pub use heads::Heads;
