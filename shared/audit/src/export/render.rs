//! The one way in which each record is written: by whoever writes an export, and by whoever reads one, to hold what it has read
//! against it.

use std::io::{self, Read};

use serde::Serialize;

use super::csv;
use super::format::{End, EntryRecord, Header};

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One record a line, as JSON.
    Jsonl,
    /// Rows of CSV (RFC 4180), for spreadsheets.
    Csv,
}

impl Format {
    /// What every export of it begins with, and nothing else does.
    pub(super) const fn beginning(self) -> &'static [u8] {
        match self {
            Self::Jsonl => b"{\"postkey_export\"",
            Self::Csv => b"kind,position,at,type,",
        }
    }

    /// The first record, with the titles before it.
    pub(super) fn header(self, header: &Header) -> io::Result<Vec<u8>> {
        match self {
            Self::Jsonl => line(header),
            Self::Csv => csv::header(header),
        }
    }

    /// An entry with its events.
    pub(super) fn entry(self, record: &EntryRecord) -> io::Result<Vec<u8>> {
        match self {
            Self::Jsonl => line(record),
            Self::Csv => csv::entry(record),
        }
    }

    /// The last record.
    pub(super) fn end(self, end: &End) -> io::Result<Vec<u8>> {
        match self {
            Self::Jsonl => line(end),
            Self::Csv => csv::end(end),
        }
    }
}

/// Whether what is read begins as an export does. What can't be read does not.
pub fn begins(input: impl Read) -> bool {
    let longest =
        [Format::Jsonl, Format::Csv].map(|format| format.beginning().len()).into_iter().max().unwrap_or_default();
    let mut beginning = Vec::new();
    let read = input.take(longest as u64).read_to_end(&mut beginning);
    read.is_ok() && [Format::Jsonl, Format::Csv].iter().any(|format| beginning.starts_with(format.beginning()))
}

fn line(record: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    Ok(line)
}
