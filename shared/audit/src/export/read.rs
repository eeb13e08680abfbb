//! Reading an export, record by record: first taken apart in order, so that whoever reads knows that it is whole, then parsed
//! each by itself, on as many threads as there are.

use std::io::{self, BufRead, BufReader, Read};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::csv::CsvRow;
use super::format::{End, EntryRecord, Header, VERSION};
use super::render::Format;

/// How long a record may be, in bytes, with all that belongs to it: an entry of the largest size, written as text, with all its
/// events and its proof, several times over.
const MAX_RECORD: u64 = 1 << 20;

/// Why an export is not read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadFault {
    /// The file can't be read.
    #[error("it can't be read: {0}")]
    Io(#[from] io::Error),
    /// It does not begin as an export does, or is of a version that this postkey does not know.
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
    /// What came of the record behind an entry's rows of CSV: it belongs to what comes next.
    ahead: Option<Result<Vec<u8>, ReadFault>>,
}

/// An entry of an export as it stands there, whole and not parsed yet.
pub struct RawEntry {
    format: Format,
    /// The line; or the rows of the entry and of its events.
    bytes: Vec<u8>,
    /// Where the line, or each of the rows, ends.
    ends: Vec<usize>,
}

/// An entry of an export that was parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// What it says.
    pub record: EntryRecord,
    /// Whether an export would write that so. If not, something was added that nobody looks at, or it was written by others.
    pub as_written: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the first record, in whichever format it is.
    ///
    /// # Errors
    /// Where this is no export that can be read; and where it begins as one does, and goes on as none does.
    pub fn begin(input: R) -> Result<(Self, Header), ReadFault> {
        let mut input = BufReader::with_capacity(1 << 16, input);
        let format = match input.fill_buf()? {
            [b'{', ..] => Format::Jsonl,
            [b'k', ..] => Format::Csv,
            _ => return Err(no_export()),
        };
        let mut reader = Self { input, format, hash: Sha256::new(), entries: 0, ahead: None };
        let mut written = Vec::new();
        let first = reader.record_into(&mut written);
        if !matches!(first, Err(ReadFault::Io(_))) && !written.starts_with(format.beginning()) {
            return Err(no_export());
        }
        first?;
        let header = match format {
            Format::Jsonl => header_of(&written)?,
            Format::Csv => {
                let second = reader.record()?;
                written.extend_from_slice(&second);
                match CsvRow::parse(&second) {
                    Ok(CsvRow::Export(header)) => header_of(header.as_bytes())?,
                    _ => return Err(altered_first()),
                }
            }
        };
        if format.header(&header)? != written {
            return Err(altered_first());
        }
        reader.hash.update(&written);
        Ok((reader, header))
    }

    /// The next entry; none once its last record was read, said how many there were and what they hash to, and nothing stood
    /// behind it.
    ///
    /// # Errors
    /// Where it was cut off, something was taken out or put in, or it can't be read.
    pub fn entry(&mut self) -> Result<Option<RawEntry>, ReadFault> {
        let mut bytes = match self.ahead.take() {
            Some(record) => record?,
            None => self.record()?,
        };
        if let Some(end) = self.end_of(&bytes) {
            return self.ended(&end?);
        }
        let mut ends = vec![bytes.len()];
        while self.format == Format::Csv {
            match self.record() {
                Ok(event) if event.starts_with(b"event,") => bytes.extend(event),
                next => {
                    self.ahead = Some(next);
                    break;
                }
            }
            if bytes.len() as u64 > MAX_RECORD {
                return Err(too_long());
            }
            ends.push(bytes.len());
        }
        self.hash.update(&bytes);
        self.entries += 1;
        Ok(Some(RawEntry { format: self.format, bytes, ends }))
    }

    /// How many entries were read.
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    fn end_of(&self, record: &[u8]) -> Option<Result<End, ReadFault>> {
        let end: Option<End> = match self.format {
            Format::Jsonl if record.starts_with(b"{\"end\"") => serde_json::from_slice(record).ok(),
            Format::Csv if record.starts_with(b"end,") => match CsvRow::parse(record) {
                Ok(CsvRow::End(end)) => Some(end),
                _ => None,
            },
            Format::Jsonl | Format::Csv => return None,
        };
        let as_written = end.filter(|end| self.format.end(end).is_ok_and(|written| written == record));
        Some(as_written.ok_or(ReadFault::Altered("its last record is not as it was written: it was altered")))
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
        self.record_into(&mut record)?;
        Ok(record)
    }

    /// The same into an empty `record`, which has what was read also where that is not all of it.
    fn record_into(&mut self, record: &mut Vec<u8>) -> Result<(), ReadFault> {
        let mut quoted = false;
        loop {
            let before = record.len();
            let room = MAX_RECORD - before as u64;
            (&mut self.input).take(room).read_until(b'\n', record)?;
            if record.last() != Some(&b'\n') || record.len() == before {
                return Err(if record.len() as u64 >= MAX_RECORD {
                    too_long()
                } else {
                    ReadFault::Altered("it was cut off: its last record is missing")
                });
            }
            if self.format == Format::Csv {
                quoted ^= record[before..].iter().filter(|byte| **byte == b'"').count() % 2 == 1;
            }
            if !quoted {
                return Ok(());
            }
        }
    }
}

impl RawEntry {
    /// How much room it takes, in bytes.
    pub const fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Parses it.
    ///
    /// # Errors
    /// Where it is no entry of an export.
    pub fn parse(&self) -> Result<Parsed, ReadFault> {
        let record = self.record().ok_or(ReadFault::Altered(
            "a record of it is neither an entry nor the last: it was altered, or two were put together",
        ))?;
        let as_written = self.format.entry(&record)? == self.bytes;
        Ok(Parsed { record, as_written })
    }

    fn record(&self) -> Option<EntryRecord> {
        if self.format == Format::Jsonl {
            return serde_json::from_slice(&self.bytes).ok();
        }
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        let mut rows = starts.zip(&self.ends).map(|(start, end)| CsvRow::parse(&self.bytes[start..*end]));
        let Ok(CsvRow::Entry(mut entry)) = rows.next()? else { return None };
        for row in rows {
            let Ok(CsvRow::Event(event)) = row else { return None };
            entry.events.push(*event);
        }
        Some(entry)
    }
}

fn no_export() -> ReadFault {
    ReadFault::NoExport("not an export of postkey: name a file that `postkey audit export` has written".to_owned())
}

const fn altered_first() -> ReadFault {
    ReadFault::Altered("its first record is not as it was written: it was altered")
}

const fn too_long() -> ReadFault {
    ReadFault::Altered("a record is longer than any can be")
}

fn header_of(json: &[u8]) -> Result<Header, ReadFault> {
    /// What every version says.
    #[derive(Deserialize)]
    struct VersionOnly {
        postkey_export: u32,
    }
    let version = serde_json::from_slice::<VersionOnly>(json).map_err(|_| altered_first())?.postkey_export;
    if version > VERSION {
        return Err(ReadFault::NoExport(format!(
            "an export of version {version}, which this postkey does not know: look at it with a newer one"
        )));
    }
    let header: Header = serde_json::from_slice(json).map_err(|_| altered_first())?;
    if header.postkey_export == VERSION { Ok(header) } else { Err(altered_first()) }
}

#[cfg(test)]
mod tests;
