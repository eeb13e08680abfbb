//! Reading an export, record by record: first taken apart in order, so that whoever reads knows that it is whole, then parsed
//! each by itself, on as many threads as there are.

use std::io::{self, BufRead, BufReader, Read};

use sha2::{Digest, Sha256};

use super::csv::CsvRow;
use super::format::{End, EntryRecord, Header, VERSION};
use super::write::Format;

/// How long a record may be: an entry of the largest size, written as text, with all its events and its proof, several times over.
const MAX_RECORD: u64 = 1 << 20;

/// Why an export is not read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadFault {
    /// The file can't be read.
    #[error("it can't be read: {0}")]
    Io(#[from] io::Error),
    /// It is no export, or of a version that this postkey does not know.
    #[error("{0}")]
    NoExport(String),
    /// It is an export, and not as it was written.
    #[error("{0}")]
    Altered(&'static str),
}

/// An export that is being read.
pub struct Reader<R> {
    input: BufReader<R>,
    format: Format,
    hash: Sha256,
    entries: u64,
    /// A record of CSV that was read, and belongs to what comes next.
    ahead: Option<Vec<u8>>,
}

/// An entry of an export as it stands there, whole and not parsed yet.
pub struct RawEntry {
    format: Format,
    /// The line; or the rows of the entry and of its events.
    records: Vec<Vec<u8>>,
}

impl<R: Read> Reader<R> {
    /// Reads the first record, in whichever format it is.
    ///
    /// # Errors
    /// Where this is no export that can be read.
    pub fn begin(input: R) -> Result<(Self, Header), ReadFault> {
        let mut input = BufReader::with_capacity(1 << 16, input);
        let format = match input.fill_buf()? {
            [b'{', ..] => Format::Jsonl,
            [b'k', ..] => Format::Csv,
            _ => return Err(no_export()),
        };
        let mut reader = Self { input, format, hash: Sha256::new(), entries: 0, ahead: None };
        let first = reader.record()?;
        let header = match format {
            Format::Jsonl => header_of(&first)?,
            Format::Csv => {
                reader.hash.update(&first);
                let titles = matches!(CsvRow::parse(&first), Ok(CsvRow::Titles));
                let second = if titles { reader.record()? } else { return Err(no_export()) };
                let header = match CsvRow::parse(&second) {
                    Ok(CsvRow::Export(header)) => *header,
                    _ => return Err(no_export()),
                };
                reader.hash.update(&second);
                header
            }
        };
        if format == Format::Jsonl {
            reader.hash.update(&first);
        }
        if header.postkey_export != VERSION {
            let version = header.postkey_export;
            return Err(ReadFault::NoExport(format!(
                "an export of version {version}, which this postkey does not know"
            )));
        }
        Ok((reader, header))
    }

    /// The next entry; none once its last record was read, said how many there were and what they hash to, and nothing stood
    /// behind it.
    ///
    /// # Errors
    /// Where it was cut off, something was taken out or put in, or it can't be read.
    pub fn entry(&mut self) -> Result<Option<RawEntry>, ReadFault> {
        let first = match self.ahead.take() {
            Some(record) => record,
            None => self.record()?,
        };
        if let Some(end) = self.end_of(&first) {
            return self.ended(&end?);
        }
        self.hash.update(&first);
        let mut records = vec![first];
        if self.format == Format::Csv {
            loop {
                let record = self.record()?;
                if !record.starts_with(b"event,") {
                    self.ahead = Some(record);
                    break;
                }
                self.hash.update(&record);
                records.push(record);
            }
        }
        self.entries += 1;
        Ok(Some(RawEntry { format: self.format, records }))
    }

    /// How many entries were read.
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    fn end_of(&self, record: &[u8]) -> Option<Result<End, ReadFault>> {
        let altered = ReadFault::Altered("its last record can't be read");
        match self.format {
            Format::Jsonl => {
                record.starts_with(b"{\"end\"").then(|| serde_json::from_slice(record).map_err(|_| altered))
            }
            Format::Csv => record.starts_with(b"end,").then(|| match CsvRow::parse(record) {
                Ok(CsvRow::End(end)) => Ok(end),
                _ => Err(altered),
            }),
        }
    }

    fn ended(&mut self, end: &End) -> Result<Option<RawEntry>, ReadFault> {
        let hash: String = self.hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if !end.end || end.entries != self.entries {
            return Err(ReadFault::Altered("it has another number of entries than its last record says"));
        }
        if end.sha256 != hash {
            return Err(ReadFault::Altered(
                "its bytes do not hash to what its last record says: something was altered",
            ));
        }
        if !self.input.fill_buf()?.is_empty() {
            return Err(ReadFault::Altered("something stands behind its last record: another was put behind it"));
        }
        Ok(None)
    }

    /// One record with the line break at its end: a line, or a row of CSV, in which line breaks may stand in quotes.
    fn record(&mut self) -> Result<Vec<u8>, ReadFault> {
        let mut record = Vec::with_capacity(2048);
        let mut quoted = false;
        loop {
            let before = record.len();
            let room = MAX_RECORD - before as u64;
            (&mut self.input).take(room).read_until(b'\n', &mut record)?;
            if record.last() != Some(&b'\n') || record.len() == before {
                return Err(ReadFault::Altered(if record.len() as u64 >= MAX_RECORD {
                    "a record is longer than any can be"
                } else {
                    "it was cut off: its last record is missing"
                }));
            }
            if self.format == Format::Csv {
                quoted ^= record[before..].iter().filter(|byte| **byte == b'"').count() % 2 == 1;
            }
            if !quoted {
                return Ok(record);
            }
        }
    }
}

impl RawEntry {
    /// Parses it.
    ///
    /// # Errors
    /// Where it is no entry of an export.
    pub fn parse(&self) -> Result<EntryRecord, ReadFault> {
        let altered = ReadFault::Altered(
            "a record of it is neither an entry nor the last: it was altered, or two were put together",
        );
        let Some((first, events)) = self.records.split_first() else { return Err(altered) };
        if self.format == Format::Jsonl {
            return serde_json::from_slice(first).map_err(|_| altered);
        }
        let Ok(CsvRow::Entry(mut entry)) = CsvRow::parse(first) else { return Err(altered) };
        for event in events {
            let Ok(CsvRow::Event(event)) = CsvRow::parse(event) else { return Err(altered) };
            entry.events.push(*event);
        }
        Ok(entry)
    }
}

fn no_export() -> ReadFault {
    ReadFault::NoExport("not an export of postkey: name a file that `postkey audit export` has written".to_owned())
}

fn header_of(line: &[u8]) -> Result<Header, ReadFault> {
    serde_json::from_slice(line).map_err(|error| match serde_json::from_slice::<serde_json::Value>(line) {
        Ok(value) if value["postkey_export"].as_u64().is_some_and(|version| version != u64::from(VERSION)) => {
            ReadFault::NoExport(format!(
                "an export of version {}, which this postkey does not know",
                value["postkey_export"]
            ))
        }
        Ok(value) if value["postkey_export"].is_u64() => {
            ReadFault::NoExport(format!("the first record of the export can't be read (column {})", error.column()))
        }
        _ => no_export(),
    })
}

#[cfg(test)]
mod tests;
