//! Bad days of a log in memory: each tampering with it is found, and named to its position.

mod beside;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use domain::{KeyId, Position};
use getrandom::SysRng;
use keys::{KeyState, KeyStore, Keyring, Keys, PartKey, StoredKey, Unavailable, WrappedKey};
use ledger::{Checkpoint, Frontier, leaf_hash};
use rand_core::UnwrapErr;
use tokio::runtime::Runtime;
use wire::{Body, Change, Entry, Stored, seal};

use super::*;
use crate::staged::{Act, Author, LOG, user_of};

/// What two services go through: every kind of event.
fn acts() -> Vec<(u8, Act)> {
    vec![
        (1, Act::Provision),
        (2, Act::Provision),
        (1, Act::Add(1, 1)),
        (2, Act::Add(1, 1)),
        (1, Act::Edit(1, "Anna".to_owned(), 3)),
        (1, Act::Password(1)),
        (2, Act::Plan(3)),
        (1, Act::Add(2, 2)),
        (2, Act::Suspend(1)),
        (2, Act::Reactivate(1)),
        (1, Act::Remove(1)),
        (1, Act::Erase(1)),
        (2, Act::Password(1)),
        (1, Act::Add(3, 1)),
    ]
}

/// A key store in memory.
#[derive(Default)]
struct Kept {
    keys: HashMap<KeyId, WrappedKey>,
    destroyed: Vec<KeyId>,
    cursor: Position,
}

#[async_trait]
impl KeyStore for Kept {
    async fn create(&self, _: &[(KeyId, WrappedKey)]) -> Result<(), Unavailable> {
        Err(Unavailable("it is only read".to_owned()))
    }

    async fn fetch(&self, ids: &[KeyId]) -> Result<HashMap<KeyId, StoredKey>, Unavailable> {
        let state = |id: &KeyId| match self.keys.get(id) {
            _ if self.destroyed.contains(id) => StoredKey::Destroyed,
            Some(wrapped) => StoredKey::Here(wrapped.clone()),
            None => StoredKey::NeverSeen,
        };
        Ok(ids.iter().map(|id| (*id, state(id))).collect())
    }

    async fn destroy(&self, _: &[KeyId], _: Position) -> Result<(), Unavailable> {
        Err(Unavailable("it is only read".to_owned()))
    }

    async fn cursor(&self) -> Result<Position, Unavailable> {
        Ok(self.cursor)
    }
}

/// A log, and everything that belongs to it.
struct Case {
    runtime: Runtime,
    entries: Vec<Stored>,
    keyring: Arc<Keyring>,
    kept: Kept,
    author: Author,
    /// Where keys are doomed.
    doomed: Vec<(Position, KeyId)>,
}

impl Case {
    fn new() -> Self {
        Self::of(&acts())
    }

    fn of(acts: &[(u8, Act)]) -> Self {
        let mut case = Self {
            runtime: Runtime::new().unwrap(),
            entries: Vec::new(),
            keyring: Arc::new(Keyring::generate(&mut UnwrapErr(SysRng))),
            kept: Kept::default(),
            author: Author::default(),
            doomed: Vec::new(),
        };
        let first = case.author.first();
        case.stands(first);
        for (service, act) in acts {
            let change = case.author.change(*service, act).unwrap_or_else(|| panic!("{act:?} can't be"));
            case.stands(change);
        }
        let mut history = History::new(LOG, Extent::Log, Anchors::default(), true);
        case.take(&case.entries, &case.with_keys(), &mut history);
        assert_eq!(history.findings.kept(), []);
        case.kept.cursor = history.last();
        case.doomed = history.doomed;
        case.kept.destroyed = case.doomed.iter().map(|(_, key)| *key).collect();
        case
    }

    fn sealed(&mut self, change: &Change) -> Entry {
        let rng = &mut UnwrapErr(SysRng);
        let mut keys = Keys::default();
        for id in parts_of(change) {
            let key = match self.kept.keys.get(&id) {
                Some(wrapped) => self.keyring.unwrap(id, wrapped).unwrap(),
                None => PartKey::generate(rng),
            };
            self.kept.keys.insert(id, self.keyring.wrap(id, &key, rng));
            keys.insert(id, KeyState::Live(key));
        }
        seal(change, LOG, &keys, self.keyring.macs().present(), rng).unwrap()
    }

    fn stands(&mut self, change: Change) {
        let entry = self.sealed(&change);
        let opened = self.author.stands(change, leaf_hash(&entry.bytes));
        self.entries.push(Stored { position: opened.link.position, entry });
    }

    fn with_keys(&self) -> Examiner {
        let kept =
            Kept { keys: self.kept.keys.clone(), destroyed: self.kept.destroyed.clone(), cursor: self.kept.cursor };
        Examiner { log: LOG, keyring: Some(Arc::clone(&self.keyring)), keys: Some(Arc::new(kept)) }
    }

    fn with_macs(&self) -> Examiner {
        Examiner { log: LOG, keyring: Some(Arc::clone(&self.keyring)), keys: None }
    }

    fn take(&self, entries: &[Stored], examiner: &Examiner, history: &mut History) {
        let examined = examiner.examine(entries, self.runtime.handle()).unwrap();
        examined.into_iter().for_each(|examined| history.take(examined));
    }

    fn checkpoint(&self, size: usize) -> Checkpoint {
        let mut frontier = Frontier::default();
        self.entries[..size].iter().for_each(|stored| frontier.push(leaf_hash(&stored.entry.bytes)));
        Checkpoint { origin: "postkey/x".to_owned(), size: size as u64, root: frontier.root() }
    }

    /// What is found in other entries, by the checkpoint of this log up to `size`.
    fn found(&self, entries: &[Stored], size: usize, examiner: &Examiner) -> History {
        let checkpoint = self.checkpoint(size);
        let anchors = Anchors::new([(Anchor::Checkpoint, &checkpoint)]);
        let mut history = History::new(LOG, Extent::Log, anchors, examiner.keys.is_some());
        self.take(entries, examiner, &mut history);
        history.end();
        history
    }

    /// The same of all entries, with the public key alone.
    fn found_without_keys(&self, entries: &[Stored]) -> History {
        self.found(entries, self.entries.len(), &without_keys())
    }

    /// Whether an entry has one behind it on its service, which names it.
    fn is_named(&self, index: usize) -> bool {
        let subject = &self.entries[index].entry.subject;
        self.entries[index + 1..].iter().any(|stored| stored.entry.subject == *subject)
    }
}

fn without_keys() -> Examiner {
    Examiner { log: LOG, keyring: None, keys: None }
}

fn parts_of(change: &Change) -> Vec<KeyId> {
    use domain::Event;
    use domain::event::UserEvent;
    let Body::Service { events, private, .. } = &change.body else { return Vec::new() };
    let of_event = |event: &Event| match event {
        Event::User(_, UserEvent::UserAdded { person, .. }) => Some(person.key),
        Event::User(_, UserEvent::UserEdited { names, .. }) => names.as_ref().map(|names| names.key),
        Event::User(_, UserEvent::PasswordChanged { hash, .. }) => Some(hash.key),
        _ => None,
    };
    events.iter().filter_map(of_event).chain(private.iter().map(|part| part.key)).collect()
}

/// The entries at the positions 1, 2, 3 …, in whatever order they were.
fn placed(entries: impl IntoIterator<Item = Entry>) -> Vec<Stored> {
    entries.into_iter().zip(1..).map(|(entry, n)| Stored { position: Position::new(n), entry }).collect()
}

fn kinds(history: &History, position: usize) -> Vec<Kind> {
    let at = |found: &&Finding| found.position == position as u64;
    history.findings.kept().iter().filter(at).map(|found| found.kind).collect()
}

#[test]
fn nothing_is_found_in_a_log_that_nobody_touched() {
    let case = Case::new();
    for examiner in [without_keys(), case.with_macs(), case.with_keys()] {
        for size in [0, 1, 7, case.entries.len()] {
            let history = case.found(&case.entries, size, &examiner);
            assert_eq!(history.findings.kept(), []);
            assert!(history.held(Anchor::Checkpoint));
        }
    }
    let history = case.found(&case.entries, 3, &case.with_keys());
    assert_eq!(history.tally.events()["PasswordChanged"], 6);
    assert!(history.parts.opened > 0 && history.parts.erased > 0 && history.parts.lost.is_empty());
}

#[test]
fn one_bit_that_was_flipped_is_found_at_its_entry() {
    let case = Case::new();
    for index in 0..case.entries.len() {
        let length = case.entries[index].entry.bytes.len();
        for at in (0..length).step_by(7).chain([length - 1]) {
            let mut entries = case.entries.clone();
            entries[index].entry.bytes[at] ^= 1;
            let history = case.found(&entries, entries.len(), &case.with_macs());
            assert!(!kinds(&history, index + 1).is_empty(), "{index} {at}: {:?}", history.findings);
            let history = case.found_without_keys(&entries);
            assert!(history.findings.has(Position::new(entries.len() as u64), Kind::Tree), "{:?}", history.findings);
            if case.is_named(index) {
                assert!(!kinds(&history, index + 1).is_empty(), "{index} {at}: {:?}", history.findings);
            }
        }
    }
}

#[test]
fn an_entry_that_was_altered_is_named_and_the_one_behind_it_is_not() {
    let case = Case::new();
    // A quota: a number in the clear, whose bytes parse whatever it is.
    let index = 5;
    let text = String::from_utf8(case.entries[index].entry.bytes.clone()).unwrap();
    let mut entries = case.entries.clone();
    entries[index].entry.bytes = text.replace("3145728", "2097152").into_bytes();
    assert_ne!(entries[index], case.entries[index]);
    let history = case.found(&entries, 0, &without_keys());
    assert_eq!(kinds(&history, index + 1), [Kind::Bytes]);
    assert_eq!(history.findings.count(), 1, "{:?}", history.findings);
}

#[test]
fn an_entry_that_was_removed_is_found_where_it_stood() {
    let case = Case::new();
    for index in 0..case.entries.len() - 1 {
        let mut entries = case.entries.clone();
        entries.remove(index);
        let history = case.found_without_keys(&entries);
        assert!(kinds(&history, index + 1).contains(&Kind::Missing), "{index}: {:?}", history.findings);
        // The others were moved up, so that no position is missing.
        let moved = placed(entries.into_iter().map(|stored| stored.entry));
        let history = case.found_without_keys(&moved);
        assert!(history.findings.kept().iter().any(|found| found.position > index as u64), "{index}");
    }
}

#[test]
fn two_that_were_swapped_are_found() {
    let case = Case::new();
    for index in 1..case.entries.len() - 1 {
        let mut entries: Vec<_> = case.entries.iter().map(|stored| stored.entry.clone()).collect();
        entries.swap(index, index + 1);
        let history = case.found_without_keys(&placed(entries));
        assert!(history.findings.has(Position::new(case.entries.len() as u64), Kind::Tree));
        let near = [kinds(&history, index + 1), kinds(&history, index + 2)].concat();
        if case.is_named(index) || case.is_named(index + 1) {
            assert!(!near.is_empty(), "{index}: {:?}", history.findings);
        }
    }
}

#[test]
fn one_that_was_appended_again_is_found_where_it_stands_again() {
    let case = Case::new();
    for index in 0..case.entries.len() {
        let again = case.entries.iter().chain([&case.entries[index]]).map(|stored| stored.entry.clone());
        let history = case.found_without_keys(&placed(again));
        assert_eq!(kinds(&history, case.entries.len() + 1), [Kind::Order], "{index}: {:?}", history.findings);
        assert!(history.held(Anchor::Checkpoint));
    }
}

#[test]
fn one_with_a_forged_mac_is_found_with_the_keyring_and_counted_without() {
    let mut case = Case::new();
    let size = case.entries.len();
    let change = case.author.change(1, &Act::Edit(2, "Eve".to_owned(), 4)).unwrap();
    let stranger = Keyring::generate(&mut UnwrapErr(SysRng));
    let own = std::mem::replace(&mut case.keyring, Arc::new(stranger));
    case.kept.keys.clear();
    case.stands(change);
    case.keyring = own;
    let history = case.found(&case.entries, size, &without_keys());
    assert_eq!((history.findings.kept(), history.last().get()), (&[][..], size as u64 + 1));
    assert!(history.held(Anchor::Checkpoint));
    let history = case.found(&case.entries, size, &case.with_macs());
    assert_eq!(kinds(&history, size + 1), [Kind::Mac]);
    assert_eq!(history.findings.count(), 1);
}

#[test]
fn a_tail_that_was_cut_off_is_found_where_it_began() {
    let case = Case::new();
    for length in 0..case.entries.len() {
        let history = case.found_without_keys(&case.entries[..length]);
        assert!(kinds(&history, length + 1).contains(&Kind::Missing), "{length}: {:?}", history.findings);
    }
}

#[test]
fn a_log_that_was_written_anew_with_valid_hashes_is_found_without_keys() {
    let case = Case::new();
    let mut acts = acts();
    acts[5] = (1, Act::Edit(1, "Eve".to_owned(), 3));
    let other = Case::of(&acts);
    let history = case.found_without_keys(&other.entries);
    let found: Vec<_> = history.findings.kept().iter().map(|found| (found.position, found.kind)).collect();
    assert_eq!(found, [(case.entries.len() as u64, Kind::Tree)]);
    assert!(!history.held(Anchor::Checkpoint));
}

#[test]
fn a_checkpoint_of_a_fork_is_found() {
    let case = Case::new();
    let fork = Case::new();
    let (own, forked) = (case.checkpoint(5), fork.checkpoint(9));
    let anchors = Anchors::new([(Anchor::Checkpoint, &forked), (Anchor::Pin, &own)]);
    let mut history = History::new(LOG, Extent::Log, anchors, false);
    case.take(&case.entries, &without_keys(), &mut history);
    history.end();
    assert!(history.held(Anchor::Pin) && !history.held(Anchor::Checkpoint));
    let found: Vec<_> = history.findings.kept().iter().map(|found| (found.position, found.kind)).collect();
    assert_eq!(found, [(9, Kind::Tree)]);
    assert!(history.findings.kept()[0].what.contains("positions 6 to 9"), "{:?}", history.findings);
}

#[test]
fn an_entry_that_can_not_follow_is_found_whoever_wrote_it() {
    use domain::Event;
    use domain::event::UserEvent;
    let mut case = Case::new();
    let user = user_of(2, 1);
    let impossible = case.author.forged(2, Some(user), vec![Event::User(user, UserEvent::UserErased)]);
    case.stands(impossible);
    let history = case.found(&case.entries, 0, &case.with_macs());
    assert_eq!(kinds(&history, case.entries.len()), [Kind::History]);
}

#[test]
fn time_that_goes_back_in_a_service_is_found() {
    let mut case = Case::new();
    let mut change = case.author.change(2, &Act::Suspend(1)).unwrap();
    change.at -= chrono::TimeDelta::days(1);
    case.stands(change);
    let history = case.found(&case.entries, 0, &without_keys());
    assert_eq!(kinds(&history, case.entries.len()), [Kind::Order]);
}

#[test]
fn a_log_of_another_id_is_found_by_its_first_entry() {
    let case = Case::new();
    let examiner = Examiner { log: crate::staged::OTHER_LOG, ..without_keys() };
    let mut history = History::new(crate::staged::OTHER_LOG, Extent::Log, Anchors::default(), false);
    case.take(&case.entries, &examiner, &mut history);
    assert_eq!(kinds(&history, 1), [Kind::Order]);
}

#[test]
fn an_anchor_that_could_not_be_held_is_no_tail_that_was_cut_off() {
    let case = Case::new();
    let mut entries = case.entries.clone();
    entries.remove(4);
    let history = case.found(&entries, entries.len() + 1, &case.with_macs());
    assert!(!history.held(Anchor::Checkpoint), "the tree is not whole");
    let end = entries.len() as u64 + 1;
    assert!(history.findings.kept().iter().all(|found| found.position <= end), "{:?}", history.findings);
}

#[test]
fn what_stands_in_between_of_others_hides_no_dispute_and_no_step_back_in_time() {
    let case = Case::of(&[
        (1, Act::Provision),
        (1, Act::Add(1, 1)),
        (1, Act::Add(2, 2)),
        (1, Act::Edit(1, "Anna".to_owned(), 3)),
        (1, Act::Edit(1, "Ann".to_owned(), 3)),
        (1, Act::Edit(2, "Bob".to_owned(), 3)),
        (1, Act::Edit(1, "Anne".to_owned(), 3)),
    ]);
    let own: Vec<_> = [2, 4, 5, 7].map(|index| case.entries[index].clone()).to_vec();
    let found = |entries: &[Stored]| {
        let service = entries[0].entry.subject.of_service().unwrap();
        let mut history = History::new(LOG, Extent::User(service, user_of(1, 1)), Anchors::default(), false);
        case.take(entries, &without_keys(), &mut history);
        history.end();
        history.findings.kept().iter().map(|found| (found.position, found.kind)).collect::<Vec<_>>()
    };
    assert_eq!(found(&own), []);
    let with = |index: usize, from: &str, to: &str| {
        let mut entries = own.clone();
        let text = String::from_utf8(entries[index].entry.bytes.clone()).unwrap();
        assert!(text.contains(from), "{text}");
        entries[index].entry.bytes = text.replacen(from, to, 1).into_bytes();
        entries
    };
    // The second edit names the first one, whose quota is another now.
    assert_eq!(found(&with(1, "3145728", "2097152")), [(5, Kind::Bytes), (6, Kind::Bytes)]);
    let year = |entries: Vec<Stored>| found(&entries);
    assert_eq!(year(with(3, "\"at\":\"20", "\"at\":\"19")), [(8, Kind::Order)]);
}
