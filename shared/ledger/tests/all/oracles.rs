//! What is made here is held against other people's implementations, and what they make against ours.

use ledger::{
    Checkpoint, ConsistencyPlan, Hash, InclusionPlan, NoteKey, Tile, VerifierKey, leaf_hash, open, sign,
    verify_consistency, verify_inclusion,
};
use proptest::prelude::*;
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{Hash as TheirHash, HashReader as _, TileHashReader, TileReader};

use crate::tree::Tree;

const NAME: &str = "postkey/0b8f9a52-5d0c-4a2e-9a5e-0e4f4c1f7a11";

fn key(seed: u8) -> NoteKey {
    crate::fixed::key(NAME, seed)
}

fn checkpoint(size: u64) -> Checkpoint {
    Checkpoint { origin: NAME.to_owned(), size, root: leaf_hash(&size.to_be_bytes()) }
}

fn their_verifiers(keys: &[&NoteKey]) -> VerifierList {
    let verifier = |key: &&NoteKey| StandardVerifier::new(&key.public_text()).expect("their reading of our key");
    VerifierList::new(keys.iter().map(|key| Box::new(verifier(key)) as Box<dyn signed_note::Verifier>).collect())
}

#[test]
fn they_open_what_we_sign_and_sign_the_same_bytes() {
    let (first, second) = (key(1), key(2));
    let ours = sign(&checkpoint(77), &[&first, &second]);
    let note = Note::from_bytes(ours.as_bytes()).expect("their reading of our note");
    for trusted in [vec![&first], vec![&second], vec![&second, &first]] {
        let (verified, unknown) = note.verify(&their_verifiers(&trusted)).expect("valid");
        assert_eq!((verified.len(), unknown.len()), (trusted.len(), 2 - trusted.len()));
    }
    let theirs = tlog_tiles::Checkpoint::from_bytes(note.text()).expect("their reading of our checkpoint");
    assert_eq!((theirs.origin(), theirs.size(), theirs.extension()), (NAME, 77, ""));
    assert_eq!(theirs.hash().0, checkpoint(77).root.0);

    let mut again = Note::new(checkpoint(77).text().as_bytes(), &[]).expect("a text");
    for key in [&first, &second] {
        let signer = StandardSigner::new(&key.private_text()).expect("their reading of our private key");
        again.add_sigs(&[&signer]).expect("signed");
    }
    assert_eq!(again.to_bytes(), ours.as_bytes());
}

proptest! {
    #[test]
    fn a_note_with_one_byte_altered_is_opened_by_neither_or_says_the_same(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let (first, second) = (key(1), key(2));
        let mut note = sign(&checkpoint(77), &[&first, &second]).into_bytes();
        let at = at.index(note.len());
        note[at] = to;
        let ours = open(&note, &[first.verifier().clone()]);
        let theirs = Note::from_bytes(&note).ok().and_then(|note| {
            note.verify(&their_verifiers(&[&first])).ok()?;
            tlog_tiles::Checkpoint::from_bytes(note.text()).ok()
        });
        prop_assert_eq!(ours.is_ok(), theirs.is_some());
        if let Ok(opened) = ours {
            prop_assert_eq!(opened.checkpoint, checkpoint(77));
        }
    }
}

/// Serves the tiles of a tree to their verifier, as a stranger would fetch them.
struct Tiles<'a> {
    tree: &'a Tree,
    size: u64,
}

impl TileReader for Tiles<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let ours = |theirs: &tlog_tiles::Tile| {
            let width = theirs.width() as u16;
            let tile = Tile { level: theirs.level(), index: theirs.level_index(), width };
            assert!(tile.is_in(self.size), "{tile} is none of a tree of {} leaves", self.size);
            let node = |index| self.tree.node(tile.level, index).expect("it stands").0;
            tile.nodes().flat_map(node).collect()
        };
        Ok(tiles.iter().map(ours).collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

fn their(hash: Hash) -> TheirHash {
    TheirHash(hash.0)
}

#[test]
fn they_prove_from_our_tiles_what_we_prove() {
    let tree = Tree::sized(66_000);
    let root = |size: u64| tree.roots[size as usize];
    let lookup = |level, index| tree.node(level, index);
    for size in [1, 2, 3, 255, 256, 257, 511, 513, 5000, 65_535, 65_536, 65_537, 65_999] {
        let tiles = Tiles { tree: &tree, size };
        // Their reader also checks every tile that it fetches against the root.
        let reader = TileHashReader::new(size, their(root(size)), &tiles);
        for part in [0, 1, size / 3, size / 2, size.saturating_sub(2), size - 1].into_iter().filter(|&part| part < size)
        {
            let leaf = leaf_hash(&part.to_be_bytes());
            let theirs = tlog_tiles::prove_record(size, part, &reader).expect("their proof");
            let ours = InclusionPlan::new(part, size).expect("in the tree").prove(lookup).expect("its nodes");
            assert_eq!(theirs, ours.iter().copied().map(their).collect::<Vec<_>>(), "{part} in {size}");
            tlog_tiles::check_record(&theirs, size, their(root(size)), part, their(leaf)).expect("our proof");
            assert_eq!(verify_inclusion(leaf, part, size, root(size), &ours), Ok(()));

            let from = part + 1;
            let theirs = tlog_tiles::prove_tree(size, from, &reader).expect("their proof");
            let ours = ConsistencyPlan::new(from, size).expect("in order").prove(lookup).expect("its nodes");
            assert_eq!(theirs, ours.iter().copied().map(their).collect::<Vec<_>>(), "{from} to {size}");
            tlog_tiles::check_tree(&theirs, size, their(root(size)), from, their(root(from))).expect("our proof");
            assert_eq!(verify_consistency(from, root(from), size, root(size), &ours), Ok(()));
        }
        let index = tlog_tiles::stored_hash_index(0, size - 1);
        let last = reader.read_hashes(&[index]).expect("its tile");
        assert_eq!(last, [their(leaf_hash(&(size - 1).to_be_bytes()))]);
    }
}

#[test]
fn the_tiles_of_a_tree_are_theirs() {
    for size in [1, 255, 256, 257, 70_000, 16_777_300] {
        let mut ours: Vec<_> =
            Tile::of_tree(size).map(|tile| (tile.level, tile.index, u32::from(tile.width))).collect();
        let mut theirs: Vec<_> = tlog_tiles::Tile::new_tiles(8, 0, size)
            .iter()
            .map(|tile| (tile.level(), tile.level_index(), tile.width()))
            .collect();
        ours.sort_unstable();
        theirs.sort_unstable();
        assert_eq!(ours, theirs, "{size}");
    }
}

#[test]
fn keys_that_they_draw_are_read_here() {
    let signer = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let verifier = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let signer = StandardSigner::new(signer).expect("their key");
    let text = Checkpoint { origin: "PeterNeumann".to_owned(), ..checkpoint(3) }.text();
    let mut note = Note::new(text.as_bytes(), &[]).expect("a text");
    note.add_sigs(&[&signer]).expect("signed");
    let key = VerifierKey::parse(verifier).expect("a key");
    let opened = open(note.to_bytes(), std::slice::from_ref(&key)).expect("their note");
    assert_eq!((opened.checkpoint.size, opened.signed_by), (3, vec![key]));
}
