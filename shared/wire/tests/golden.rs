//! The bytes of every event type, pinned. A golden file is never changed: what was written once is read for ever.
//!
//! Where a file is missing, the test writes it and fails, so that it is looked at and committed.

mod sample;

use std::fs;
use std::path::{Path, PathBuf};

use domain::{Event, Position};
use keys::{KeyState, Keys};
use sample::{Counting, changes, keys, log, macs};
use wire::{Entry, Link, Stored, authenticate, seal};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1").join(format!("{name}.entry"))
}

fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = path(name);
    if !path.exists() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(&path, bytes).expect("writable");
        panic!("wrote {}: look at it, then commit it", path.display());
    }
    fs::read(&path).expect("readable")
}

#[test]
fn every_type_is_written_as_it_always_was() {
    for (name, change) in changes() {
        let entry =
            seal(&change, log(), &keys(), macs().present(), &mut Counting::default()).expect("a change that can be");
        let golden = golden(name, &entry.bytes);
        assert!(entry.bytes == golden, "{name} is written differently from its golden file");
    }
}

#[test]
fn every_type_is_read_as_it_was_meant() {
    for (name, change) in changes() {
        let entry =
            Entry { subject: change.subject(), bytes: fs::read(path(name)).expect("written by the other test") };
        let stored = Stored { position: Position::new(9), entry };
        let opened =
            authenticate(&stored, log(), &macs()).and_then(|sealed| sealed.open(&keys())).expect("its own bytes");
        assert_eq!(opened.change, change, "{name}");
        assert_eq!(opened.link, Link { position: Position::new(9), leaf: ledger::leaf_hash(&stored.entry.bytes) });
    }
}

#[test]
fn what_is_left_sealed_reads_as_if_every_key_were_destroyed() {
    for (name, change) in changes() {
        let entry = Entry { subject: change.subject(), bytes: fs::read(path(name)).expect("a golden file") };
        let stored = Stored { position: Position::new(9), entry };
        let sealed = || authenticate(&stored, log(), &macs()).expect("its own bytes");
        let destroyed: Keys = sealed().key_ids().map(|id| (id, KeyState::Destroyed)).collect();
        let left = sealed().leave_sealed().expect("its own bytes");
        assert_eq!(Ok(left), sealed().open(&destroyed), "{name}");
    }
}

#[test]
fn a_golden_file_stands_for_every_event_type() {
    let named: Vec<_> =
        changes().into_iter().flat_map(|(_, change)| change.events().to_vec()).map(|e| e.name()).collect();
    for name in Event::NAMES {
        assert!(named.contains(&name), "{name}");
    }
}
