//! Properties of proofs: what is proved is believed, and nothing else is.

use std::sync::LazyLock;

use ledger::{
    BeyondTree, ConsistencyPlan, Frontier, Hash, InclusionPlan, MissingNode, NodeRange, Unproved, leaf_hash,
    verify_consistency, verify_inclusion,
};
use proptest::prelude::*;

use crate::tree::Tree;

/// Sizes of which every proof is tried: small ones, and those about a full tile.
const SMALL: std::ops::RangeInclusive<u64> = 0..=66;
const ABOUT_A_TILE: std::ops::RangeInclusive<u64> = 254..=259;
/// A size with nodes of three levels.
const LARGE: u64 = 66_000;

static TREE: LazyLock<Tree> = LazyLock::new(|| Tree::sized(LARGE));

fn root(size: u64) -> Hash {
    TREE.roots[size as usize]
}

fn leaf(index: u64) -> Hash {
    leaf_hash(&index.to_be_bytes())
}

fn inclusion(index: u64, size: u64) -> Vec<Hash> {
    let plan = InclusionPlan::new(index, size).expect("in the tree");
    plan.prove(planned(plan.nodes(), size)).expect("its nodes")
}

fn consistency(from: u64, to: u64) -> Vec<Hash> {
    let plan = ConsistencyPlan::new(from, to).expect("in order");
    plan.prove(planned(plan.nodes(), to)).expect("its nodes")
}

/// Looks up only what was planned, and what a tree of `size` has.
fn planned(ranges: Vec<NodeRange>, size: u64) -> impl Fn(u8, u64) -> Option<Hash> {
    for NodeRange { level, indexes } in &ranges {
        assert!(!indexes.is_empty() && indexes.end - indexes.start <= 256);
        assert!(indexes.end <= size >> (8 * level), "a node that the tree does not have");
    }
    move |level, index| {
        let is_planned = ranges.iter().any(|range| range.level == level && range.indexes.contains(&index));
        TREE.node(level, index).filter(|_| is_planned)
    }
}

fn flipped(hash: &Hash) -> Hash {
    let mut bytes = hash.0;
    bytes[13] ^= 0x10;
    Hash(bytes)
}

/// Asserts that `check` takes the proof as it is, and in no other form.
fn stands_alone(proof: &[Hash], check: impl Fn(&[Hash]) -> Result<(), Unproved>) {
    assert_eq!(check(proof), Ok(()));
    for at in 0..proof.len() {
        let mut altered = proof.to_vec();
        altered[at] = flipped(&altered[at]);
        assert!(check(&altered).is_err(), "hash {at} altered");
        altered.remove(at);
        assert!(check(&altered).is_err(), "hash {at} left out");
    }
    let longer = [proof, &[Hash([0; 32])]].concat();
    assert_eq!(check(&longer), Err(Unproved::Length(longer.len())));
}

#[test]
fn every_leaf_of_every_size_is_proved_and_no_other() {
    for size in SMALL.chain(ABOUT_A_TILE) {
        for index in 0..size {
            let proof = inclusion(index, size);
            assert_eq!(verify_inclusion(leaf(index), index, size, root(size), &proof), Ok(()), "{index} in {size}");
            let other = (index + 1) % size;
            if other != index {
                assert!(verify_inclusion(leaf(other), index, size, root(size), &proof).is_err());
                assert!(verify_inclusion(leaf(index), other, size, root(size), &proof).is_err());
            }
            assert_eq!(verify_inclusion(leaf(index), index, size, flipped(&root(size)), &proof), Err(Unproved::Root));
        }
    }
}

#[test]
fn every_size_is_proved_to_be_the_beginning_of_every_larger_one() {
    for to in SMALL.chain(ABOUT_A_TILE) {
        for from in 0..=to {
            let proof = consistency(from, to);
            assert_eq!(verify_consistency(from, root(from), to, root(to), &proof), Ok(()), "{from} in {to}");
            assert!(verify_consistency(from, flipped(&root(from)), to, root(to), &proof).is_err(), "{from} in {to}");
            // Of the empty tree everything is a continuation.
            let altered = verify_consistency(from, root(from), to, flipped(&root(to)), &proof);
            assert_eq!(altered.is_err(), from > 0 || to == 0, "{from} in {to}");
        }
    }
}

#[test]
fn what_lies_beyond_the_tree_is_refused() {
    assert_eq!(InclusionPlan::new(5, 5).err(), Some(BeyondTree { needed: 6, size: 5 }));
    assert_eq!(InclusionPlan::new(u64::MAX, u64::MAX).err(), Some(BeyondTree { needed: u64::MAX, size: u64::MAX }));
    assert_eq!(ConsistencyPlan::new(6, 5).err(), Some(BeyondTree { needed: 6, size: 5 }));
    assert_eq!(verify_inclusion(leaf(5), 5, 5, root(5), &[]), Err(Unproved::BeyondTree { size: 5 }));
    assert_eq!(verify_consistency(6, root(6), 5, root(5), &[]), Err(Unproved::BeyondTree { size: 5 }));
    let missing = InclusionPlan::new(0, 2).expect("in the tree").prove(|_, _| None);
    assert_eq!(missing, Err(MissingNode { level: 0, index: 1 }));
}

#[test]
fn plans_of_the_largest_trees_are_short() {
    let ranges = InclusionPlan::new(1 << 63, u64::MAX).expect("in the tree").nodes();
    assert!(ranges.iter().map(|range| range.indexes.end - range.indexes.start).sum::<u64>() < 64 * 256);
    let plan = ConsistencyPlan::new((1 << 63) + 1, u64::MAX).expect("in order");
    assert!(plan.prove(|_, _| Some(Hash([7; 32]))).expect("all nodes").len() <= 65);
    assert_eq!(Frontier::plan(u64::MAX).nodes().len(), 64);
}

proptest! {
    #[test]
    fn a_leaf_of_a_large_tree_is_proved_alone(size in 1..=LARGE, at in any::<prop::sample::Index>()) {
        let index = at.index(size as usize) as u64;
        let proof = inclusion(index, size);
        stands_alone(&proof, |proof| verify_inclusion(leaf(index), index, size, root(size), proof));
    }

    #[test]
    fn the_beginning_of_a_large_tree_is_proved_alone(to in 1..=LARGE, at in any::<prop::sample::Index>()) {
        let from = at.index(to as usize) as u64 + 1;
        let proof = consistency(from, to);
        stands_alone(&proof, |proof| verify_consistency(from, root(from), to, root(to), proof));
    }

    #[test]
    fn a_tree_is_taken_up_from_its_nodes(size in 0..=LARGE) {
        let plan = Frontier::plan(size);
        let frontier = plan.take_up(planned(plan.nodes(), size)).expect("its nodes");
        prop_assert_eq!(frontier.size(), size);
        prop_assert_eq!(frontier.root(), root(size));
        prop_assert!(plan.take_up(|_, _| None).is_err() || size == 0);
    }

    #[test]
    fn no_made_up_proof_is_believed(
        index in 0..40_u64, size in 0..40_u64, hashes in prop::collection::vec(any::<[u8; 32]>(), 0..8)
    ) {
        let proof: Vec<Hash> = hashes.into_iter().map(Hash).collect();
        prop_assume!(size > 1 || !proof.is_empty());
        prop_assert!(verify_inclusion(leaf(index), index, size, root(size), &proof).is_err());
        prop_assume!(index > 0 && index < size);
        prop_assert!(verify_consistency(index, root(index), size, root(size), &proof).is_err());
    }

    #[test]
    fn checkers_take_any_sizes(a in any::<u64>(), b in any::<u64>(), hashes in 0..70_usize) {
        let proof = vec![Hash([1; 32]); hashes];
        prop_assert!(verify_inclusion(leaf(0), a, b, root(1), &proof).is_err());
        prop_assert!(verify_consistency(a, root(1), b, root(2), &proof).is_err());
    }
}
