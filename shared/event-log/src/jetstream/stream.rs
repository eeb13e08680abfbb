//! The stream that holds a log: how it must be set up, and what it says of itself.

use std::collections::HashMap;
use std::time::Duration;

use domain::Position;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use wire::{Entry, LogId};

use super::copying;
use super::faults::{OpenError, damaged};
use crate::ReadError;

/// The stream's name.
pub const STREAM: &str = "POSTKEY";
/// Every subject of a log, and no other.
const SUBJECTS: &str = "postkey.>";
/// In the stream's metadata: which log it holds.
const LOG: &str = "postkey-log";
/// In the stream's metadata, while it is being filled by a copy: nobody but the copy may append.
const COPYING: &str = "postkey-copying";

/// How the stream is made, and must stay: nothing is ever deleted, nothing discarded, nothing rewritten. Field names and
/// values are those of JetStream's `STREAM.CREATE`
/// (<https://docs.nats.io/reference/reference-protocols/nats_api_reference>).
fn settings() -> Map<String, Value> {
    let settings = json!({
        "name": STREAM,
        "subjects": [SUBJECTS],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "max_consumers": -1,
        "max_msgs": -1,
        "max_msgs_per_subject": -1,
        "max_bytes": -1,
        "max_age": 0,
        // An entry and its guard's header.
        "max_msg_size": Entry::MAX_BYTES * 2,
        "deny_delete": true,
        "deny_purge": true,
        "allow_direct": true,
        "allow_rollup_hdrs": false,
        "allow_msg_ttl": false,
        "no_ack": false,
        "sealed": false,
        "compression": "none",
        "first_seq": 0,
    });
    match settings {
        Value::Object(settings) => settings,
        _ => Map::new(),
    }
}

/// What a log's stream has none of, but for what a copy has left there: each would put other bytes, or others' bytes, in it
/// or out of it.
const NEVER: [&str; 12] = [
    "mirror",
    "sources",
    "republish",
    "subject_transform",
    "template_owner",
    "persist_mode",
    "discard_new_per_subject",
    "subject_delete_marker_ttl",
    "allow_atomic",
    "allow_batched",
    "allow_msg_counter",
    "allow_msg_schedules",
];

/// How long ago a replica may have been heard from to count as one that still follows its leader. No server stands for
/// election before it has heard nothing of a leader for 4 s (nats-server 2.15.1, `server/raft.go`), and a leader hears
/// from the others each second.
const IN_TOUCH: Duration = Duration::from_secs(3);

/// The question that makes the stream.
pub(super) fn creation(log: LogId, replicas: usize, copying: bool) -> Value {
    let mut settings = settings();
    settings.remove("first_seq");
    settings.insert("num_replicas".to_owned(), replicas.into());
    let mut metadata = json!({ LOG: log.to_string() });
    if copying {
        metadata[COPYING] = "true".into();
    }
    settings.insert("metadata".to_owned(), metadata);
    settings.into()
}

/// What `STREAM.INFO` answers, as far as it is read each time.
#[derive(Deserialize)]
pub(super) struct Info {
    /// As it stands, so that it is looked into only when it has changed.
    pub config: Box<RawValue>,
    pub state: State,
    #[serde(default)]
    pub cluster: Option<Cluster>,
}

#[derive(Deserialize)]
pub(super) struct State {
    messages: u64,
    first_seq: u64,
    last_seq: u64,
    #[serde(default)]
    num_deleted: u64,
}

/// Which servers hold the stream.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Cluster {
    /// The one that answers for it; none during an election.
    #[serde(default)]
    leader: Option<String>,
    #[serde(default)]
    replicas: Option<Vec<Replica>>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
struct Replica {
    name: String,
    #[serde(default)]
    current: bool,
    #[serde(default)]
    offline: bool,
    /// How long ago it was last heard from, in nanoseconds.
    #[serde(default)]
    active: u64,
}

impl Cluster {
    /// The names of the servers that hold the stream.
    pub fn servers(&self) -> Vec<String> {
        let replicas = self.replicas.iter().flatten().map(|replica| replica.name.clone());
        self.leader.iter().cloned().chain(replicas).collect()
    }

    /// Those that are down, or behind.
    fn behind(&self) -> Vec<&str> {
        let replicas = self.replicas.iter().flatten();
        replicas.filter(|replica| replica.offline || !replica.current).map(|replica| replica.name.as_str()).collect()
    }
}

impl Info {
    /// Whether the server that answers has lately heard from enough others to be the only one that leads. One that was cut
    /// off, or stood still, takes itself for the leader for a while (measured with 2.15.1: more than 30 s), though the
    /// others may have another and go on; and then it, or another that lags, answers for some seconds more while it knows
    /// of no leader.
    pub fn is_leaders(&self) -> bool {
        let Some(cluster) = &self.cluster else { return true };
        let replicas = cluster.replicas.as_deref().unwrap_or_default();
        let heard = replicas.iter().filter(|replica| u128::from(replica.active) < IN_TOUCH.as_nanos()).count();
        (cluster.leader.is_some() || replicas.is_empty()) && (heard + 1) * 2 > replicas.len() + 1
    }
}

impl State {
    /// The last position, where nothing is missing before it.
    pub fn head(&self) -> Result<Position, ReadError> {
        let from_the_start = self.first_seq <= 1 && self.messages == self.last_seq && self.num_deleted == 0;
        if from_the_start {
            return Ok(Position::new(self.last_seq));
        }
        let what = format!(
            "the stream holds {} entries from position {} to {}: some were deleted, or it did not begin at 1",
            self.messages, self.first_seq, self.last_seq
        );
        Err(damaged(Position::new(self.first_seq.saturating_sub(1)), what))
    }
}

/// What a stream's settings say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub log: LogId,
    /// Whether a copy is under way.
    pub copying: bool,
    /// How many servers hold it.
    pub replicas: u64,
    /// What is not as it must be, in words; empty while all is well.
    pub drift: Vec<String>,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// Where the stream does not say which log it is, or keeps it in memory only.
    pub fn read(config: &RawValue) -> Result<Self, OpenError> {
        let not_a_log = |what: &str| OpenError::NotALog(what.to_owned());
        let config: HashMap<String, Value> =
            serde_json::from_str(config.get()).map_err(|_| not_a_log("its settings can't be read"))?;
        let metadata = config.get("metadata");
        let log = metadata.and_then(|metadata| metadata.get(LOG)?.as_str());
        let log = log.and_then(|log| Uuid::try_parse(log).ok()).map(LogId::new);
        let log = log.ok_or_else(|| not_a_log("its metadata names none"))?;
        if config.get("storage").is_some_and(|storage| storage == "memory") {
            return Err(not_a_log("it keeps its entries in memory only"));
        }
        let copying = metadata.is_some_and(|metadata| metadata.get(COPYING).is_some());
        let replicas = config.get("num_replicas").and_then(Value::as_u64).unwrap_or(1);
        Ok(Self { log, copying, replicas, drift: drift(&config) })
    }
}

/// What differs from [`settings`]. A field that the server leaves out is false, zero or none.
fn drift(config: &HashMap<String, Value>) -> Vec<String> {
    let absent = |value: &Value| matches!(value, Value::Null | Value::Bool(false)) || value.as_i64() == Some(0);
    let mut drift = Vec::new();
    for (name, wanted) in settings() {
        let found = config.get(&name).unwrap_or(&Value::Null);
        if *found != wanted && !(absent(found) && absent(&wanted)) {
            drift.push(format!("{name} is {found} and must be {wanted}"));
        }
    }
    for name in NEVER {
        let of_a_copy = |found: &Value| name == "subject_transform" && *found == copying::transform();
        let found = config.get(name).filter(|found| !absent(found) && found.as_str() != Some("") && !of_a_copy(found));
        if let Some(found) = found {
            drift.push(format!("{name} is {found} and must not be set"));
        }
    }
    drift
}

/// The same settings with one changed, as an update wants them: whole.
pub(super) fn changed(config: &RawValue, change: impl FnOnce(&mut Map<String, Value>)) -> Result<Value, OpenError> {
    let unreadable = |_| OpenError::NotALog("its settings can't be read".to_owned());
    let mut config: Map<String, Value> = serde_json::from_str(config.get()).map_err(unreadable)?;
    change(&mut config);
    Ok(config.into())
}

/// Takes the mark of a copy under way off.
pub(super) fn finish_copying(config: &mut Map<String, Value>) {
    if let Some(metadata) = config.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove(COPYING);
    }
}

/// What is wrong with the stream's servers, in words; none while all hold all of it.
pub(super) fn servers_behind(cluster: Option<&Cluster>) -> Option<String> {
    let behind = cluster?.behind();
    (!behind.is_empty()).then(|| format!("these servers of the stream are down or behind: {}", behind.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Info;

    fn is_leaders(cluster: &serde_json::Value) -> bool {
        let state = json!({"messages": 60, "first_seq": 1, "last_seq": 60});
        let info = json!({"config": {}, "state": state, "cluster": cluster}).to_string();
        serde_json::from_str::<Info>(&info).unwrap().is_leaders()
    }

    /// As nats-server 2.15.1 has answered.
    #[test]
    fn only_a_leader_that_the_others_have_let_hear_from_them_is_believed() {
        let replica =
            |name: &str, active: u64| json!({"name": name, "current": active < 1_000_000_000, "active": active});
        let [n0, n1, n2] = [replica("n0", 64_338_604), replica("n1", 16_864_082_184), replica("n2", 190_286)];
        assert!(is_leaders(&json!({"leader": "n0"})));
        assert!(is_leaders(&json!({"leader": "n1", "replicas": [n0, n2]})));
        assert!(is_leaders(&json!({"leader": "n0", "replicas": [n1, n2]})), "one of three is down");
        let n2_before = replica("n2", 12_860_363_332);
        assert!(!is_leaders(&json!({"leader": "n0", "replicas": [n1, n2_before]})), "it was cut off");
        assert!(!is_leaders(&json!({"replicas": [n0, n1, n2]})), "nobody leads");
    }
}
