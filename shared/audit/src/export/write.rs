//! Writing an export, entry by entry.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use super::format::{End, EntryRecord, Header};
use super::render::Format;

/// An export that is being written. Without [`Writer::end`] it has no last record, and is refused by whoever reads it.
pub struct Writer<W: Write> {
    out: W,
    format: Format,
    /// Of all that was written.
    hash: Sha256,
    entries: u64,
}

impl<W: Write> Writer<W> {
    /// Begins one on `out`.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn begin(out: W, format: Format, header: &Header) -> io::Result<Self> {
        let mut writer = Self { out, format, hash: Sha256::new(), entries: 0 };
        writer.record(&format.header(header)?)?;
        Ok(writer)
    }

    /// Writes the next entry.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn entry(&mut self, record: &EntryRecord) -> io::Result<()> {
        self.record(&self.format.entry(record)?)?;
        self.entries += 1;
        Ok(())
    }

    /// How many there are.
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// Writes the last record, and gives back what it was written on.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn end(mut self) -> io::Result<W> {
        let sha256 = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let end = End { end: true, entries: self.entries, sha256 };
        self.out.write_all(&self.format.end(&end)?)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn record(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.hash.update(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
