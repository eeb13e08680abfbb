//! Entries that were altered, removed, moved, repeated, put in, and a log that was cut off or written anew.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ledger::leaf_hash;
use serde_json::{Value, json};

use crate::site::{Entry, Site, count, found, sound};

/// The line and the MAC of an entry.
fn halves(entry: &Entry) -> (Value, String) {
    let text = String::from_utf8(entry.bytes.clone()).unwrap();
    let (line, mac) = text.split_once('\n').unwrap();
    (serde_json::from_str(line).unwrap(), mac.to_owned())
}

/// The entry before `index` on its subject.
fn before(entries: &[Entry], index: usize) -> Option<usize> {
    entries[..index].iter().rposition(|entry| entry.subject == entries[index].subject)
}

fn named_later(entries: &[Entry], index: usize) -> bool {
    entries[index + 1..].iter().any(|entry| entry.subject == entries[index].subject)
}

fn link(entry: &Entry) -> Value {
    json!({"position": entry.position, "leaf": STANDARD.encode(leaf_hash(&entry.bytes).0)})
}

/// The fields of an entry's line in the order in which they are written.
fn line(fields: &Value) -> String {
    let names = ["v", "id", "at", "prev", "command", "by", "service", "user", "events", "private"];
    let field = |name: &&str| format!("\"{name}\":{}", fields[*name]);
    format!("{{{}}}", names.iter().map(field).collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn a_log_that_nobody_touched_is_sound() {
    let site = Site::new().await;
    let entries = site.entries().await.len();
    let report = sound(site.verified(&[]).await);
    assert_eq!((&report["entries"], &report["after_checkpoint"]), (&json!(entries), &json!(0)), "{report}");
    assert_eq!(report["clients"]["operator"]["PasswordChanged"], 4, "{report}");
    assert_eq!(report["events"]["LogCreated"], 1, "{report}");
    let report = sound(site.verified_without_keys(&[]).await);
    assert!(report["not_checked"].to_string().contains("MACs"), "{report}");
}

#[tokio::test]
async fn one_bit_that_was_flipped_is_found_at_its_entry() {
    let site = Site::new().await;
    let untouched = site.entries().await;
    for index in 0..untouched.len() {
        let mut entries = untouched.clone();
        let middle = entries[index].bytes.len() / 2;
        entries[index].bytes[middle] ^= 1;
        site.write(&entries).await;
        let report = site.verified(&[]).await;
        assert_eq!(report.code, Some(1), "{index}: {report:#?}");
        let report: Value = serde_json::from_str(&report.stdout).unwrap();
        let at = |finding: &Value| finding["position"] == index + 1;
        assert!(report["findings"].as_array().unwrap().iter().any(at), "{index}: {report:#}");
        let report = found(site.verified_without_keys(&[]).await, "tree", untouched.len());
        if named_later(&untouched, index) {
            assert!(report["findings"].as_array().unwrap().iter().any(at), "{index}: {report:#}");
        }
    }
    site.write(&untouched).await;
    sound(site.verified(&[]).await);
}

#[tokio::test]
async fn an_entry_that_was_removed_is_found_where_it_stood() {
    let site = Site::new().await;
    let mut entries = site.entries().await;
    entries.remove(5);
    site.write(&entries).await;
    found(site.verified(&[]).await, "missing", 6);
    found(site.verified_without_keys(&[]).await, "missing", 6);
}

#[tokio::test]
async fn two_entries_that_were_swapped_are_found() {
    let site = Site::new().await;
    let mut entries = site.entries().await;
    // Of one service, so that the second can't stand before the one that it follows.
    let second = (2..entries.len()).rev().find(|&index| before(&entries, index) == Some(index - 1));
    let second = second.expect("two in a row of one service");
    let (one, other) = (entries[second - 1].clone(), entries[second].clone());
    entries[second - 1] = Entry { position: one.position, ..other.clone() };
    entries[second] = Entry { position: other.position, ..one };
    site.write(&entries).await;
    for finished in [site.verified(&[]).await, site.verified_without_keys(&[]).await] {
        assert_eq!(finished.code, Some(1));
        let report: Value = serde_json::from_str(&finished.stdout).unwrap();
        let near = |finding: &Value| finding["position"] == second || finding["position"] == second + 1;
        assert!(report["findings"].as_array().unwrap().iter().any(near), "{report:#}");
    }
}

#[tokio::test]
async fn an_entry_that_was_appended_again_is_found_where_it_stands_again() {
    let site = Site::new().await;
    let mut entries = site.entries().await;
    let again = entries.len() + 1;
    entries.push(Entry { position: again as i64, ..entries[4].clone() });
    site.write(&entries).await;
    found(site.verified(&[]).await, "order", again);
    let report = found(site.verified_without_keys(&[]).await, "order", again);
    assert_eq!(count(&report), 1, "the checkpoint's tree is what it was: {report:#}");
}

#[tokio::test]
async fn an_entry_with_a_forged_mac_behind_the_checkpoint_is_found_with_the_keyring_and_counted_without() {
    let site = Site::new().await;
    let mut entries = site.entries().await;
    let last = entries.iter().rposition(|entry| entry.subject.contains(&site.acme)).unwrap();
    let (mut fields, mac) = halves(&entries[last]);
    fields["id"] = json!("0192f000-0000-7000-8000-000000000001");
    fields["command"] = json!("0192f000-0000-5000-8000-000000000002");
    fields["prev"] = link(&entries[last]);
    fields["user"] = json!(site.bob);
    fields["events"] = json!([{"type": "UserSuspended", "data": {}, "sealed": []}]);
    fields["private"] = json!([]);
    let (key, _) = mac.split_once(' ').unwrap();
    let bytes = format!("{}\n{key} {}", line(&fields), STANDARD.encode([7; 32])).into_bytes();
    let forged = Entry { position: entries.len() as i64 + 1, bytes, ..entries[last].clone() };
    entries.push(forged);
    site.write(&entries).await;
    found(site.verified(&[]).await, "mac", entries.len());
    let report = sound(site.verified_without_keys(&[]).await);
    assert_eq!(report["after_checkpoint"], 1, "{report}");
    assert!(report["not_checked"].to_string().contains("MACs"), "{report}");
}

#[tokio::test]
async fn a_tail_that_was_cut_off_is_found_by_the_checkpoint_and_with_an_older_one_by_the_pin() {
    let site = Site::new().await;
    let pin = site.pin();
    sound(site.verified_without_keys(&["--pin", &pin]).await);
    let mut entries = site.entries().await;
    let whole = entries.len();
    entries.truncate(whole - 2);
    site.write(&entries).await;
    found(site.verified_without_keys(&[]).await, "missing", whole - 1);
    // With a genuine checkpoint of before, nobody else could tell.
    site.sign(whole - 2).await;
    sound(site.verified_without_keys(&[]).await);
    found(site.verified_without_keys(&["--pin", &pin]).await, "missing", whole - 1);
}

#[tokio::test]
async fn a_log_that_was_written_anew_with_valid_hashes_is_found_without_any_key() {
    let site = Site::new().await;
    let mut entries = site.entries().await;
    let whole = entries.len();
    for index in 1..whole {
        let (mut fields, mac) = halves(&entries[index]);
        fields["by"]["client"] = json!("nobody");
        if let Some(before) = before(&entries, index) {
            fields["prev"] = link(&entries[before]);
        }
        entries[index].bytes = format!("{}\n{mac}", line(&fields)).into_bytes();
    }
    site.write(&entries).await;
    let report = found(site.verified_without_keys(&[]).await, "tree", whole);
    assert_eq!(count(&report), 1, "its chains are sound: {report:#}");
    found(site.verified(&[]).await, "mac", 2);
}

#[tokio::test]
async fn an_entry_on_a_subject_of_no_log_hides_none_of_those_before_it() {
    let site = Site::new().await;
    let mut entries = site.entries().await;
    let whole = entries.len();
    entries.push(Entry { position: whole as i64 + 1, subject: "nonsense".to_owned(), bytes: vec![0] });
    site.write(&entries).await;
    let report = found(site.verified(&[]).await, "bytes", whole + 1);
    assert_eq!((&report["entries"], count(&report)), (&json!(whole), 1), "{report:#}");
}
