//! What is believed of a signed note, and how trust goes over from key to key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ledger::{
    Checkpoint, Crossing, CrossingError, NoteError, NoteKey, VerifierKey, follow, leaf_hash, open, peek, sign,
};

const NAME: &str = "postkey/log";

fn key(seed: u8) -> NoteKey {
    crate::fixed::key(NAME, seed)
}

fn trusted(keys: &[&NoteKey]) -> Vec<VerifierKey> {
    keys.iter().map(|key| key.verifier().clone()).collect()
}

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: NAME.to_owned(), size: 4711, root: leaf_hash(b"root") }
}

fn bad() -> Result<ledger::Opened, NoteError> {
    Err(NoteError::BadSignature(NAME.to_owned()))
}

#[test]
fn the_bytes_of_a_signed_checkpoint_stay_as_they_are() {
    assert_eq!(sign(&checkpoint(), &[&key(1)]), include_str!("golden/checkpoint.txt"));
}

#[test]
fn one_trusted_signature_is_enough_and_others_are_passed_over() {
    let (ours, other) = (key(1), key(2));
    let note = sign(&checkpoint(), &[&other, &ours, &ours]);
    let opened = open(&note, &trusted(&[&ours])).expect("signed");
    assert_eq!(opened.checkpoint, checkpoint());
    assert_eq!(opened.signed_by, trusted(&[&ours]), "named once, however often it signed");
    assert_eq!(open(&note, &trusted(&[&ours, &other])).map(|opened| opened.signed_by), Ok(trusted(&[&other, &ours])));
    assert_eq!(open(&note, &trusted(&[&key(3)])), Err(NoteError::NotSigned));
    assert_eq!(open(&note, &[]), Err(NoteError::NotSigned));
}

#[test]
fn an_invalid_signature_of_a_trusted_key_is_refused_wherever_it_stands() {
    let ours = key(1);
    let good = sign(&checkpoint(), &[&ours]);
    let other = sign(&Checkpoint { size: 4712, ..checkpoint() }, &[&ours]);
    let line = |note: &str| note.lines().last().expect("a signature").to_owned() + "\n";
    assert_eq!(open(good.replace("4711", "4712"), &trusted(&[&ours])), bad());
    assert_eq!(open(good.clone() + &line(&other), &trusted(&[&ours])), bad(), "after a valid one");
    let first = good.replace(&line(&good), &(line(&other) + &line(&good)));
    assert_eq!(open(first, &trusted(&[&ours])), bad(), "before a valid one");
    // Its own signature, cut short, is not valid either.
    let encoded = line(&good).trim_end().rsplit(' ').next().expect("base64").to_owned();
    let cut = STANDARD.encode(&STANDARD.decode(&encoded).expect("base64")[..60]);
    assert_eq!(open(good.replace(&encoded, &cut), &trusted(&[&ours])), bad());
}

#[test]
fn what_a_note_says_is_read_without_believing_it() {
    let note = sign(&checkpoint(), &[&key(1)]).replace("4711", "4712");
    assert_eq!(peek(&note), Ok(Checkpoint { size: 4712, ..checkpoint() }));
    assert_eq!(peek(note.trim_end()), Err(NoteError::Form));
}

#[test]
fn a_key_speaks_for_its_own_log_only() {
    let ours = key(1);
    let note = sign(&Checkpoint { origin: "postkey/other".to_owned(), ..checkpoint() }, &[&ours]);
    let refused = NoteError::OtherLog { origin: "postkey/other".to_owned(), signer: NAME.to_owned() };
    assert_eq!(open(note, &trusted(&[&ours])), Err(refused));
}

#[test]
fn what_is_no_note_is_refused() {
    let ours = key(1);
    let note = sign(&checkpoint(), &[&ours]);
    let form = |note: &[u8]| open(note, &trusted(&[&ours]));
    for altered in [
        String::new(),
        note.trim_end().to_owned(),
        note.clone() + "\n",
        note.clone() + "more\n",
        note.replace("\n\n", "\n"),
        note.replace('\n', "\r\n"),
        note.replace("4711", "4711\u{7}"),
        note.replace("— ", "- "),
        note.replace("— ", "—  "),
        note.replace(NAME, "a b"),
        note.clone() + "— x AAAAAA==\n",
        note.clone() + "— x %\n",
    ] {
        assert_eq!(form(altered.as_bytes()), Err(NoteError::Form), "{altered:?}");
    }
    assert_eq!(form(&[note.as_bytes(), b"\xff\n"].concat()), Err(NoteError::Form));
    assert_eq!(form(&vec![b'x'; 1_000_001]), Err(NoteError::TooLong));
    let many = |count| note.clone() + &"— x AAAAAAA=\n".repeat(count);
    assert!(form(many(99).as_bytes()).is_ok());
    assert_eq!(form(many(100).as_bytes()), Err(NoteError::TooLong));
}

fn crossing(old: &NoteKey, new: &NoteKey) -> Crossing {
    let note = sign(&checkpoint(), &[new, old]);
    Crossing { note, old: old.verifier().clone(), new: new.verifier().clone() }
}

#[test]
fn trust_goes_over_where_both_keys_have_signed() {
    let keys = [key(1), key(2), key(3)];
    let crossings = [crossing(&keys[1], &keys[2]), crossing(&keys[0], &keys[1])];
    assert_eq!(follow(&trusted(&[&keys[0]]), &crossings), Ok(trusted(&[&keys[0], &keys[1], &keys[2]])));
    assert_eq!(follow(&trusted(&[&keys[1]]), &crossings), Ok(trusted(&[&keys[1], &keys[2]])), "never back");
    assert_eq!(follow(&trusted(&[&key(4)]), &crossings), Ok(trusted(&[&key(4)])));
    assert_eq!(follow(&trusted(&[&keys[0]]), &[]), Ok(trusted(&[&keys[0]])));
}

#[test]
fn nobody_makes_a_key_trusted_alone() {
    let (old, new) = (key(1), key(2));
    let by = |signers: &[&NoteKey]| Crossing { note: sign(&checkpoint(), signers), ..crossing(&old, &new) };
    for signers in [&[&old][..], &[&new]] {
        assert_eq!(by(signers).check(), Err(CrossingError::OneKey));
        assert_eq!(follow(&trusted(&[&old]), &[by(signers)]), Err(CrossingError::OneKey));
    }
    let mut altered = crossing(&old, &new);
    altered.note = altered.note.replace("4711", "4712");
    let refused = CrossingError::Note(NoteError::BadSignature(NAME.to_owned()));
    assert_eq!(follow(&trusted(&[&old]), &[altered.clone()]), Err(refused));
    // Where it starts at no key that is trusted, it is nobody's business.
    assert_eq!(follow(&trusted(&[&key(3)]), &[altered]), Ok(trusted(&[&key(3)])));
}

#[test]
fn a_file_of_keys_is_one_key_a_line() {
    let (first, second) = (key(1), key(2));
    let private = format!("{}\n{}\n", *first.private_text(), *second.private_text());
    let read = NoteKey::from_private_texts(&private).expect("keys");
    assert_eq!(read.iter().map(NoteKey::public_text).collect::<Vec<_>>(), [first.public_text(), second.public_text()]);
    let public = format!("{}\n\n{}\n", first.public_text(), second.public_text());
    assert_eq!(VerifierKey::parse_all(&public), Ok(trusted(&[&first, &second])));
    assert!(VerifierKey::parse_all(&format!("{public}what is this?\n")).is_err());
}
