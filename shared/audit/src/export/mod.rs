//! Exports: history that verifies by itself on another machine.

mod csv;
mod format;
mod prover;
mod read;
mod write;

pub use csv::{CsvRow, NotCsv, TITLES};
pub use format::{CrossingRecord, End, EntryRecord, ExportScope, Header, Personal, ProofHash, VERSION};
pub use prover::{Prover, Unprovable};
pub use read::{RawEntry, ReadFault, Reader};
pub use write::{Format, Writer};
