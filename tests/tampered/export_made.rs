//! Exports as whoever writes them makes them, and makes them again after something was done to them.

use std::fs;

use audit::export::{EntryRecord, ExportScope, Format, Header, Personal, ProofHash, Prover, VERSION, Writer};
use audit::shown;
use chrono::DateTime;
use domain::Position;
use ledger::{leaf_hash, sign};
use serde_json::Value;
use sha2::{Digest, Sha256};
use stage::{Finished, postkey, run};
use uuid::Uuid;
use wire::{LogId, Stored, Subject, read_sealed};

use crate::site::{Entry, Site};

pub const FORMATS: [Format; 2] = [Format::Jsonl, Format::Csv];

/// The id of the log.
pub fn log_of(entries: &[Entry]) -> Uuid {
    let first: Value = serde_json::from_slice(entries[0].bytes.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    first["events"][0]["data"]["log"].as_str().unwrap().parse().unwrap()
}

/// What is exported, and how: of the whole log, Acme, Ann, or an entry.
pub async fn exported(site: &Site, scope: ExportScope, format: Format) -> Vec<u8> {
    exported_under(site, scope, format, site.entries().await.len()).await
}

/// The same under the checkpoint of the first entries.
pub async fn exported_under(site: &Site, scope: ExportScope, format: Format, size: usize) -> Vec<u8> {
    let entries = site.entries().await;
    let checkpoint = site.checkpoint(size).await;
    let log = log_of(&entries);
    let header = Header {
        postkey_export: VERSION,
        log,
        scope,
        personal: Personal::Redacted,
        to: if let ExportScope::Entry(position) = scope { position } else { entries.len() as u64 },
        checkpoint: Some(sign(&checkpoint, &[&site.key()])),
        public_keys: vec![site.key().public_text()],
        crossings: Vec::new(),
        at: DateTime::UNIX_EPOCH,
    };
    let mut prover = Prover::new(tempfile::tempfile().unwrap());
    entries[..size].iter().for_each(|entry| prover.push(leaf_hash(&entry.bytes)).unwrap());
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
            _ if index >= checkpoint.size => None,
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

/// The whole log, Acme, and Ann.
pub fn scopes(site: &Site) -> [ExportScope; 3] {
    let (service, user) = (site.acme.parse().unwrap(), site.ann.parse().unwrap());
    [ExportScope::All, ExportScope::Service(service), ExportScope::User { service, user }]
}

/// Verified elsewhere.
pub async fn verified(site: &Site, export: &[u8], more: &[&str]) -> Finished {
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

/// An export in its records, of which somebody alters some.
#[derive(Clone)]
pub struct Parts {
    format: Format,
    /// The first record, with the titles before it.
    pub header: String,
    /// Each entry, with its events.
    pub entries: Vec<String>,
}

impl Parts {
    pub fn of(export: &[u8], format: Format) -> Self {
        let mut records: Vec<String> = Vec::new();
        let mut quoted = false;
        for line in str::from_utf8(export).unwrap().split_inclusive('\n') {
            let goes_on =
                format == Format::Csv && (quoted || line.starts_with("event,") || line.starts_with("export,"));
            match records.last_mut().filter(|_| goes_on) {
                Some(record) => record.push_str(line),
                None => records.push(line.to_owned()),
            }
            quoted ^= format == Format::Csv && line.matches('"').count() % 2 == 1;
        }
        records.pop();
        Self { format, header: records.remove(0), entries: records }
    }

    /// Where each entry stands.
    pub fn positions(&self) -> Vec<usize> {
        let position = |entry: &String| match self.format {
            Format::Jsonl => serde_json::from_str::<Value>(entry).unwrap()["position"].as_u64().unwrap() as usize,
            Format::Csv => entry.split(',').nth(1).unwrap().parse().unwrap(),
        };
        self.entries.iter().map(position).collect()
    }

    /// An entry without its events, and its events.
    pub fn parted(&self, index: usize) -> (&str, &str) {
        let entry = &self.entries[index];
        let events = if self.format == Format::Jsonl { "\"events\":" } else { "\nevent," };
        entry.split_at(entry.find(events).unwrap())
    }

    /// The same with the last record made anew: by whoever knows how exports are written.
    pub fn ended(&self) -> Vec<u8> {
        let before = [std::slice::from_ref(&self.header), &self.entries[..]].concat().concat();
        let hash: String = Sha256::digest(&before).iter().map(|byte| format!("{byte:02x}")).collect();
        let end = format!("{{\"end\":true,\"entries\":{},\"sha256\":\"{hash}\"}}", self.entries.len());
        let end = match self.format {
            Format::Jsonl => end,
            Format::Csv => format!("end,,,,,,,,,\"{}\",,,,,", end.replace('"', "\"\"")),
        };
        format!("{before}{end}\n").into_bytes()
    }

    /// The same with something else in every record, which must stand there.
    pub fn replaced(&self, from: &str, to: &str) -> Self {
        let (from, to) = (self.quoted(from), self.quoted(to));
        let replaced = |record: &String| record.replace(&from, &to);
        let altered = Self {
            format: self.format,
            header: replaced(&self.header),
            entries: self.entries.iter().map(replaced).collect(),
        };
        assert_ne!((&altered.header, &altered.entries), (&self.header, &self.entries), "{from}");
        altered
    }

    /// JSON as it stands in records.
    fn quoted(&self, json: &str) -> String {
        if self.format == Format::Csv { json.replace('"', "\"\"") } else { json.to_owned() }
    }
}

/// Expects that it is tampered with, by a report or, where its first record can't be read, by a line.
#[track_caller]
pub fn tampered(finished: &Finished) {
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert!(finished.stderr.contains("tampered"), "{finished:#?}");
}
