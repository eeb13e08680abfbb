//! Checkpoints of other keys and other trees, and the pin.

use std::fs;

use ledger::{Checkpoint, Hash, NoteKey, leaf_hash, sign};
use rand_core::UnwrapErr;
use serde_json::Value;
use stage::{postkey, run};

use crate::site::{Site, found, sound};

fn write(site: &Site, note: &str) {
    fs::write(site.folder.file("ledger/checkpoint"), note).unwrap();
}

#[tokio::test]
async fn a_checkpoint_that_another_key_has_signed_is_found() {
    let site = Site::new().await;
    let head = site.entries().await.len();
    let stranger = NoteKey::generate(site.key().name(), &mut UnwrapErr(getrandom::SysRng));
    write(&site, &sign(&site.checkpoint(head).await, &[&stranger]));
    let report = found(site.verified(&[]).await, "signature", head);
    assert_eq!(report["checkpoint"], Value::Null, "{report}");
}

#[tokio::test]
async fn a_checkpoint_that_was_altered_is_found() {
    let site = Site::new().await;
    let head = site.entries().await.len();
    let note = fs::read_to_string(site.folder.file("ledger/checkpoint")).unwrap();
    write(&site, &note.replacen(&format!("\n{head}\n"), &format!("\n{}\n", head - 1), 1));
    found(site.verified(&[]).await, "signature", head - 1);
}

#[tokio::test]
async fn a_checkpoint_of_a_fork_is_found_whoever_signed_it() {
    let site = Site::new().await;
    let head = site.entries().await.len();
    let mut fork = site.checkpoint(head).await;
    fork.root = Hash(leaf_hash(b"another").0);
    write(&site, &sign(&fork, &[&site.key()]));
    found(site.verified(&[]).await, "tree", head);
}

#[tokio::test]
async fn a_pin_moves_on_with_the_log_and_never_back() {
    let site = Site::new().await;
    let (pin, head) = (site.pin(), site.entries().await.len());
    let kept = || fs::read_to_string(site.pin()).unwrap().lines().nth(1).unwrap().to_owned();
    site.sign(head - 3).await;
    sound(site.verified(&["--pin", &pin]).await);
    assert_eq!(kept(), (head - 3).to_string());
    site.sign(head).await;
    let report = sound(site.verified(&["--pin", &pin]).await);
    assert!(report["checked"].to_string().contains("pinned"), "{report}");
    assert_eq!(kept(), head.to_string());
    // One of before is fine, and nothing to go back to.
    site.sign(head - 3).await;
    sound(site.verified(&["--pin", &pin]).await);
    assert_eq!(kept(), head.to_string());
}

#[tokio::test]
async fn a_folder_that_was_replaced_as_a_whole_is_found_by_the_pin() {
    let (site, other) = (Site::new().await, Site::new().await);
    let pin = site.pin();
    sound(site.verified(&["--pin", &pin]).await);
    let kept = fs::read(&pin).unwrap();
    let finished = other.verified(&["--pin", &pin]).await;
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert_eq!(fs::read(&pin).unwrap(), kept, "it keeps what it had");
}

#[tokio::test]
async fn a_pin_of_as_many_entries_and_of_other_ones_is_found_by_a_part_export_too() {
    let site = Site::new().await;
    let (pin, head) = (site.pin(), site.entries().await.len());
    let (data, out) = (site.folder.data(), site.folder.beside("acme.jsonl"));
    let (data, out) = (data.to_str().unwrap(), out.to_str().unwrap());
    run(postkey(["audit", "export", "--data", data, "--service", "acme.example", "--out", out])).await.worked();
    let key = site.folder.file("ledger/public-key");
    let verify = ["audit", "verify", "--json", "--export", out, "--public-key", key.to_str().unwrap(), "--pin", &pin];
    sound(run(postkey(verify)).await);
    let mut fork = site.checkpoint(head).await;
    fork.root = Hash(leaf_hash(b"another").0);
    fs::write(&pin, sign(&fork, &[&site.key()])).unwrap();
    found(run(postkey(verify)).await, "tree", head);
}

#[tokio::test]
async fn a_pin_that_is_no_checkpoint_is_refused_and_stays() {
    let site = Site::new().await;
    let stranger = NoteKey::generate("somebody", &mut UnwrapErr(getrandom::SysRng));
    let checkpoint = Checkpoint { origin: "somebody".to_owned(), size: 1, root: Hash(leaf_hash(b"x").0) };
    // Signed, and its text is none.
    let note = sign(&checkpoint, &[&stranger]).replacen("\n1\n", "\none\n", 1);
    fs::write(site.pin(), &note).unwrap();
    let refused = site.verified(&["--pin", &site.pin()]).await;
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    assert_eq!(fs::read_to_string(site.pin()).unwrap(), note);
}

#[tokio::test]
async fn a_key_store_without_a_checkpoint_is_found() {
    let site = Site::new().await;
    assert_eq!(site.sql("keys.db", "DELETE FROM checkpoint").await, 1);
    found(site.verified(&[]).await, "key", 1);
}
