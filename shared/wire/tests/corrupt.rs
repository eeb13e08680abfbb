//! What is not exactly as a writer of ours left it is corrupt, and is named with its position.
#![allow(clippy::unwrap_used, reason = "a test that does not find its sample has failed")]

mod sample;

use domain::{Erasable, Event, Position, Sealed, event::UserEvent};
use keys::{KeyState, Keys, MacKey, MacKeys};
use proptest::prelude::*;
use sample::{Counting, changes, keys, log, macs};
use uuid::Uuid;
use wire::{
    Body, Change, Corrupt, Entry, Link, LogId, Opened, SealError, SealedEntry, Stored, Subject, authenticate,
    check_mac, read_sealed, seal,
};
use zeroize::Zeroizing;

fn sealed(change: &Change) -> Stored {
    let entry = seal(change, log(), &keys(), macs().present(), &mut Counting::default()).expect("a change that can be");
    Stored { position: Position::new(9), entry }
}

fn opened(stored: &Stored) -> Result<Opened, Corrupt> {
    authenticate(stored, log(), &macs()).and_then(|sealed| sealed.open(&keys()))
}

/// The line as a writer with the right MAC key would have left it, had it gone mad.
fn rewritten(stored: &Stored, rewrite: impl Fn(&str) -> String) -> Stored {
    let text = String::from_utf8(stored.entry.bytes.clone()).unwrap();
    let line = rewrite(text.split_once('\n').unwrap().0);
    let context = format!("postkey entry v1\n{}\n{}\n", log(), stored.entry.subject);
    let macs = macs();
    let tag = macs.present().mac(&[context.as_bytes(), line.as_bytes()]);
    use base64::Engine;
    let tag = base64::engine::general_purpose::STANDARD.encode(tag);
    let bytes = format!("{line}\n{} {tag}", macs.present().id()).into_bytes();
    Stored { entry: Entry { bytes, ..stored.entry.clone() }, ..stored.clone() }
}

fn named(name: &str) -> Change {
    changes().into_iter().find(|(of, _)| *of == name).unwrap().1
}

#[test]
fn a_rewrite_that_changes_nothing_opens() {
    let stored = sealed(&named("UserAdded"));
    assert!(opened(&rewritten(&stored, str::to_owned)).is_ok());
}

#[test]
fn without_a_key_an_entry_is_read_whoever_made_its_mac_and_is_not_taken_for_authentic() {
    let stored = sealed(&named("UserSuspended"));
    let mut forged = stored.clone();
    let text = String::from_utf8(stored.entry.bytes.clone()).unwrap();
    let (line, mac) = text.split_once('\n').unwrap();
    let (key, tag) = mac.split_once(' ').unwrap();
    forged.entry.bytes = format!("{line}\n{key} {}", "A".repeat(tag.len() - 1) + "=").into_bytes();
    let read = |stored: &Stored| read_sealed(stored, log()).and_then(SealedEntry::leave_sealed).map(|read| read.change);
    assert_eq!(read(&forged), read(&stored));
    assert!(read(&stored).is_ok() && check_mac(&stored, log(), &macs()).is_ok());
    assert!(check_mac(&forged, log(), &macs()).is_err() && authenticate(&forged, log(), &macs()).is_err());
    // Its form is looked at all the same.
    for tampered in [line.to_owned(), format!("{line}\n{key}"), format!("{line}\nno-key {tag}"), format!("{{}}\n{mac}")]
    {
        let tampered =
            Stored { entry: Entry { bytes: tampered.into_bytes(), ..stored.entry.clone() }, ..stored.clone() };
        assert!(read(&tampered).is_err());
    }
}

#[test]
fn every_flipped_byte_is_found() {
    for (name, change) in changes() {
        let stored = sealed(&change);
        // The second is the one between a letter and its capital.
        for (i, bit) in (0..stored.entry.bytes.len()).flat_map(|i| [(i, 1), (i, 0x20)]) {
            let mut flipped = stored.clone();
            flipped.entry.bytes[i] ^= bit;
            assert_eq!(opened(&flipped).map_err(|corrupt| corrupt.position), Err(Position::new(9)), "{name}, byte {i}");
        }
        for cut in [0, 1, stored.entry.bytes.len() / 2, stored.entry.bytes.len() - 1] {
            let mut short = stored.clone();
            short.entry.bytes.truncate(cut);
            assert!(opened(&short).is_err(), "{name}, cut at {cut}");
        }
    }
}

#[test]
fn the_key_of_its_mac_is_written_in_one_way() {
    let key = Uuid::from_u128(0xabcd_ef01_abcd_ef01_abcd_ef01_abcd_ef01);
    let macs = MacKeys::new(MacKey::new(key, Zeroizing::new([7; 32])), []);
    let entry = seal(&named("PlanChanged"), log(), &keys(), macs.present(), &mut Counting::default()).unwrap();
    let stored = Stored { position: Position::new(9), entry };
    let text = String::from_utf8(stored.entry.bytes.clone()).unwrap();
    let written = |key: &str| {
        let bytes = text.replace("abcdef01-abcd-ef01-abcd-ef01abcdef01", key).into_bytes();
        check_mac(&Stored { entry: Entry { bytes, ..stored.entry.clone() }, ..stored.clone() }, log(), &macs)
    };
    written(&key.to_string()).unwrap();
    let upper = key.to_string().to_uppercase();
    for other in [upper, key.simple().to_string(), key.braced().to_string(), key.urn().to_string()] {
        assert!(written(&other).is_err(), "{other}");
    }
}

#[test]
fn an_entry_belongs_to_its_log_and_subject() {
    let stored = sealed(&named("UserAdded"));
    assert!(authenticate(&stored, LogId::new(Uuid::from_u128(2)), &macs()).is_err());
    let moved = Stored { entry: Entry { subject: Subject::log(), ..stored.entry.clone() }, ..stored };
    assert!(opened(&moved).is_err());
}

#[test]
fn another_keyring_is_named_as_such() {
    let stored = sealed(&named("PlanChanged"));
    let others = MacKeys::new(MacKey::new(Uuid::from_u128(1), Zeroizing::new([4; 32])), []);
    let corrupt = authenticate(&stored, log(), &others).map(|_| ()).unwrap_err();
    assert!(corrupt.to_string().contains("keyring"), "{corrupt}");
    let stolen_id = MacKeys::new(MacKey::new(macs().present().id(), Zeroizing::new([5; 32])), []);
    assert!(authenticate(&stored, log(), &stolen_id).is_err());
}

#[test]
fn fields_that_are_unknown_missing_repeated_or_ill_formed_are_corrupt() {
    let stored = sealed(&named("UserEdited-quota"));
    let rewrites: [(&str, &str); 14] = [
        ("{\"v\":1,", "{\"v\":1,\"x\":1,"),
        ("{\"v\":1,", "{\"v\":1,\"v\":1,"),
        ("{\"v\":1,", "{"),
        ("{\"v\":1,", "{\"v\":2,"),
        ("\"quota_bytes\":", "\"quota_bytes\":1048576,\"quota_bytes\":"),
        ("\"quota_bytes\":", "\"quota\":"),
        ("\"quota_bytes\":536870912", "\"quota_bytes\":536870913"),
        ("\"quota_bytes\":536870912", "\"quota_bytes\":\"536870912\""),
        ("\"quota_bytes\":536870912", ""),
        ("\"sealed\":[]", "\"sealed\":[],\"sealed\":[]"),
        ("UserEdited", "UserEdit"),
        ("\"private\":[", "\"private\":[["),
        ("\"by\":{\"client\":\"panel\",\"actor\":\"person-7\"}", "\"by\":{\"client\":\"panel\"}"),
        ("123456Z", "123456+00:00"),
    ];
    for (from, to) in rewrites {
        let broken = rewritten(&stored, |line| {
            assert!(line.contains(from), "{from} is not in the line");
            line.replacen(from, to, 1)
        });
        assert!(opened(&broken).is_err(), "{from} → {to}");
    }
}

#[test]
fn a_newer_version_is_named_as_such() {
    let stored = sealed(&named("UserSuspended"));
    let newer = rewritten(&stored, |line| line.replacen("{\"v\":1,", "{\"v\":2,\"new\":true,", 1));
    assert!(opened(&newer).unwrap_err().to_string().contains("version 2"));
}

#[test]
fn a_part_opens_in_its_own_place_only() {
    let stored = sealed(&named("UserAdded"));
    // The two private boxes change places.
    let swapped = rewritten(&stored, |line| {
        let (head, private) = line.split_once("\"private\":[").unwrap();
        let (one, two) = private.trim_end_matches("]}").split_once("},{").unwrap();
        format!("{head}\"private\":[{{{two},{one}}}]}}")
    });
    assert!(opened(&swapped).is_err());
}

#[test]
fn destroyed_is_erased_and_never_seen_is_corrupt() {
    let change = named("PasswordChanged");
    let stored = sealed(&change);
    let Body::Service { events, .. } = &change.body else { panic!("about a user") };
    let [Event::User(_, UserEvent::PasswordChanged { hash, .. })] = events.as_slice() else { panic!("one event") };
    let authenticated = || authenticate(&stored, log(), &macs()).unwrap();
    let mut without = keys();
    without.insert(hash.key, KeyState::Destroyed);
    let opened = authenticated().open(&without).unwrap();
    let Body::Service { events, private, .. } = opened.change.body else { panic!("about a user") };
    let [Event::User(_, UserEvent::PasswordChanged { hash: erased, .. })] = events.as_slice() else {
        panic!("one event")
    };
    assert_eq!(*erased, Sealed { key: hash.key, value: Erasable::Erased });
    assert!(private[0].value.known().is_some() && private[1].value.known().is_none());
    assert!(authenticated().open(&Keys::default()).is_err());
}

#[test]
fn a_change_follows_the_entry_that_it_names() {
    let change = named("PlanChanged");
    let at = Position::new(9);
    assert!(change.follows(at, change.prev).is_ok());
    assert!(change.follows(at, None).is_err());
    let other = change.prev.map(|link| Link { position: Position::new(6), ..link });
    assert!(change.follows(at, other).is_err());
    let behind = Stored { position: Position::new(7), ..sealed(&change) };
    assert!(opened(&behind).is_err(), "a predecessor that stands at its own position");
}

#[test]
fn what_no_command_does_is_not_sealed() {
    let rng = &mut Counting::default();
    let change = named("UserAdded");
    let macs = macs();
    assert!(matches!(seal(&change, log(), &Keys::default(), macs.present(), rng), Err(SealError::KeyMissing(_))));
    let empty = Change {
        body: Body::Service {
            service: domain::ServiceId::of(&sample::domain()),
            user: None,
            events: vec![],
            private: vec![],
        },
        ..change.clone()
    };
    assert_eq!(seal(&empty, log(), &keys(), macs.present(), rng), Err(SealError::Events));
    let strangers = Change {
        body: match change.body.clone() {
            Body::Service { service, events, private, .. } => Body::Service { service, user: None, events, private },
            created => created,
        },
        ..change
    };
    assert_eq!(seal(&strangers, log(), &keys(), macs.present(), rng), Err(SealError::Events));
}

#[test]
fn nothing_secret_stands_in_the_bytes_or_in_a_debug_print() {
    for (name, change) in changes() {
        let text = String::from_utf8(sealed(&change).entry.bytes).unwrap() + &format!("{change:?}");
        for secret in ["argon2id", "zoe", "Zoe", "Zoë", "Şahin", "2001:db8", "ticket"] {
            assert!(!text.contains(secret), "{secret} in {name}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let stored = Stored { position: Position::new(1), entry: Entry { subject: Subject::log(), bytes } };
        prop_assert!(opened(&stored).is_err());
    }
}
