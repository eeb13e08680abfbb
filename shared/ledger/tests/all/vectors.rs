//! Known proofs and notes, made by others.

use ledger::{
    CheckpointError, ConsistencyPlan, Hash, InclusionPlan, KeyError, NoteError, NoteKey, VerifierKey, leaf_hash, open,
    verify_consistency, verify_inclusion,
};

use crate::tree::Tree;

/// The leaves of the reference implementation's tests of RFC 6962 (certificate-transparency's merkletree, kept on in
/// transparency-dev/merkle).
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

const N01: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const N4: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const N67: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const N03: &str = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7";
const N47: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
const N45: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const L0: &str = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
const L1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const N01_OF_3: &str = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex")).collect()
}

fn hashes(hex: &[&str]) -> Vec<Hash> {
    hex.iter().map(|hash| Hash(bytes(hash).try_into().expect("32 bytes"))).collect()
}

fn tree() -> Tree {
    Tree::of(LEAVES.iter().map(|leaf| bytes(leaf)))
}

#[test]
fn inclusion_proofs_are_the_reference_ones() {
    let tree = tree();
    let vectors: [(u64, u64, &[&str]); 5] =
        [(0, 1, &[]), (0, 8, &[L1, N01, N47]), (5, 8, &[N4, N67, N03]), (2, 3, &[N01_OF_3]), (1, 5, &[L0, N01, N4])];
    for (index, size, proof) in vectors {
        let proof = hashes(proof);
        let plan = InclusionPlan::new(index, size).expect("in the tree");
        assert_eq!(plan.prove(|level, index| tree.node(level, index)), Ok(proof.clone()), "{index} in {size}");
        let leaf = leaf_hash(&bytes(LEAVES[index as usize]));
        assert_eq!(verify_inclusion(leaf, index, size, tree.roots[size as usize], &proof), Ok(()));
    }
}

#[test]
fn consistency_proofs_are_the_reference_ones() {
    let tree = tree();
    let vectors: [(u64, u64, &[&str]); 5] = [
        (1, 1, &[]),
        (1, 8, &[L1, N01, N47]),
        (6, 8, &[N45, N67, N03]),
        (2, 5, &[N01, N4]),
        // RFC 9162 §2.1.5: PROOF(4, D[7]) is one hash where D[0:4] is a subtree; here D[4:8].
        (4, 8, &[N47]),
    ];
    for (from, to, proof) in vectors {
        let proof = hashes(proof);
        let plan = ConsistencyPlan::new(from, to).expect("in order");
        assert_eq!(plan.prove(|level, index| tree.node(level, index)), Ok(proof.clone()), "{from} in {to}");
        let (from_root, to_root) = (tree.roots[from as usize], tree.roots[to as usize]);
        assert_eq!(verify_consistency(from, from_root, to, to_root, &proof), Ok(()));
    }
}

/// Key and note of the documentation of golang.org/x/mod/sumdb/note.
#[test]
fn a_signature_of_gos_is_believed_and_an_altered_text_is_not() {
    let key = VerifierKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").expect("a key");
    let note = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    // Its signature is valid; and it says no checkpoint.
    assert_eq!(open(note, std::slice::from_ref(&key)), Err(NoteError::Checkpoint(CheckpointError)));
    let altered = note.replace("answer", "Answer");
    assert_eq!(open(altered, &[key]), Err(NoteError::BadSignature("PeterNeumann".to_owned())));
    let private =
        NoteKey::from_private_text("PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz");
    let public = private.map(|key| key.public_text());
    assert_eq!(public.as_deref(), Ok("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"));
}

#[test]
fn a_key_that_was_altered_is_refused() {
    let refused = |text: &str| VerifierKey::parse(text).map(|key| key.to_string());
    let encoded = "ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let with = |name: &str, hash: &str| format!("{name}+{hash}+{encoded}");
    assert_eq!(refused(&with("PeterNeuman", "c74f20a3")), Err(KeyError::Hash));
    assert_eq!(refused(&with("PeterNeumann", "c74f20a4")), Err(KeyError::Hash));
    assert_eq!(refused(&with("PeterNeumann", "C74F20A3")), Err(KeyError::Hash));
    assert_eq!(refused(&with("", "c74f20a3")), Err(KeyError::Form));
    assert_eq!(refused(&with("Peter Neumann", "c74f20a3")), Err(KeyError::Form));
    assert_eq!(refused("PeterNeumann+c74f20a3"), Err(KeyError::Form));
    assert_eq!(refused("PeterNeumann+c74f20a3+%"), Err(KeyError::Form));
    assert_eq!(refused("PeterNeumann+c74f20a3+AhpA"), Err(KeyError::Kind));
    assert_eq!(refused("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10Q="), Err(KeyError::Kind));
    // The point of order one: everybody's signature would be its.
    assert_eq!(refused("weak+00000000+AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), Err(KeyError::Kind));
    assert_eq!(VerifierKey::parse_all("\n\n"), Err(KeyError::NoKey));
    let private = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    for altered in [private.replace("+AYEK", "+AYEL"), private.replace("Peter", "peter")] {
        assert_eq!(NoteKey::from_private_text(&altered).err(), Some(KeyError::Hash));
    }
    assert_eq!(NoteKey::from_private_text(&with("PeterNeumann", "c74f20a3")).err(), Some(KeyError::Form));
}
