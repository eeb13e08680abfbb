use chrono::DateTime;
use ledger::leaf_hash;
use postkey_http::Event;
use uuid::Uuid;

use super::*;
use crate::export::{CsvRow, ExportScope, Personal, ProofHash, VERSION};

fn header() -> Header {
    Header {
        postkey_export: VERSION,
        log: Uuid::from_u128(1),
        scope: ExportScope::Service(Uuid::from_u128(2)),
        personal: Personal::Shown,
        to: 9,
        checkpoint: Some("postkey/x\n9\nroot\n\n— postkey/x signature\n".to_owned()),
        public_keys: vec!["postkey/x+0a0b0c0d+key".to_owned()],
        crossings: Vec::new(),
        at: DateTime::from_timestamp(1_795_000_000, 0).unwrap(),
    }
}

fn records() -> Vec<EntryRecord> {
    let event = |reason: &str, actor: &str| Event {
        actor: Some(actor.to_owned()),
        origin: Some(Some("192.0.2.7".to_owned())),
        reason: Some(Some(reason.to_owned())),
        ..Event::example()
    };
    vec![
        EntryRecord {
            position: 3,
            subject: "postkey.p02.00000000-0000-0000-0000-000000000002".to_owned(),
            entry: "{\"v\":1,\"x\":\"a,b\"}\nkey-id mac==".to_owned(),
            events: vec![event("=cmd|'/C calc'!A0, \"quoted\"\nand a second line", "'person"), event("'=x", "-1")],
            proof: Some(vec![ProofHash(leaf_hash(b"one")), ProofHash(leaf_hash(b"two"))]),
        },
        EntryRecord {
            position: 5,
            subject: "postkey.log".to_owned(),
            entry: "{}\nmac".to_owned(),
            events: Vec::new(),
            proof: None,
        },
    ]
}

fn written(format: Format) -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), format, &header()).unwrap();
    records().iter().for_each(|record| writer.entry(record).unwrap());
    assert_eq!(writer.entries(), 2);
    writer.end().unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn lines_are_read_as_they_were_written_and_the_last_tells_their_hash() {
    let bytes = written(Format::Jsonl);
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(serde_json::from_str::<Header>(lines[0]).unwrap(), header());
    for (line, record) in lines[1..].iter().zip(records()) {
        assert_eq!(serde_json::from_str::<EntryRecord>(line).unwrap(), record);
    }
    let end: End = serde_json::from_str(lines[3]).unwrap();
    let before = text.len() - lines[3].len() - 1;
    assert_eq!(end, End { end: true, entries: 2, sha256: sha256(&text.as_bytes()[..before]) });
    assert_eq!(lines.len(), 4);
}

#[test]
fn rows_are_read_as_they_were_written_and_the_last_tells_their_hash() {
    let bytes = written(Format::Csv);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.as_slice());
    let mut starts: Vec<usize> = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).unwrap() {
        starts.push(record.position().unwrap().byte().try_into().unwrap());
    }
    let ends = starts[1..].iter().copied().chain([bytes.len()]);
    let rows: Vec<_> =
        starts.iter().copied().zip(ends).map(|(start, end)| CsvRow::parse(&bytes[start..end]).unwrap()).collect();
    let mut expected = vec![CsvRow::Titles, CsvRow::Export(serde_json::to_string(&header()).unwrap())];
    for mut record in records() {
        let events = std::mem::take(&mut record.events);
        expected.push(CsvRow::Entry(record));
        expected.extend(events.into_iter().map(|event| CsvRow::Event(Box::new(event))));
    }
    let before = *starts.last().unwrap();
    expected.push(CsvRow::End(End { end: true, entries: 2, sha256: sha256(&bytes[..before]) }));
    assert_eq!(rows, expected);
    // No cell begins as a formula does.
    let text = String::from_utf8(bytes).unwrap();
    assert!(!text.contains(",=") && !text.contains("\"="), "{text}");
}

#[test]
fn other_rows_are_refused() {
    for row in [
        "",
        "kind",
        "entry,1,,,,,,,,,,,s,e",
        "entry,1,,,,,,,,,,,s,e,,",
        "entry,x,,,,,,,,,,,s,e,",
        "entry,1,2026,,,,,,,,,,s,e,",
        "end,,,,,,,,,{},,,,,",
    ] {
        assert!(CsvRow::parse(row.as_bytes()).is_err(), "{row}");
    }
    assert!(CsvRow::parse(b"entry,1,,,,,,,,,,,s,e,\nentry,2,,,,,,,,,,,s,e,\n").is_err(), "two rows");
}
