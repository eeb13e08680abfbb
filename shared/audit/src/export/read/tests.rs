use chrono::DateTime;
use postkey_http::Event;
use uuid::Uuid;

use super::*;
use crate::export::{ExportScope, Personal, Writer};

const FORMATS: [Format; 2] = [Format::Jsonl, Format::Csv];

fn records() -> Vec<EntryRecord> {
    let event = Event { reason: Some(Some("\"two\"\nlines, =1".to_owned())), ..Event::example() };
    let record = |position, events| EntryRecord {
        position,
        subject: "postkey.log".to_owned(),
        entry: format!("{{\"n\":{position}}}\nkey mac"),
        events,
        proof: None,
    };
    vec![record(1, Vec::new()), record(2, vec![event.clone(), event.clone()]), record(3, vec![event])]
}

fn written(format: Format) -> Vec<u8> {
    let header = Header {
        postkey_export: VERSION,
        log: Uuid::from_u128(1),
        scope: ExportScope::All,
        personal: Personal::Shown,
        from: 1,
        to: 3,
        checkpoint: None,
        public_keys: Vec::new(),
        crossings: Vec::new(),
        at: DateTime::UNIX_EPOCH,
    };
    let mut writer = Writer::begin(Vec::new(), format, &header).unwrap();
    records().iter().for_each(|record| writer.entry(record).unwrap());
    writer.end().unwrap()
}

fn read(bytes: &[u8]) -> Result<Vec<EntryRecord>, ReadFault> {
    let (mut reader, _) = Reader::begin(bytes)?;
    let mut entries = Vec::new();
    while let Some(raw) = reader.entry()? {
        entries.push(raw.parse()?);
    }
    Ok(entries)
}

#[test]
fn what_was_written_is_read_in_both_formats() {
    for format in FORMATS {
        assert_eq!(read(&written(format)).unwrap(), records());
    }
}

#[test]
fn one_that_is_cut_off_anywhere_is_found() {
    for format in FORMATS {
        let bytes = written(format);
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{format:?} {length}");
        }
    }
}

#[test]
fn one_behind_another_is_found_and_so_is_one_put_into_another() {
    for format in FORMATS {
        let bytes = written(format);
        let twice = [bytes.as_slice(), bytes.as_slice()].concat();
        assert!(matches!(read(&twice), Err(ReadFault::Altered(_))));
        let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        let into = [&bytes[..last], bytes.as_slice()].concat();
        assert!(matches!(read(&into), Err(ReadFault::Altered(_))));
        let without_first_end = [&bytes[..last], &bytes[last..], b"\n"].concat();
        assert!(matches!(read(&without_first_end), Err(ReadFault::Altered(_))));
    }
}

#[test]
fn every_flipped_byte_is_found() {
    for format in FORMATS {
        let bytes = written(format);
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            assert!(read(&bytes).is_err(), "{format:?} {at}");
        }
    }
}

#[test]
fn what_is_no_export_is_said_to_be_none() {
    for text in ["", "x", "{}\n", "kind\n", "{\"postkey_export\":\"1\"}\n", "not a text"] {
        assert!(matches!(read(text.as_bytes()), Err(ReadFault::NoExport(_) | ReadFault::Altered(_))), "{text}");
    }
    let newer =
        String::from_utf8(written(Format::Jsonl)).unwrap().replacen("\"postkey_export\":1", "\"postkey_export\":2", 1);
    let Err(ReadFault::NoExport(what)) = read(newer.as_bytes()) else { panic!("a newer version") };
    assert!(what.contains("version 2"), "{what}");
}

#[test]
fn a_record_without_an_end_fills_no_memory() {
    let mut bytes = written(Format::Jsonl);
    let first = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    bytes.truncate(first);
    bytes.extend(std::iter::repeat_n(b'x', 2 << 20));
    assert!(matches!(read(&bytes), Err(ReadFault::Altered("a record is longer than any can be"))));
}
