//! What is told to whoever asked: what was found, what was checked, and what was not.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ledger::Opened;
use serde::Serialize;
use uuid::Uuid;

use super::finding::Finding;
use super::history::History;

/// The outcome of a verification, as `--json` has it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether nothing was found.
    pub sound: bool,
    /// The log.
    pub log: Uuid,
    /// How many entries were read.
    pub entries: u64,
    /// The last position of them.
    pub last_position: u64,
    /// How many services they are of.
    pub services: u64,
    /// When the earliest was made.
    pub first_at: Option<DateTime<Utc>>,
    /// When the latest was made.
    pub last_at: Option<DateTime<Utc>>,
    /// How many events there are of each type.
    pub events: BTreeMap<&'static str, u64>,
    /// How many each client has made.
    pub clients: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// What it was verified by; none where that is not to be believed.
    pub checkpoint: Option<CheckpointReport>,
    /// How many entries stand behind the checkpoint: their chain was checked, and nobody has signed them.
    pub after_checkpoint: u64,
    /// What was checked and holds, or does not as the findings say.
    pub checked: Vec<String>,
    /// What was not checked, and why.
    pub not_checked: Vec<String>,
    /// The first of what was found.
    pub findings: Vec<Finding>,
    /// How much was found.
    pub findings_in_all: u64,
}

/// The checkpoint of a verification.
#[derive(Clone, Debug, Serialize)]
pub struct CheckpointReport {
    /// Whose log it is of.
    pub origin: String,
    /// How many entries it covers.
    pub size: u64,
    /// The root of their tree, in base64.
    pub root: String,
    /// The keys that have signed it, of those that are trusted.
    pub signed_by: Vec<String>,
}

impl CheckpointReport {
    /// Of a checkpoint that was opened.
    pub fn of(opened: &Opened) -> Self {
        let checkpoint = &opened.checkpoint;
        Self {
            origin: checkpoint.origin.clone(),
            size: checkpoint.size,
            root: checkpoint.root.to_string(),
            signed_by: opened.signed_by.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Report {
    /// What a history came to, in words of what was `checked` and what was not.
    pub fn of(
        history: &History,
        checkpoint: Option<CheckpointReport>,
        after_checkpoint: u64,
        checked: Vec<String>,
        not_checked: Vec<String>,
    ) -> Self {
        let findings = &history.findings;
        let mut kept = findings.kept().to_vec();
        kept.sort_by_key(|finding| finding.position);
        Self {
            sound: findings.count() == 0,
            log: history.log().uuid(),
            entries: history.entries(),
            last_position: history.last().get(),
            services: history.services() as u64,
            first_at: history.tally.first_at,
            last_at: history.tally.last_at,
            events: history.tally.events(),
            clients: history.tally.clients.clone(),
            after_checkpoint,
            checkpoint,
            checked,
            not_checked,
            findings: kept,
            findings_in_all: findings.count(),
        }
    }
}
