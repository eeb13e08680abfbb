//! What lies beside the log: keys, rows, and the ledger's hashes.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{Position, ServiceId, UserId};
use ledger::{Frontier, Node, NodeRange, leaf_hash};

use super::*;
use crate::rows::{Applied, Rows, ServiceRow, Touched, UserRow};

#[test]
fn keys_that_are_lost_are_named_where_they_are_used_and_the_rest_is_still_looked_at() {
    let mut case = Case::new();
    let key = case.kept.keys.keys().copied().find(|key| !case.kept.destroyed.contains(key)).unwrap();
    case.kept.keys.remove(&key);
    let history = case.found(&case.entries, case.entries.len(), &case.with_keys());
    assert!(history.findings.count() > 0 && history.held(Anchor::Checkpoint));
    for found in history.findings.kept() {
        assert!(found.kind == Kind::Key && found.what.contains(&key.to_string()), "{found:?}");
    }
}

#[test]
fn keys_that_should_be_gone_are_found_where_they_were_doomed() {
    let mut case = Case::new();
    let (position, key) = case.doomed[0];
    case.kept.destroyed.retain(|destroyed| *destroyed != key);
    let mut history = case.found(&case.entries, case.entries.len(), &case.with_keys());
    let store = case.with_keys().keys.unwrap();
    let look = async |history: &mut History| {
        let mut dooms = Dooms::new(store).await.unwrap();
        dooms.look(history).await.unwrap();
        dooms.to_come
    };
    assert_eq!(case.runtime.block_on(look(&mut history)), 0);
    let found: Vec<_> = history.findings.kept().iter().map(|found| (found.position, found.kind)).collect();
    assert_eq!(found, [(position.get(), Kind::Key)]);
    // Where destruction has not come so far yet, it is only said.
    case.kept.cursor = Position::new(position.get() - 1);
    let mut history = case.found(&case.entries, case.entries.len(), &case.with_keys());
    let store = case.with_keys().keys.unwrap();
    let mut dooms = case.runtime.block_on(Dooms::new(store)).unwrap();
    case.runtime.block_on(dooms.look(&mut history)).unwrap();
    assert_eq!((history.findings.count(), dooms.to_come), (0, 1));
}

/// Kept nodes in memory.
struct Nodes(Vec<Node>, u64, Vec<(Position, Option<UserId>)>);

#[async_trait]
impl KeptNodes for Nodes {
    async fn size(&self) -> Result<u64, RowsUnread> {
        Ok(self.1)
    }

    async fn nodes(&self, range: &NodeRange) -> Result<Vec<Node>, RowsUnread> {
        let within = |node: &&Node| node.level == range.level && range.indexes.contains(&node.index);
        Ok(self.0.iter().filter(within).copied().collect())
    }

    async fn about(&self, after: Position, up_to: Position) -> Result<Vec<(Position, Option<UserId>)>, RowsUnread> {
        let within = |(at, _): &&(Position, Option<UserId>)| *at > after && *at <= up_to;
        Ok(self.2.iter().filter(within).copied().collect())
    }
}

#[test]
fn a_hash_of_the_ledger_that_is_not_the_logs_is_found() {
    let names = ["Ada", "Eva"].into_iter().cycle();
    let edits = names.take(600).map(|name| (1, Act::Edit(1, name.to_owned(), 3)));
    let case = Case::of(&[(1, Act::Provision), (1, Act::Add(1, 1))].into_iter().chain(edits).collect::<Vec<_>>());
    let whole = case.entries.len() as u64;
    let (mut frontier, mut nodes) = (Frontier::default(), Vec::new());
    for (stored, index) in case.entries.iter().zip(0..) {
        let hash = leaf_hash(&stored.entry.bytes);
        nodes.push(Node { level: 0, index, hash });
        frontier.append(hash, &mut nodes);
    }
    assert!(nodes.iter().any(|node| node.level == 1), "a whole tile");
    // The log's first entry, and the service's, are about no user.
    let about = |at| (Position::new(at), (at > 2).then(|| user_of(1, 1)));
    let about: Vec<_> = (1..=whole).map(about).collect();
    let found_with = |nodes: Vec<Node>, size, about| {
        let kept: Arc<dyn KeptNodes> = Arc::new(Nodes(nodes, size, about));
        let mut history = History::new(LOG, Extent::Log, Anchors::default(), false).with_ledger();
        let mut tiles = case.runtime.block_on(Tiles::new(kept)).unwrap();
        for some in case.entries.chunks(100) {
            case.take(some, &without_keys(), &mut history);
            case.runtime.block_on(tiles.look(&mut history)).unwrap();
        }
        history.end();
        let last = history.last();
        case.runtime.block_on(tiles.end(last, &mut history)).unwrap();
        history.findings.kept().iter().map(|found| (found.position, found.kind)).collect::<Vec<_>>()
    };
    let found = |nodes, size| found_with(nodes, size, about.clone());
    assert_eq!(found(nodes.clone(), whole), []);
    for (at, other) in [(2, None), (1, Some(user_of(1, 1))), (300, Some(user_of(1, 2)))] {
        let mut altered = about.clone();
        altered[at].1 = other;
        assert_eq!(found_with(nodes.clone(), whole, altered), [(at as u64 + 1, Kind::Tile)], "{at}");
    }
    // Where it is not filled up yet, there is nothing to say of the rest.
    assert_eq!(found(nodes[..10].to_vec(), 10), []);
    for at in [0, 5, 255, 256, 300, nodes.len() - 1] {
        let mut altered = nodes.clone();
        altered[at].hash.0[7] ^= 1;
        let Node { level, index, .. } = altered[at];
        let position = (index + 1) * 256_u64.pow(u32::from(level));
        assert_eq!(found(altered, whole), [(position, Kind::Tile)], "{at}");
        let mut lacking = nodes.clone();
        lacking.remove(at);
        assert_eq!(found(lacking, whole), [(position, Kind::Tile)], "{at}");
    }
    for (level, index, position) in [(1, whole / 256, (whole / 256 + 1) * 256), (2, 0, 65_536)] {
        let ahead = [nodes.clone(), vec![Node { level, index, hash: leaf_hash(b"ahead") }]].concat();
        assert_eq!(found(ahead, whole), [(position, Kind::Tile)]);
    }
    assert_eq!(found(nodes, whole + 1), [(whole + 1, Kind::Tile)]);
}

/// Rows in memory.
struct Table {
    applied: Option<Applied>,
    services: Vec<ServiceRow>,
    users: Vec<UserRow>,
    /// Whether a row that the log does not know keeps the others from being read.
    damaged: bool,
}

#[async_trait]
impl LiveRows for Table {
    async fn applied(&self) -> Result<Option<Applied>, RowsUnread> {
        Ok(self.applied.clone())
    }

    async fn rows(&self, touched: &Touched) -> Result<Rows, RowsUnread> {
        let services = self.services.iter().filter(|row| touched.services.contains(&row.id));
        let users = self.users.iter().filter(|row| touched.users.contains(&row.id));
        Ok(Rows {
            services: services.map(|row| (row.id, row.clone())).collect(),
            users: users.map(|row| (row.id, row.clone())).collect(),
        })
    }

    async fn services(&self, after: Option<&ServiceRow>) -> Result<Vec<ServiceRow>, RowsUnread> {
        let behind = |row: &&ServiceRow| after.is_none_or(|after| row.service.domain > after.service.domain);
        Ok(self.services.iter().filter(behind).take(1).cloned().collect())
    }

    async fn users(&self, service: ServiceId, after: Option<UserId>) -> Result<Vec<UserRow>, RowsUnread> {
        if self.damaged {
            return Err(RowsUnread::Damaged("a state that can't be".to_owned()));
        }
        let behind = |row: &&UserRow| row.service == service && after.is_none_or(|after| row.id > after);
        Ok(self.users.iter().filter(behind).take(2).cloned().collect())
    }

    async fn strays(&self) -> Result<Vec<UserId>, RowsUnread> {
        let has = |row: &&UserRow| self.services.iter().any(|service| service.id == row.service);
        Ok(self.users.iter().filter(|row| !has(row)).map(|row| row.id).collect())
    }
}

/// What is found in rows that somebody has changed.
fn found_in(case: &Case, change: impl FnOnce(&mut Table)) -> (Vec<(u64, Kind)>, RowsSeen) {
    let (services, users) = case.author.rows();
    let mut frontier = Frontier::default();
    case.entries.iter().for_each(|stored| frontier.push(leaf_hash(&stored.entry.bytes)));
    let position = Position::new(frontier.size());
    let applied = Some(Applied { log: LOG, position, leaf: None, frontier });
    let mut table = Table { applied, services, users, damaged: false };
    change(&mut table);
    let mut history = case.found(&case.entries, 0, &case.with_keys());
    let seen = case.runtime.block_on(compare(&table, &mut history, async |_| Ok(()))).unwrap();
    (history.findings.kept().iter().map(|found| (found.position, found.kind)).collect(), seen)
}

#[test]
fn rows_that_are_the_fold_are_sound_and_each_that_is_not_is_found_at_its_last_entry() {
    let case = Case::new();
    let (found, seen) = found_in(&case, |_| {});
    assert_eq!((found, seen.rows, seen.behind, seen.unknown), (vec![], 5, 0, 0));
    let whole = case.entries.len() as u64;
    let last_of_user = |user: usize| case.author.rows().1[user].user.revision.get();
    type Change = fn(&mut Table);
    let changes: [(Change, u64); 6] = [
        (|table| table.users[0].user.quota = domain::Quota::from_mib(99).unwrap(), last_of_user(0)),
        (|table| table.users[1].user.state = domain::UserState::Suspended, last_of_user(1)),
        (|table| drop(table.users.remove(2)), last_of_user(2)),
        (|table| table.users[2].service = ServiceId::new(uuid::Uuid::from_u128(7)), last_of_user(2)),
        (
            |table| {
                let stranger = UserRow { id: user_of(1, 77), ..table.users[0].clone() };
                table.users.push(stranger);
            },
            last_of_user(0),
        ),
        (|table| table.services[0].service.usage.mailboxes += 1, whole),
    ];
    for (number, (change, position)) in changes.into_iter().enumerate() {
        let (found, _) = found_in(&case, change);
        assert_eq!(found, [(position, Kind::Row)], "{number}");
    }
    let (found, _) = found_in(&case, |table| table.applied.as_mut().unwrap().log = crate::staged::OTHER_LOG);
    assert_eq!(found, [(whole, Kind::Row)]);
}

#[test]
fn rows_that_are_not_applied_yet_are_no_finding() {
    let case = Case::new();
    let (found, seen) = found_in(&case, |table| {
        let applied = table.applied.as_mut().unwrap();
        applied.position = Position::new(applied.position.get() - 1);
        // What the last entry added.
        table.users.retain(|row| row.user.revision <= applied.position);
        table.services.remove(0);
    });
    assert_eq!(found, []);
    assert_eq!(seen.behind, 2);
}

#[test]
fn a_row_that_keeps_others_from_being_read_is_found() {
    let case = Case::new();
    let (found, _) = found_in(&case, |table| {
        table.damaged = true;
        // Behind it may stand whoever somebody wants to sign in as.
        table.users.push(UserRow { id: user_of(1, 77), ..table.users[0].clone() });
    });
    let services: Vec<_> = case.author.rows().0.iter().map(|row| (row.last.position.get(), Kind::Row)).collect();
    assert!(!services.is_empty() && services.iter().all(|service| found.contains(service)), "{found:?}");
}

#[test]
fn a_row_of_an_entry_that_is_said_not_to_be_applied_is_no_excuse() {
    let case = Case::new();
    let (_, users) = case.author.rows();
    let newest = users.iter().map(|row| row.user.revision).max().unwrap();
    let set_back = |table: &mut Table| {
        let applied = table.applied.as_mut().unwrap();
        applied.position = Position::new(newest.get() - 1);
        applied.frontier = Frontier::default();
        case.entries
            .iter()
            .take(newest.get() as usize - 1)
            .for_each(|entry| applied.frontier.push(leaf_hash(&entry.entry.bytes)));
    };
    let (found, _) = found_in(&case, |table| {
        set_back(table);
        let row = table.users.iter_mut().find(|row| row.user.revision == newest).unwrap();
        row.user.quota = domain::Quota::from_mib(99).unwrap();
    });
    assert!(found.contains(&(newest.get(), Kind::Row)), "{found:?}");
    // One that is of an entry of before may be behind.
    let (found, seen) = found_in(&case, |table| {
        set_back(table);
        let row = table.users.iter_mut().find(|row| row.user.revision == newest).unwrap();
        row.user.revision = Position::new(newest.get() - 1);
    });
    assert!(!found.contains(&(newest.get(), Kind::Row)) && seen.behind > 0, "{found:?} {seen:?}");
}

#[test]
fn a_ledger_that_is_further_than_its_rows_say_is_found() {
    let case = Case::new();
    let whole = case.entries.len() as u64;
    let kept: Arc<dyn KeptNodes> = Arc::new(Nodes(Vec::new(), whole, Vec::new()));
    let tiles = case.runtime.block_on(Tiles::new(kept)).unwrap();
    let mut history = case.found(&case.entries, 0, &without_keys());
    case.runtime.block_on(tiles.end(Position::new(whole), &mut history)).unwrap();
    assert_eq!(history.findings.kept(), []);
    case.runtime.block_on(tiles.end(Position::new(5), &mut history)).unwrap();
    let found: Vec<_> = history.findings.kept().iter().map(|found| (found.position, found.kind)).collect();
    assert_eq!(found, [(6, Kind::Tile)]);
}

#[test]
fn a_key_that_was_destroyed_and_is_doomed_by_nothing_is_found_where_it_was_used() {
    let mut case = Case::new();
    let ends = |case: &Case| {
        let mut history = case.found(&case.entries, case.entries.len(), &case.with_keys());
        let dooms = case.runtime.block_on(Dooms::new(case.with_keys().keys.unwrap())).unwrap();
        dooms.end(&mut history);
        history.findings.kept().iter().map(|found| (found.kind, found.what.clone())).collect::<Vec<_>>()
    };
    assert_eq!(ends(&case), []);
    let key = case.kept.keys.keys().copied().find(|key| !case.kept.destroyed.contains(key)).unwrap();
    case.kept.destroyed.push(key);
    let found = ends(&case);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].0 == Kind::Key && found[0].1.contains(&key.to_string()), "{found:?}");
}
