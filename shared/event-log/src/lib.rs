//! The event log: guarded appends and contiguous reads over a narrow store.
//!
//! [`EventLog`] is what the services hold. It carries, once for every kind of store, the resolution of lost
//! acknowledgements, the deadline, and the checks of identity and contiguity. [`LogStore`] is what a kind of store has
//! to offer, and [`CopyEnd`] what it offers for moving a log; [`SqliteStore`] is the embedded one.
//!
//! The feature `contract` adds what tests need: the contract that every store passes, a store in memory, and one that
//! fails on demand.
//!
//! This crate knows bytes and ids only. It never parses an entry, knows no event, no key and no MAC, decides nothing,
//! and takes neither a clock's time nor randomness: that a position is filled says nothing yet about what stands there.

mod copy_end;
mod corrupt;
mod event_log;
mod jetstream;
mod sqlite;
mod store;

#[cfg(feature = "contract")]
pub mod contract;
#[cfg(feature = "contract")]
mod faulty;
#[cfg(feature = "contract")]
mod memory;

pub use copy_end::{CopyEnd, CopyError, CopyId, Standing};
pub use corrupt::Corrupt;
pub use event_log::{AppendError, EventLog};
#[cfg(feature = "contract")]
pub use faulty::{AppendFault, FaultyStore, ReadFault};
pub use jetstream::{Alarms, JetStreamError, JetStreamStore, NatsConfig, STREAM, StreamReport, Wakes, is_recent};
#[cfg(feature = "contract")]
pub use memory::MemoryStore;
pub use sqlite::{OpenError, SqliteStore};
pub use store::{Appended, Head, LogStore, ReadError, Scope};
