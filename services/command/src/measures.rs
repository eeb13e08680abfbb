//! What is counted and measured of commands.

use std::sync::Arc;

use credential::Hasher;
use event_log::EventLog;
use postkey_http::{Code, Kind, Metrics, Receipt, waits};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use throttle::Throttle;

use crate::receipt;

/// Counts and measures; clones are the same.
#[derive(Clone)]
pub struct Measures {
    commands: Family<Ended, Counter>,
    /// How long appends took, with every attempt of the log's.
    pub append: Histogram,
    /// How long keys took to be stored.
    pub keys: Histogram,
    /// How long hashes took, with the wait for a thread.
    pub hash: Histogram,
    /// How long proofs of a current password took, with the wait for a thread.
    pub proof: Histogram,
    /// How long answers waited for the read model.
    pub effect: Histogram,
    /// Entries that stood where another was meant to.
    pub conflicts: Counter,
    /// Commands that were prepared on what has moved.
    pub superseded: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    command: &'static str,
    outcome: &'static str,
}

impl Measures {
    /// None yet.
    pub fn new() -> Self {
        Self {
            commands: Family::default(),
            append: waits(),
            keys: waits(),
            hash: waits(),
            proof: waits(),
            effect: waits(),
            conflicts: Counter::default(),
            superseded: Counter::default(),
        }
    }

    /// Counts a command that was carried out.
    pub fn done(&self, command: &'static str, receipt: &Receipt) {
        self.count(command, receipt::ended(receipt));
    }

    /// Counts a command that was refused.
    pub fn refused(&self, command: &'static str, code: Code) {
        self.count(command, code.as_str());
    }

    fn count(&self, command: &'static str, outcome: &'static str) {
        self.commands.get_or_create(&Ended { command, outcome }).inc();
    }

    /// Shows them.
    pub fn show(&self, metrics: &Metrics, hasher: &Arc<Hasher>, throttle: &Throttle, log: &Arc<EventLog>) {
        metrics.register(|registry| {
            registry.register(
                "commands",
                "Commands by how they ended: effective, stored (and in force later), repeated, unchanged, or the code of a refusal, also of what could not be read or was not asked by whoever may",
                self.commands.clone(),
            );
            let waited = [
                ("append_duration_seconds", "How long appends to the log took, retries included", &self.append),
                ("key_store_duration_seconds", "How long the keys of a command took to be stored", &self.keys),
                ("hash_duration_seconds", "How long new passwords took to be hashed, the queue included", &self.hash),
                ("proof_duration_seconds", "How long a user's current password took to be proved, the queue included", &self.proof),
                ("effect_wait_seconds", "How long answers waited until the read model had applied a change", &self.effect),
            ];
            for (name, help, histogram) in waited {
                registry.register(name, help, histogram.clone());
            }
            let conflicts = "Appends that found another entry where theirs was to stand: another instance writes too";
            registry.register("append_conflicts", conflicts, self.conflicts.clone());
            let superseded = "Commands that were prepared anew, because what they were prepared on had moved";
            registry.register("commands_superseded", superseded, self.superseded.clone());
        });
        let (lanes, throttle, log) = (Arc::clone(hasher), throttle.clone(), Arc::clone(log));
        metrics.read(
            Kind::Gauge,
            "throttle_entries",
            "Accounts and origins with wrong passwords, and accounts whose owners' origins are known, that are remembered.",
            move || throttle.entries().named().map(|(table, entries)| (Some(("table", table)), entries as f64)).to_vec(),
        );
        metrics.read(Kind::Gauge, "hasher_queue_depth", "Passwords that wait for a thread, by lane.", move || {
            lanes.depths().named().map(|(lane, depth)| (Some(("lane", lane)), depth as f64)).to_vec()
        });
        metrics.read(Kind::Gauge, "log_seen_position", "The last position of the log that was seen.", move || {
            vec![(None, log.seen().get() as f64)]
        });
    }
}
