//! The activity log: which commands were refused and by which rule, how sign-ins ended, who read the history. It is what
//! the event log can't hold, since nothing came of it.
//!
//! It is **bounded** (records are removed at an age, and beyond a number of each kind), **lossy by contract** (what comes
//! faster than it is written, or while the store is away, is dropped and counted) and **never waited for**: to record is to
//! put a value into a queue. It proves nothing, and no decision is made by it; what is proved stands in the event log.
//!
//! Records hold ids and codes. What a record says happened is `&'static str`, so that nothing which somebody typed can stand
//! there: no address, name, password, hash, search or reason. An origin is an IP address, and so personal: it is kept for as
//! long as its record is, and no longer.
//!
//! This crate knows no HTTP, no event, no password, and reads no clock of its own.

mod kept;
mod log;
mod record;
mod store;
mod writing;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod conditions;
#[cfg(feature = "contract")]
pub mod contract;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod looking;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use kept::Kept;
pub use log::{ActivityLog, Limits};
#[cfg(feature = "postgres")]
pub use postgres::PostgresActivityStore;
pub use record::{Activity, Kind, KindError, Record};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteActivityStore;
pub use store::{ActivityStore, Bounds, Filter, LOOKED_AT, Page, Unavailable};
pub use writing::Writing;
