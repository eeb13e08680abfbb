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
        let Parsed { record, as_written } = raw.parse()?;
        if !as_written {
            return Err(ReadFault::Altered("as no export writes it"));
        }
        entries.push(record);
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

/// The same bytes with the last record made anew, as whoever knows how exports are written would.
fn ended_again(format: Format, before: &[u8]) -> Vec<u8> {
    let sha256 = Sha256::digest(before).iter().map(|byte| format!("{byte:02x}")).collect();
    [before, &format.end(&End { end: true, entries: 3, sha256 }).unwrap()].concat()
}

fn before_the_last(bytes: &[u8]) -> String {
    let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    String::from_utf8(bytes[..last].to_vec()).unwrap()
}

#[test]
fn what_nobody_would_look_at_is_told_where_it_was_added() {
    for (format, place, more) in [
        (Format::Jsonl, "\"client\":", "\"approved_by\":\"somebody\",\"client\":"),
        (Format::Jsonl, "\"by_user\":", "\"approved_by\":\"somebody\",\"by_user\":"),
        (Format::Jsonl, "\"events\":", " \"events\":"),
        (Format::Jsonl, "\"events\":[]}", "\"events\":[],\"proof\":null}"),
        (Format::Csv, "\"\"by_user\"\":", "\"\"approved_by\"\":1,\"\"by_user\"\":"),
        (Format::Csv, ",panel,", ",\"panel\","),
        (Format::Csv, ",panel,", ",'panel,"),
    ] {
        let before = before_the_last(&written(format));
        let altered = before.replacen(place, more, 1);
        assert_ne!(altered, before, "{place}");
        let bytes = ended_again(format, altered.as_bytes());
        let (mut reader, _) = Reader::begin(bytes.as_slice()).unwrap();
        let mut otherwise = Vec::new();
        while let Some(raw) = reader.entry().unwrap() {
            let Parsed { record, as_written } = raw.parse().unwrap();
            otherwise.extend((!as_written).then_some(record.position));
        }
        assert_eq!(otherwise.len(), 1, "{more}");
    }
}

#[test]
fn first_and_last_records_are_as_they_are_written_or_altered() {
    for format in FORMATS {
        let bytes = written(format);
        let before = before_the_last(&bytes);
        let quote = if format == Format::Csv { "\"\"" } else { "\"" };
        let to = format!("{quote}to{quote}:3");
        for altered in [
            before.replacen(&to, &format!(" {to}"), 1),
            before.replacen(&to, &format!("{to},{quote}by{quote}:1"), 1),
            before.replacen(&to, &format!("{quote}to{quote}:-3"), 1),
            before.replacen("_export", "_exporT", 1).replacen(
                "kind,position,at,type,service",
                "kind,position,at,type,x",
                1,
            ),
        ] {
            assert_ne!(altered, before);
            let bytes = ended_again(format, altered.as_bytes());
            // What does not begin as an export is none.
            let expected = bytes.starts_with(format.beginning());
            assert_eq!(matches!(read(&bytes), Err(ReadFault::Altered(_))), expected, "{altered}");
        }
        let last = String::from_utf8(bytes[before.len()..].to_vec()).unwrap();
        let entries = format!("{quote}entries{quote}:");
        let spaced = format!("{before}{}", last.replacen(&entries, &format!("{entries} "), 1));
        assert_ne!(spaced.as_bytes(), bytes);
        assert!(matches!(read(spaced.as_bytes()), Err(ReadFault::Altered(_))), "{spaced}");
    }
}

#[test]
fn what_begins_as_an_export_is_one_that_was_altered_however_it_goes_on() {
    for format in FORMATS {
        let bytes = written(format);
        for length in 0..before_the_last(&bytes).len() {
            match read(&bytes[..length]) {
                Err(ReadFault::Altered(_)) => assert!(length >= format.beginning().len(), "{format:?} {length}"),
                Err(ReadFault::NoExport(_)) => assert!(length < format.beginning().len(), "{format:?} {length}"),
                other => panic!("{format:?} {length}: {other:?}"),
            }
        }
    }
}

#[test]
fn what_is_no_export_is_said_to_be_none() {
    for text in ["", "x", "{}\n", "{", "kind\n", "k", "kind,position,other\n", "not a text"] {
        assert!(matches!(read(text.as_bytes()), Err(ReadFault::NoExport(_))), "{text}");
    }
    let version = |version: &str| {
        let altered = format!("\"postkey_export\":{version}");
        String::from_utf8(written(Format::Jsonl)).unwrap().replacen("\"postkey_export\":1", &altered, 1)
    };
    let Err(ReadFault::NoExport(what)) = read(version("2").as_bytes()) else { panic!("a newer version") };
    assert!(what.contains("version 2"), "{what}");
    for other in ["0", "\"1\"", "-1"] {
        assert!(matches!(read(version(other).as_bytes()), Err(ReadFault::Altered(_))), "{other}");
    }
}

#[test]
fn an_entry_that_is_there_is_read_before_what_is_cut_off_behind_it() {
    for format in FORMATS {
        let before = before_the_last(&written(format));
        let (mut reader, _) = Reader::begin(before.as_bytes()).unwrap();
        for record in records() {
            assert_eq!(reader.entry().unwrap().unwrap().parse().unwrap().record, record);
        }
        assert!(matches!(reader.entry(), Err(ReadFault::Altered(_))));
    }
}

#[test]
fn events_without_an_end_fill_no_memory() {
    let text = String::from_utf8(written(Format::Csv)).unwrap();
    let event = text.find("\nevent,").unwrap() + 1;
    let bytes = [&text.as_bytes()[..event], &b"event,,,,,,,,,,,,,,\n".repeat(100_000)].concat();
    let (mut reader, _) = Reader::begin(bytes.as_slice()).unwrap();
    assert!(reader.entry().unwrap().is_some());
    assert!(matches!(reader.entry(), Err(ReadFault::Altered("a record is longer than any can be"))));
}

#[test]
fn a_record_without_an_end_fills_no_memory() {
    let mut bytes = written(Format::Jsonl);
    let first = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    bytes.truncate(first);
    bytes.extend(std::iter::repeat_n(b'x', 2 << 20));
    assert!(matches!(read(&bytes), Err(ReadFault::Altered("a record is longer than any can be"))));
}
