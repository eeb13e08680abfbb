//! Exports, on a machine that has only the binary, the export and the public key.

use std::fs;

use audit::export::{EntryRecord, ExportScope, Format, Header, Personal, ProofHash, Prover, VERSION, Writer};
use audit::shown;
use chrono::DateTime;
use domain::Position;
use ledger::{leaf_hash, sign};
use serde_json::Value;
use stage::{Finished, postkey, run};
use uuid::Uuid;
use wire::{LogId, Stored, Subject, read_sealed};

use crate::site::{Site, count, found, sound};

const FORMATS: [Format; 2] = [Format::Jsonl, Format::Csv];

/// What is exported, and how: of the whole log, Acme, or Ann.
async fn exported(site: &Site, scope: ExportScope, format: Format) -> Vec<u8> {
    let entries = site.entries().await;
    let checkpoint = site.checkpoint(entries.len()).await;
    let first: Value = serde_json::from_slice(entries[0].bytes.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    let log: Uuid = first["events"][0]["data"]["log"].as_str().unwrap().parse().unwrap();
    let header = Header {
        postkey_export: VERSION,
        log,
        scope,
        personal: Personal::Redacted,
        from: 1,
        to: entries.len() as u64,
        checkpoint: Some(sign(&checkpoint, &[&site.key()])),
        public_keys: vec![site.key().public_text()],
        crossings: Vec::new(),
        at: DateTime::UNIX_EPOCH,
    };
    let mut prover = Prover::new(tempfile::tempfile().unwrap());
    entries.iter().for_each(|entry| prover.push(leaf_hash(&entry.bytes)).unwrap());
    let mut writer = Writer::begin(Vec::new(), format, &header).unwrap();
    for (entry, index) in entries.iter().zip(0..) {
        let text = String::from_utf8(entry.bytes.clone()).unwrap();
        let within = match scope {
            ExportScope::All => true,
            ExportScope::Service(service) => entry.subject.contains(&service.to_string()),
            ExportScope::Entry(position) => position == index + 1,
            ExportScope::User { user, .. } => text.contains(&format!("\"user\":\"{user}\"")),
        };
        if !within {
            continue;
        }
        let proof = match scope {
            ExportScope::All => None,
            _ => Some(prover.prove(index).unwrap().into_iter().map(ProofHash).collect()),
        };
        let subject = Subject::parse(&entry.subject).unwrap();
        let bytes = entry.bytes.clone();
        let stored = Stored { position: Position::new(index + 1), entry: wire::Entry { subject, bytes } };
        let opened = read_sealed(&stored, LogId::new(log)).unwrap().leave_sealed().unwrap();
        let record = EntryRecord {
            position: index + 1,
            subject: entry.subject.clone(),
            entry: text,
            events: shown::events_with_private(&opened),
            proof,
        };
        writer.entry(&record).unwrap();
    }
    writer.end().unwrap()
}

fn scopes(site: &Site) -> [ExportScope; 3] {
    let (service, user) = (site.acme.parse().unwrap(), site.ann.parse().unwrap());
    [ExportScope::All, ExportScope::Service(service), ExportScope::User { service, user }]
}

/// Verified elsewhere.
async fn verified(site: &Site, export: &[u8], more: &[&str]) -> Finished {
    let elsewhere = tempfile::tempdir().unwrap();
    let path = |name: &str| elsewhere.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("export"), export).unwrap();
    fs::copy(site.folder.file("ledger/public-key"), path("public-key")).unwrap();
    let (export, key) = (path("export"), path("public-key"));
    let mut command = postkey(
        ["audit", "verify", "--json", "--export", &export, "--public-key", &key]
            .into_iter()
            .chain(more.iter().copied()),
    );
    command.current_dir(elsewhere.path());
    run(command).await
}

/// The same bytes, the last record made anew: by whoever knows how exports are written.
fn ended_again(site_export: &str) -> String {
    use sha2::{Digest, Sha256};
    let lines: Vec<_> = site_export.lines().collect();
    let before: String = lines[..lines.len() - 1].iter().map(|line| format!("{line}\n")).collect();
    let hash: String = Sha256::digest(before.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{before}{{\"end\":true,\"entries\":{},\"sha256\":\"{hash}\"}}\n", lines.len() - 2)
}

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
        let export = String::from_utf8(exported(&site, scope, Format::Jsonl).await).unwrap();
        // The quota that Bob, or Ann, was given, in the entry and in what is told of it.
        let altered = ended_again(&export.replace("\\\"quota_bytes\\\":10485760", "\\\"quota_bytes\\\":20971520"));
        assert_ne!(altered, export);
        let finished = verified(&site, altered.as_bytes(), &[]).await;
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
        let told = ended_again(
            &export.replace("\"type\":\"PasswordChanged\",\"service\"", "\"type\":\"UserSuspended\",\"service\""),
        );
        assert_ne!(told, export);
        let finished = verified(&site, told.as_bytes(), &[]).await;
        let report: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert!(count(&report) > 0 && finished.code == Some(1), "{report:#}");
        assert!(report["findings"].as_array().unwrap().iter().all(|found| found["kind"] == "export"), "{report:#}");
    }
}

#[tokio::test]
async fn an_entry_that_was_taken_out_of_a_service_is_found_where_it_stood() {
    let site = Site::new().await;
    let scope = scopes(&site)[1];
    let export = String::from_utf8(exported(&site, scope, Format::Jsonl).await).unwrap();
    let mut lines: Vec<_> = export.lines().collect();
    let gone: Value = serde_json::from_str(lines.remove(3)).unwrap();
    let tampered = ended_again(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    let position = gone["position"].as_u64().unwrap() as usize;
    found(verified(&site, tampered.as_bytes(), &[]).await, "missing", position);
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
