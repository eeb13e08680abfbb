//! The records of an export as rows of CSV (RFC 4180): one for each entry, and one for each of its events after it.
//!
//! An origin or a reason that was erased is an empty cell, as one that was never given is.
//!
//! A cell that a spreadsheet would take for a formula stands behind an apostrophe, as one that begins with an apostrophe does; the
//! reader takes it off.

use std::borrow::Cow;
use std::io;

use csv::StringRecord;
use postkey_http::Event;
use serde::de::DeserializeOwned;

use super::format::{End, EntryRecord, Header};

/// The first row.
pub const TITLES: [&str; 15] = [
    "kind", "position", "at", "type", "service", "user", "client", "actor", "command", "data", "origin", "reason",
    "subject", "entry", "proof",
];
/// What a spreadsheet takes for the beginning of a formula, and what we put before it.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\''];
const APOSTROPHE: char = '\'';

/// A row is none of an export's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a row of an export")]
pub struct NotCsv;

/// What one row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CsvRow {
    /// The first: what columns there are.
    Titles,
    /// The export's first record, in JSON.
    Export(String),
    /// An entry; its events are the rows that follow.
    Entry(EntryRecord),
    /// An event of the entry before it.
    Event(Box<Event>),
    /// The export's last record.
    End(End),
}

impl CsvRow {
    /// Reads one record of CSV, with or without its line break.
    ///
    /// # Errors
    /// Where it is no row of an export's.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotCsv> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
        let mut record = StringRecord::new();
        if !reader.read_record(&mut record).map_err(|_| NotCsv)? || record.len() != TITLES.len() {
            return Err(NotCsv);
        }
        let more = reader.read_record(&mut StringRecord::new()).map_err(|_| NotCsv)?;
        if more {
            return Err(NotCsv);
        }
        Self::of(&Cells(&record))
    }

    fn of(cells: &Cells<'_>) -> Result<Self, NotCsv> {
        match cells.0.get(0).unwrap_or_default() {
            "kind" if cells.0.iter().eq(TITLES) => Ok(Self::Titles),
            "export" => Ok(Self::Export(cells.only(&["data"])?.text("data").into_owned())),
            "end" => cells.only(&["data"])?.json("data").map(Self::End),
            "entry" => {
                let cells = cells.only(&["position", "subject", "entry", "proof"])?;
                let proof = if cells.text("proof").is_empty() { None } else { Some(cells.json("proof")?) };
                Ok(Self::Entry(EntryRecord {
                    position: cells.text("position").parse().map_err(|_| NotCsv)?,
                    subject: cells.text("subject").into_owned(),
                    entry: cells.text("entry").into_owned(),
                    events: Vec::new(),
                    proof,
                }))
            }
            "event" => {
                let cells = cells.only(&TITLES[1..12])?;
                let some = |name| Some(cells.text(name).into_owned()).filter(|text| !text.is_empty());
                let id = |name| some(name).map(|text| text.parse()).transpose().map_err(|_| NotCsv);
                let event = Event {
                    position: cells.text("position").parse().map_err(|_| NotCsv)?,
                    at: cells.text("at").parse().map_err(|_| NotCsv)?,
                    r#type: Cow::Owned(cells.text("type").into_owned()),
                    service: id("service")?,
                    user: id("user")?,
                    client: cells.text("client").into_owned(),
                    actor: some("actor"),
                    command: id("command")?.ok_or(NotCsv)?,
                    data: cells.json("data")?,
                    origin: some("origin").map(Some),
                    reason: some("reason").map(Some),
                    redacted: false,
                };
                Ok(Self::Event(Box::new(event)))
            }
            _ => Err(NotCsv),
        }
    }
}

struct Cells<'a>(&'a StringRecord);

impl Cells<'_> {
    /// Refuses where a cell beside these, and the first, holds something.
    fn only(&self, names: &[&str]) -> Result<&Self, NotCsv> {
        let others = TITLES.iter().zip(self.0).skip(1).filter(|(title, _)| !names.contains(title));
        if others.into_iter().all(|(_, cell)| cell.is_empty()) { Ok(self) } else { Err(NotCsv) }
    }

    fn text(&self, name: &str) -> Cow<'_, str> {
        let cell = TITLES.iter().position(|title| *title == name).and_then(|at| self.0.get(at)).unwrap_or_default();
        Cow::Borrowed(cell.strip_prefix(APOSTROPHE).unwrap_or(cell))
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, NotCsv> {
        serde_json::from_str(&self.text(name)).map_err(|_| NotCsv)
    }
}

/// The titles and the first record, as they are written.
pub(super) fn header(header: &Header) -> io::Result<Vec<u8>> {
    let mut rows = Rows::new();
    rows.0.write_record(TITLES)?;
    rows.row("export", &[("data", serde_json::to_string(header)?)])?;
    rows.written()
}

/// An entry and its events.
pub(super) fn entry(record: &EntryRecord) -> io::Result<Vec<u8>> {
    let mut rows = Rows::new();
    let proof = record.proof.as_ref().map(serde_json::to_string).transpose()?.unwrap_or_default();
    let cells = [
        ("position", record.position.to_string()),
        ("subject", record.subject.clone()),
        ("entry", record.entry.clone()),
        ("proof", proof),
    ];
    rows.row("entry", &cells)?;
    record.events.iter().try_for_each(|event| rows.event(event))?;
    rows.written()
}

/// The last record.
pub(super) fn end(end: &End) -> io::Result<Vec<u8>> {
    let mut rows = Rows::new();
    rows.row("end", &[("data", serde_json::to_string(end)?)])?;
    rows.written()
}

/// Rows that are being written.
struct Rows(csv::Writer<Vec<u8>>);

impl Rows {
    fn new() -> Self {
        Self(csv::Writer::from_writer(Vec::new()))
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        let id = |id: Option<uuid::Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
        let some = |text: &Option<String>| text.clone().unwrap_or_default();
        let cells = [
            ("position", event.position.to_string()),
            ("at", event.at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)),
            ("type", event.r#type.to_string()),
            ("service", id(event.service)),
            ("user", id(event.user)),
            ("client", event.client.clone()),
            ("actor", some(&event.actor)),
            ("command", event.command.to_string()),
            ("data", serde_json::to_string(&event.data)?),
            ("origin", some(&event.origin.clone().flatten())),
            ("reason", some(&event.reason.clone().flatten())),
        ];
        self.row("event", &cells)
    }

    fn row(&mut self, kind: &str, cells: &[(&str, String)]) -> io::Result<()> {
        let cell = |title: &str| {
            let cell = cells.iter().find(|(name, _)| *name == title).map_or("", |(_, cell)| cell.as_str());
            if cell.starts_with(FORMULA) { Cow::Owned(format!("{APOSTROPHE}{cell}")) } else { Cow::Borrowed(cell) }
        };
        let rest = TITLES[1..].iter().map(|title| cell(title));
        let row: Vec<_> = std::iter::once(Cow::Borrowed(kind)).chain(rest).collect();
        Ok(self.0.write_record(row.iter().map(|cell| cell.as_bytes()))?)
    }

    fn written(self) -> io::Result<Vec<u8>> {
        self.0.into_inner().map_err(|error| error.into_error())
    }
}
