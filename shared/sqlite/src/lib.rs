//! What the SQLite adapters share: what an error means, whose a file is, and a writer that recovers by itself.
//!
//! It knows no table of theirs, and nothing of logs, keys or rows.

mod fault;
mod file;
mod writer;

pub use fault::{Fault, fault, said};
pub use file::{Application, NotOurs, make_private};
pub use writer::Writer;
