//! Records of exports that somebody moved, repeated, put in, took out or wrote otherwise, by whoever knows how exports end.

use audit::export::{ExportScope, Format};
use serde_json::{Value, json};

use crate::export_made::{FORMATS, Parts, exported, scopes, verified};
use crate::site::{Site, found, sound};

#[tokio::test]
async fn entries_that_were_swapped_repeated_or_taken_out_are_found_where_they_stood() {
    let site = Site::new().await;
    for scope in scopes(&site) {
        for format in FORMATS {
            let export = exported(&site, scope, format).await;
            let parts = Parts::of(&export, format);
            assert_eq!(parts.ended(), export, "nothing was altered yet");
            let positions = parts.positions();
            let mut swapped = parts.clone();
            swapped.entries.swap(1, 2);
            found(verified(&site, &swapped.ended(), &[]).await, "order", positions[1]);
            let mut repeated = parts.clone();
            repeated.entries.insert(2, parts.entries[1].clone());
            found(verified(&site, &repeated.ended(), &[]).await, "order", positions[1]);
            // Of a user nobody can say it: entries about others stand in between.
            if !matches!(scope, ExportScope::User { .. }) {
                let mut removed = parts.clone();
                removed.entries.remove(2);
                found(verified(&site, &removed.ended(), &[]).await, "missing", positions[2]);
            }
        }
    }
}

#[tokio::test]
async fn an_entry_that_was_put_in_is_found_also_where_all_behind_it_were_counted_anew() {
    let site = Site::new().await;
    let mut parts = Parts::of(&exported(&site, ExportScope::All, Format::Jsonl).await, Format::Jsonl);
    let (entries, size) = (parts.entries.clone(), parts.entries.len());
    let counted = |entry: &String, position: usize| {
        entry.replace(&format!("\"position\":{position},"), &format!("\"position\":{},", position + 1))
    };
    // The fourth stands at the fifth position too.
    parts.entries.truncate(4);
    parts.entries.extend(entries[3..].iter().zip(4..).map(|(entry, position)| counted(entry, position)));
    parts.header = parts.header.replace(&format!("\"to\":{size},"), &format!("\"to\":{},", size + 1));
    let report = found(verified(&site, &parts.ended(), &[]).await, "order", 5);
    assert_eq!(report["entries"], size + 1, "{report:#}");
    found(verified(&site, &parts.ended(), &[]).await, "tree", size);
}

#[tokio::test]
async fn what_is_altered_of_an_entry_is_found_in_both_formats() {
    let site = Site::new().await;
    for scope in scopes(&site) {
        for format in FORMATS {
            let parts = Parts::of(&exported(&site, scope, format).await, format);
            let (one, other) = (parts.positions()[1], parts.positions()[2]);
            // One letter of its bytes.
            let mut flipped = parts.clone();
            let at = parts.parted(1).0.find("operator").unwrap();
            flipped.entries[1].replace_range(at..=at, "0");
            found(verified(&site, &flipped.ended(), &[]).await, "export", one);
            // The events of another.
            let mut strange = parts.clone();
            strange.entries[1] = [parts.parted(1).0, parts.parted(2).1].concat();
            strange.entries[2] = [parts.parted(2).0, parts.parted(1).1].concat();
            for position in [one, other] {
                found(verified(&site, &strange.ended(), &[]).await, "export", position);
            }
        }
    }
}

#[tokio::test]
async fn what_was_added_beside_what_is_looked_at_is_found_where_it_stands() {
    let site = Site::new().await;
    for scope in scopes(&site) {
        for format in FORMATS {
            let parts = Parts::of(&exported(&site, scope, format).await, format);
            let mut added = parts.clone();
            let data = if format == Format::Csv { "\"{\"\"" } else { "\"data\":{\"" };
            let quote = if format == Format::Csv { "\"\"" } else { "\"" };
            let more = format!("{data}approved_by{quote}:{quote}CEO{quote},{quote}");
            let (entry, events) = parts.parted(1);
            added.entries[1] = format!("{entry}{}", events.replacen(data, &more, 1));
            assert_ne!(added.entries, parts.entries);
            let report = found(verified(&site, &added.ended(), &[]).await, "export", parts.positions()[1]);
            assert_eq!(report["findings_in_all"], 1, "{report:#}");
            assert!(!report["checked"].to_string().contains("as it was written"), "{report:#}");
        }
    }
}

#[tokio::test]
async fn a_record_that_can_not_be_read_is_named_and_what_stands_before_it_is_taken_in() {
    let site = Site::new().await;
    for format in FORMATS {
        let mut parts = Parts::of(&exported(&site, ExportScope::All, format).await, format);
        parts.entries[4] =
            parts.entries[4].replacen("postkey.p", "postkey,p", 1).replacen("\"subject\"", "\"subjects\"", 1);
        let report = found(verified(&site, &parts.ended(), &[]).await, "export", 5);
        assert_eq!(report["entries"], 4, "{report:#}");
    }
    for format in FORMATS {
        // No log counts so far, and no machine counts further.
        for position in [u64::MAX, i64::MAX as u64 + 1, 0] {
            let mut parts = Parts::of(&exported(&site, ExportScope::All, format).await, format);
            parts.entries[4] = match format {
                Format::Jsonl => parts.entries[4].replacen("\"position\":5,", &format!("\"position\":{position},"), 1),
                Format::Csv => parts.entries[4].replacen("entry,5,", &format!("entry,{position},"), 1),
            };
            let report = found(verified(&site, &parts.ended(), &[]).await, "export", 5);
            assert_eq!(report["entries"], 4, "{report:#}");
        }
    }
}

#[tokio::test]
async fn the_proof_of_one_entry_proves_no_other() {
    let site = Site::new().await;
    let position = site.last(&site.ann).await;
    let scope = ExportScope::Entry(position as u64);
    let parts = Parts::of(&exported(&site, scope, Format::Jsonl).await, Format::Jsonl);
    let report = sound(verified(&site, &parts.ended(), &[]).await);
    assert_eq!(report["entries"], 1);
    // Its bytes.
    let bytes = parts.replaced("\\\"client\\\":\\\"operator\\\"", "\\\"client\\\":\\\"somebody\\\"");
    found(verified(&site, &bytes.ended(), &[]).await, "proof", position);
    // Its proof: a hash is another, one is missing, it is gone.
    let entry: Value = serde_json::from_str(&parts.entries[0]).unwrap();
    let proof: Vec<_> = entry["proof"].as_array().unwrap().iter().map(|hash| hash.as_str().unwrap()).collect();
    let altered = [
        parts.replaced(proof[0], proof[1]),
        parts.replaced(&format!("\"{}\",", proof[0]), ""),
        parts.replaced(&format!(",\"proof\":{}", json!(proof)), ""),
    ];
    for altered in altered {
        found(verified(&site, &altered.ended(), &[]).await, "proof", position);
    }
    // Its position: of the record alone, and of everything that says one.
    let (from, before) = (format!("\"position\":{position},"), format!("\"position\":{},", position - 1));
    let mut moved = parts.clone();
    moved.entries[0] = moved.entries[0].replacen(&from, &before, 1);
    found(verified(&site, &moved.ended(), &[]).await, "export", position - 1);
    let mut moved = parts.replaced(&from, &before);
    moved.header = moved.header.replace(&format!("\"entry\":{position}"), &format!("\"entry\":{}", position - 1));
    moved.header = moved.header.replace(&format!("\"to\":{position}"), &format!("\"to\":{}", position - 1));
    found(verified(&site, &moved.ended(), &[]).await, "proof", position - 1);
}
