//! Exports, on a machine that has only the binary, the export and the public key.

use std::fs;

use audit::export::{ExportScope, Format};
use serde_json::Value;
use stage::{postkey, run};

use crate::export_made::{FORMATS, Parts, exported, scopes, verified};
use crate::site::{Site, count, sound};

#[tokio::test]
async fn an_export_verifies_by_itself_and_says_what_happened_by_whom() {
    let site = Site::new().await;
    for scope in scopes(&site) {
        for format in FORMATS {
            let export = exported(&site, scope, format).await;
            let report = sound(verified(&site, &export, &[]).await);
            assert!(report["clients"]["operator"]["PasswordChanged"].as_u64() > Some(0), "{report}");
            assert!(report["checkpoint"]["size"].as_u64() > Some(8), "{report}");
            assert_eq!(report["after_checkpoint"], 0, "{report}");
        }
    }
}

#[tokio::test]
async fn one_that_was_cut_off_or_put_behind_another_is_found() {
    let site = Site::new().await;
    for scope in scopes(&site) {
        for format in FORMATS {
            let export = exported(&site, scope, format).await;
            let lines = export.iter().filter(|byte| **byte == b'\n').count();
            let cut = export.len() - 20;
            let last = export[..export.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
            for tampered in [
                export[..cut].to_vec(),
                export[..last].to_vec(),
                [export.as_slice(), export.as_slice()].concat(),
                [&export[..last], export.as_slice()].concat(),
            ] {
                let finished = verified(&site, &tampered, &[]).await;
                assert_eq!(finished.code, Some(1), "{lines} lines: {finished:#?}");
                let report: Value = serde_json::from_str(&finished.stdout).unwrap();
                let kind = |finding: &Value| finding["kind"] == "export";
                assert!(report["findings"].as_array().unwrap().iter().any(kind), "{report:#}");
            }
        }
    }
}

#[tokio::test]
async fn what_its_entries_hold_under_the_checkpoint_can_not_be_altered_by_whoever_can_write_exports() {
    let site = Site::new().await;
    for scope in scopes(&site) {
        let parts = Parts::of(&exported(&site, scope, Format::Jsonl).await, Format::Jsonl);
        // The quota that Bob, or Ann, was given, in the entry.
        let altered = parts.replaced("\\\"quota_bytes\\\":10485760", "\\\"quota_bytes\\\":20971520");
        let finished = verified(&site, &altered.ended(), &[]).await;
        let all = scope == ExportScope::All;
        let report: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(finished.code, Some(1), "{report:#}");
        let kinds = if all { ["tree", "export"] } else { ["proof", "export"] };
        for kind in kinds {
            assert!(
                report["findings"].as_array().unwrap().iter().any(|found| found["kind"] == kind),
                "{kind}: {report:#}"
            );
        }
        // What is told of an entry, and not the entry.
        let from = "\"type\":\"PasswordChanged\",\"service\"";
        let told = parts.replaced(from, "\"type\":\"UserSuspended\",\"service\"");
        let finished = verified(&site, &told.ended(), &[]).await;
        let report: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert!(count(&report) > 0 && finished.code == Some(1), "{report:#}");
        assert!(report["findings"].as_array().unwrap().iter().all(|found| found["kind"] == "export"), "{report:#}");
    }
}

#[tokio::test]
async fn one_under_a_strangers_key_is_found_and_one_without_a_key_is_not_looked_at() {
    let (site, other) = (Site::new().await, Site::new().await);
    let export = exported(&site, ExportScope::All, Format::Jsonl).await;
    let finished = verified(&other, &export, &[]).await;
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(finished.code, Some(1));
    assert!(report["findings"].as_array().unwrap().iter().any(|found| found["kind"] == "signature"), "{report:#}");
    let path = site.folder.beside("export");
    fs::write(&path, export).unwrap();
    let finished = run(postkey(["audit", "verify", "--export", path.to_str().unwrap()])).await;
    assert_eq!(finished.code, Some(2));
    assert!(finished.failed_in_one_line().contains("--public-key"));
}

#[tokio::test]
async fn with_the_keyring_the_macs_of_an_export_are_checked_too() {
    let site = Site::new().await;
    let keyring = site.folder.file("keyring");
    for scope in scopes(&site) {
        let export = exported(&site, scope, Format::Jsonl).await;
        let report = sound(verified(&site, &export, &["--keyring-file", keyring.to_str().unwrap()]).await);
        assert!(report["checked"].to_string().contains("MACs"), "{report}");
    }
}
