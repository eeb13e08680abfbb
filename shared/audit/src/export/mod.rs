//! Exports: history that verifies by itself on another machine.

mod csv;
mod format;
mod prover;
mod read;
mod render;
mod write;

pub use csv::{CsvRow, NotCsv, TITLES};
pub use format::{CrossingRecord, End, EntryRecord, ExportScope, Header, Personal, ProofHash, VERSION};
pub use prover::{Prover, Unprovable};
pub use read::{Parsed, RawEntry, ReadFault, Reader};
pub use render::{Format, begins};
pub use write::Writer;
