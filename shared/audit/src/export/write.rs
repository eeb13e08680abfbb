//! Writing an export, entry by entry.

use std::io::{self, Write};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::csv::CsvWriter;
use super::format::{End, EntryRecord, Header};

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One record a line, as JSON.
    Jsonl,
    /// Rows of CSV (RFC 4180), for spreadsheets.
    Csv,
}

/// An export that is being written. Without [`Writer::end`] it has no last record, and is refused by whoever reads it.
pub struct Writer<W: Write> {
    out: Records<W>,
    entries: u64,
}

enum Records<W: Write> {
    Jsonl(Hashed<W>),
    Csv(Box<CsvWriter<Hashed<W>>>),
}

impl<W: Write> Writer<W> {
    /// Begins one on `out`.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn begin(out: W, format: Format, header: &Header) -> io::Result<Self> {
        let out = Hashed { out, hash: Sha256::new() };
        let out = match format {
            Format::Jsonl => {
                let mut out = out;
                line(&mut out, header)?;
                Records::Jsonl(out)
            }
            Format::Csv => Records::Csv(Box::new(CsvWriter::begin(out, header)?)),
        };
        Ok(Self { out, entries: 0 })
    }

    /// Writes the next entry.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn entry(&mut self, record: &EntryRecord) -> io::Result<()> {
        match &mut self.out {
            Records::Jsonl(out) => line(out, record)?,
            Records::Csv(out) => out.entry(record)?,
        }
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
    pub fn end(self) -> io::Result<W> {
        let end = |hash: Sha256| {
            let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            End { end: true, entries: self.entries, sha256 }
        };
        let mut out = match self.out {
            Records::Jsonl(Hashed { mut out, hash }) => {
                line(&mut out, &end(hash))?;
                out
            }
            Records::Csv(csv) => {
                let Hashed { out, hash } = csv.into_inner()?;
                CsvWriter::end(out, &end(hash))?
            }
        };
        out.flush()?;
        Ok(out)
    }
}

fn line(out: &mut impl Write, record: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    out.write_all(&line)
}

/// Hashes all that is written.
struct Hashed<W> {
    out: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
