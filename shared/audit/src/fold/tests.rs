//! Entries that can't follow what went before them, each named by its position.

use domain::event::{ServiceEvent, UserEvent};
use domain::{Customer, Event, KeyId, Name, Person, Plan, Quota, Sealed};
use ledger::leaf_hash;
use uuid::Uuid;
use wire::{Change, Link};

use super::*;
use crate::staged::{Act, Author, LOG, OTHER_LOG, address, domain, id_of, leaf, user_of};

/// A log of two services with two users each.
struct Written {
    author: Author,
    log: Vec<Opened>,
}

fn written() -> Written {
    let mut written = Written { author: Author::default(), log: Vec::new() };
    let first = written.author.first();
    written.stands(first);
    for (service, act) in [
        (1, Act::Provision),
        (2, Act::Provision),
        (1, Act::Add(1, 1)),
        (2, Act::Add(1, 1)),
        (1, Act::Add(2, 2)),
        (1, Act::Suspend(2)),
    ] {
        written.act(service, &act);
    }
    written
}

impl Written {
    fn act(&mut self, service: u8, act: &Act) {
        let change = self.author.change(service, act).unwrap();
        self.stands(change);
    }

    fn stands(&mut self, change: Change) -> Position {
        let position = self.author.position().next();
        self.log.push(self.author.stands(change, leaf(position)));
        position
    }

    /// Folds all of it at once, onto nothing.
    fn fold(&self) -> Result<Batch, Corrupt> {
        fold(LOG, None, &self.log, Rows::default())
    }

    fn is_corrupt_at(&self, position: Position) {
        assert_eq!(self.fold().map(|_| ()).map_err(|corrupt| corrupt.position), Err(position));
        // What stands before it is sound.
        let before = self.log.iter().take_while(|opened| opened.link.position < position).cloned().collect::<Vec<_>>();
        assert_eq!(fold(LOG, None, &before, Rows::default()).map(|_| ()), Ok(()));
    }
}

fn added(service: u8, user: u64, address_of: (u8, u64)) -> Event {
    let name = |text| Name::parse(text).unwrap();
    let person = Person { address: address(address_of.0, address_of.1), first_name: name("X"), last_name: name("Y") };
    let key = KeyId::new(Uuid::from_u128(0x77));
    let quota = Quota::from_mib(1).unwrap();
    Event::User(user_of(service, user), UserEvent::UserAdded { person: Sealed::known(key, person), quota })
}

#[test]
fn an_entry_that_names_another_predecessor_is_corrupt() {
    let other = Link { position: Position::new(3), leaf: leaf_hash(b"another") };
    for prev in [None, Some(other)] {
        let mut written = written();
        let change = written.author.change(1, &Act::Remove(1)).unwrap();
        let honest = change.prev;
        assert_ne!(honest, prev);
        let at = written.stands(Change { prev, ..change });
        written.is_corrupt_at(at);
    }
    let mut written = written();
    let change = written.author.change(1, &Act::Remove(1)).unwrap();
    let prev = change.prev.map(|link| Link { leaf: leaf_hash(b"other bytes"), ..link });
    let at = written.stands(Change { prev, ..change });
    written.is_corrupt_at(at);
}

#[test]
fn a_gap_and_a_repetition_are_corrupt() {
    for (at, moved) in [(3, 5), (3, 3), (0, 2)] {
        let mut written = written();
        written.log[at].link.position = Position::new(moved);
        written.is_corrupt_at(Position::new(moved));
    }
}

#[test]
fn entries_that_do_not_follow_the_applied_position_are_corrupt() {
    let written = written();
    let applied = written.fold().unwrap().to;
    assert_eq!(
        fold(LOG, Some(&applied), &written.log, Rows::default()).unwrap_err().position,
        Position::new(1),
        "they were applied already"
    );
    // A position without the frontier of what stands before it.
    let (before, next) = written.log.split_at(3);
    let half = fold(LOG, None, before, Rows::default()).unwrap();
    let rows = || Rows {
        services: half.services.iter().map(|row| (row.id, row.clone())).collect(),
        users: half.users.iter().map(|row| (row.id, row.clone())).collect(),
    };
    assert_eq!(fold(LOG, Some(&half.to), next, rows()).unwrap().to, applied);
    let torn = Applied { frontier: applied.frontier, ..half.to.clone() };
    assert_eq!(fold(LOG, Some(&torn), next, rows()).unwrap_err().position, next[0].link.position);
}

#[test]
fn a_log_begins_once() {
    let mut written = written();
    let again = written.author.first();
    let at = written.stands(again);
    written.is_corrupt_at(at);
}

#[test]
fn a_log_begins_with_its_first_entry() {
    let mut author = Author::default();
    let change = author.change(1, &Act::Provision).unwrap();
    let log = vec![author.stands(change, leaf(Position::new(1)))];
    assert_eq!(fold(LOG, None, &log, Rows::default()).unwrap_err().position, Position::new(1));
}

#[test]
fn a_log_that_calls_itself_another_is_corrupt() {
    let mut author = Author::default();
    let first = Change { body: Body::LogCreated { log: OTHER_LOG }, ..author.first() };
    let log = vec![author.stands(first, leaf(Position::new(1)))];
    assert_eq!(fold(LOG, None, &log, Rows::default()).unwrap_err().position, Position::new(1));
}

#[test]
fn a_first_entry_with_a_predecessor_is_corrupt() {
    let mut author = Author::default();
    let first = Change { prev: Some(Link { position: Position::START, leaf: leaf_hash(b"") }), ..author.first() };
    let log = vec![author.stands(first, leaf(Position::new(1)))];
    assert_eq!(fold(LOG, None, &log, Rows::default()).unwrap_err().position, Position::new(1));
}

#[test]
fn a_user_of_another_service_is_corrupt() {
    // Erased, it leaves no row whose address would tell.
    for event in [UserEvent::UserSuspended, UserEvent::UserErased] {
        let mut written = written();
        if event == UserEvent::UserErased {
            written.act(2, &Act::Remove(1));
        }
        let stranger = user_of(2, 1);
        let change = written.author.forged(1, Some(stranger), vec![Event::User(stranger, event)]);
        let at = written.stands(change);
        written.is_corrupt_at(at);
    }
}

#[test]
fn an_address_of_another_domain_is_corrupt() {
    let mut written = written();
    let change = written.author.forged(1, Some(user_of(1, 9)), vec![added(1, 9, (2, 9))]);
    let at = written.stands(change);
    written.is_corrupt_at(at);
}

#[test]
fn a_user_of_a_service_that_is_not_there_is_corrupt() {
    let mut written = written();
    let change = written.author.forged(3, Some(user_of(3, 9)), vec![added(3, 9, (3, 9))]);
    let at = written.stands(change);
    written.is_corrupt_at(at);
}

#[test]
fn a_service_provisioned_twice_is_corrupt() {
    let mut written = written();
    let again = Event::Service(ServiceEvent::ServiceProvisioned {
        domain: domain(1),
        customer: Customer::parse("stranger").unwrap(),
        plan: Plan::new(9, domain::MAX_BYTES).unwrap(),
        key: KeyId::new(Uuid::from_u128(0x78)),
    });
    let change = written.author.forged(1, None, vec![again]);
    let at = written.stands(change);
    written.is_corrupt_at(at);
}

/// The rows at the end of the batch would do: who had the address first is gone by then.
#[test]
fn an_address_that_another_has_is_corrupt_even_if_it_is_free_at_the_end_of_the_batch() {
    let mut written = written();
    let heir = written.author.forged(1, Some(user_of(1, 9)), vec![added(1, 9, (1, 1))]);
    let at = written.stands(heir);
    for event in [UserEvent::UserRemoved, UserEvent::UserErased] {
        let first = user_of(1, 1);
        let change = written.author.forged(1, Some(first), vec![Event::User(first, event)]);
        written.stands(change);
    }
    written.is_corrupt_at(at);
}

#[test]
fn an_address_is_free_once_its_user_is_erased() {
    let mut written = written();
    for act in [Act::Remove(1), Act::Erase(1), Act::Add(7, 1), Act::Remove(7), Act::Erase(7), Act::Add(1, 1)] {
        written.act(1, &act);
    }
    let batch = written.fold().unwrap();
    let (services, users) = written.author.rows();
    let mut found = (batch.services, batch.users);
    found.0.sort_by(|one, other| one.service.domain.cmp(&other.service.domain));
    found.1.sort_by_key(|row| row.id);
    assert_eq!(found, (services, users));
    assert_eq!(batch.erased, [user_of(1, 7)], "the one who came back is there");
}

/// What a batch holds is opened in several steps, and the key may be destroyed between two of them.
#[test]
fn an_address_is_free_also_where_its_users_key_was_destroyed_half_way() {
    let mut written = written();
    written.act(1, &Act::Edit(1, "Anna".to_owned(), 9));
    if let Some(Opened { change: Change { body: Body::Service { events, .. }, .. }, .. }) = written.log.last_mut() {
        for event in events {
            let Event::User(_, UserEvent::UserEdited { names: Some(names), .. }) = event else { continue };
            names.value = Erasable::Erased;
        }
    }
    for act in [Act::Remove(1), Act::Erase(1), Act::Add(7, 1)] {
        written.act(1, &act);
    }
    let batch = written.fold().unwrap();
    assert_eq!(batch.erased, [user_of(1, 1)]);
    assert!(batch.users.iter().any(|row| row.id == user_of(1, 7)));
}

#[test]
fn a_batch_touches_what_its_entries_are_about() {
    let written = written();
    let touched = touched(&written.log);
    assert_eq!(touched.services, HashSet::from([id_of(1), id_of(2)]));
    assert_eq!(touched.users, HashSet::from([user_of(1, 1), user_of(1, 2), user_of(2, 1)]));
}
