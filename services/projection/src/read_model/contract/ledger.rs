//! The ledger's port: leaves that come with batches or behind them, nodes, and whom entries are about.

use domain::Position;
use ledger::{Frontier, Node, NodeRange};

use super::Model;
use super::sample::{LOG, OTHER_LOG, batch, entries, service, user, user_id};
use crate::read_model::{Applied, ApplyError, Batch, Leaf, LedgerState};

async fn ledger(model: &Model) -> LedgerState {
    model.ledger.ledger().await.expect("reachable")
}

async fn nodes(model: &Model, level: u8, indexes: std::ops::Range<u64>) -> Vec<Node> {
    model.ledger.nodes(&NodeRange { level, indexes }).await.expect("reachable")
}

/// Applies so many entries with their leaves to the live generation.
async fn grow(model: &Model, from: Option<&Applied>, count: u64) -> Batch {
    let batch = entries(from, count);
    model.apply(model.live().await, &batch, from).await.expect("a batch that follows");
    batch
}

/// The ledger ends where the live generation is, and its frontier is that of its own nodes.
async fn is_whole(model: &Model, applied: &Applied) {
    let state = LedgerState { applied: Some(applied.clone()), size: applied.position, last: applied.leaf };
    assert_eq!(ledger(model).await, state);
    let plan = Frontier::plan(applied.position.get());
    let mut there = Vec::new();
    for range in plan.nodes() {
        there.extend(model.ledger.nodes(&range).await.expect("reachable"));
    }
    let node =
        |level, index| there.iter().find(|node| (node.level, node.index) == (level, index)).map(|node| node.hash);
    assert_eq!(plan.take_up(node).as_ref(), Ok(&applied.frontier));
}

pub async fn the_ledger_grows_with_the_live_generation(model: Model, other: Model) {
    let nothing = LedgerState { applied: None, size: Position::START, last: None };
    assert_eq!(ledger(&other).await, nothing);
    let mut from = None;
    for count in [1, 254, 1, 1, 300] {
        let grown = grow(&model, from.as_ref(), count).await;
        is_whole(&other, &grown.to).await;
        from = Some(grown.to);
    }
    // Rows are written again, at the position where they stand, and no entry.
    let stands = from.expect("it has grown");
    let again = Batch { to: stands.clone(), ..batch(None, &[service(1, "acme")], &[]) };
    model.apply(model.live().await, &again, Some(&stands)).await.expect("it stands there");
    is_whole(&other, &stands).await;
}

pub async fn its_nodes_are_read_by_level_and_index(model: Model, other: Model) {
    let grown = grow(&model, None, 700).await;
    let leaves: Vec<_> =
        grown.leaves.iter().map(|leaf| Node { level: 0, index: leaf.position.get() - 1, hash: leaf.hash }).collect();
    assert_eq!(nodes(&other, 0, 0..256).await, leaves[..256]);
    assert_eq!(nodes(&other, 0, 600..856).await, leaves[600..], "those that are there");
    assert_eq!(nodes(&other, 0, 699..700).await, leaves[699..]);
    assert_eq!(nodes(&other, 0, 700..956).await, []);
    assert_eq!((nodes(&other, 1, 0..256).await, grown.nodes.len()), (grown.nodes.clone(), 2));
    assert_eq!(nodes(&other, 1, 1..2).await, grown.nodes[1..]);
    assert_eq!(nodes(&other, 2, 0..256).await, []);
    assert_eq!(nodes(&other, 1, u64::MAX - 256..u64::MAX).await, [], "further than a database counts");
}

pub async fn a_batch_that_is_refused_adds_no_leaf(model: Model, other: Model) {
    let grown = grow(&model, None, 3).await;
    let live = model.live().await;
    let next = entries(Some(&grown.to), 300);
    assert_eq!(other.apply(live, &next, None).await, Err(ApplyError::Moved));
    let of = service(1, "acme");
    let (one, mut two) = (user(1, &of), user(2, &of));
    two.user.person.value = one.user.person.value.clone();
    let twice = Batch { users: vec![one, two], ..next.clone() };
    assert_eq!(other.apply(live, &twice, Some(&grown.to)).await, Err(ApplyError::AddressTwice));
    is_whole(&model, &grown.to).await;
    assert_eq!(nodes(&model, 1, 0..256).await, []);
    other.apply(live, &next, Some(&grown.to)).await.expect("it follows");
    is_whole(&model, &next.to).await;
}

pub async fn a_rebuild_leaves_the_ledger_alone(model: Model, other: Model) {
    let grown = grow(&model, None, 257).await;
    let (live, next) = (model.live().await, model.generations.begin().await.expect("reachable"));
    let beside = entries(None, 100);
    model.apply(next, &beside, None).await.expect("nothing was applied to it");
    is_whole(&other, &grown.to).await;
    let more = entries(Some(&beside.to), 157);
    model.apply(next, &more, Some(&beside.to)).await.expect("it follows");
    model.generations.swap(live, next, false).await.expect("both stand at one position");
    is_whole(&other, &grown.to).await;
    let grown = grow(&other, Some(&grown.to), 1).await;
    is_whole(&model, &grown.to).await;
}

pub async fn what_the_ledger_lacks_is_added_behind(model: Model, other: Model) {
    let grown = grow(&model, None, 250).await;
    let bare = |batch: &Batch| Batch { leaves: Vec::new(), nodes: Vec::new(), ..batch.clone() };
    let live = model.live().await;
    // As a rebuild leaves it, whose generation is further than the ledger.
    let lacking = entries(Some(&grown.to), 10);
    model.apply(live, &bare(&lacking), Some(&grown.to)).await.expect("it follows");
    let next = grow(&model, Some(&lacking.to), 2).await;
    let behind = LedgerState { applied: Some(next.to.clone()), size: grown.to.position, last: grown.to.leaf };
    assert_eq!(ledger(&other).await, behind, "a batch does not leave out what stands before it");

    let (leaves, completed) = (&lacking.leaves[..], &lacking.nodes[..]);
    let beyond = entries(Some(&next.to), 1);
    let all: Vec<Leaf> = [leaves, &next.leaves, &beyond.leaves].concat();
    for (log, leaves) in [(OTHER_LOG, leaves), (LOG, &leaves[1..]), (LOG, &grown.leaves[249..]), (LOG, &all)] {
        assert_eq!(other.ledger.extend(log, leaves, completed).await, Err(ApplyError::Moved), "{log}");
        assert_eq!(ledger(&model).await, behind);
        assert_eq!(nodes(&model, 1, 0..1).await, []);
    }
    other.ledger.extend(LOG, &[], &[]).await.expect("nothing to do");
    other.ledger.extend(LOG, leaves, completed).await.expect("they follow");
    let nearer = LedgerState { size: lacking.to.position, last: lacking.to.leaf, ..behind };
    assert_eq!(ledger(&model).await, nearer);
    model.ledger.extend(LOG, &next.leaves, &next.nodes).await.expect("they follow");
    is_whole(&other, &next.to).await;
    let grown = grow(&model, Some(&next.to), 1).await;
    is_whole(&other, &grown.to).await;
}

pub async fn of_two_who_extend_the_ledger_one_does(model: Model, other: Model) {
    let all = entries(None, 512);
    let bare = Batch { leaves: Vec::new(), nodes: Vec::new(), ..all.clone() };
    model.apply(model.live().await, &bare, None).await.expect("nothing was applied");
    for round in 0..16 {
        let leaves = &all.leaves[round * 32..(round + 1) * 32];
        // With each eighth of them a node is whole.
        let nodes = &all.nodes[round / 8..(round + 1) / 8];
        let both = tokio::join!(model.ledger.extend(LOG, leaves, nodes), other.ledger.extend(LOG, leaves, nodes));
        assert!(
            matches!(both, (Ok(()), Err(ApplyError::Moved)) | (Err(ApplyError::Moved), Ok(()))),
            "round {round}: {both:?}"
        );
    }
    is_whole(&model, &all.to).await;
}

pub async fn entries_about_a_user_come_in_their_order(model: Model, other: Model) {
    let first = grow(&model, None, 20).await;
    let grown = entries(None, 22);
    let about = async |n: u64, after: u64, up_to: u64, limit: u32| {
        let found = other.ledger.entries_about(user_id(n), Position::new(after), Position::new(up_to), limit).await;
        let found = found.expect("reachable");
        for link in &found {
            assert_eq!(link.leaf, grown.leaves[link.position.get() as usize - 1].hash);
        }
        found.into_iter().map(|link| link.position.get()).collect::<Vec<_>>()
    };
    assert_eq!(about(1, 0, 20, 100).await, [1, 4, 7, 10, 13, 16, 19]);
    assert_eq!(about(2, 0, u64::MAX, 100).await, [2, 5, 8, 11, 14, 17, 20]);
    assert_eq!(about(1, 4, 13, 100).await, [7, 10, 13]);
    assert_eq!(about(1, 4, 20, 2).await, [7, 10]);
    assert_eq!(about(1, 19, 20, 100).await, [0_u64; 0]);
    assert_eq!(about(3, 0, 20, 100).await, [0_u64; 0], "nobody's");
    grow(&model, Some(&first.to), 2).await;
    assert_eq!(about(1, 19, 22, 100).await, [22]);
}

pub async fn each_leaf_says_whom_its_entry_is_about(model: Model, other: Model) {
    let grown = grow(&model, None, 20).await;
    let said: Vec<_> = grown.leaves.iter().map(|leaf| (leaf.position, leaf.user)).collect();
    assert!(said.iter().any(|(_, user)| user.is_none()) && said.iter().any(|(_, user)| user.is_some()));
    let about =
        async |after, up_to| other.ledger.about(Position::new(after), Position::new(up_to)).await.expect("reachable");
    assert_eq!(about(0, 20).await, said);
    assert_eq!(about(3, 5).await, said[3..5]);
    assert_eq!(about(18, u64::MAX).await, said[18..], "those that are there");
    assert_eq!(about(20, 40).await, []);
}
