//! Drives a peer: so many commands in flight, for so long, each worker on users of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

/// What is asked for.
#[derive(Deserialize)]
pub struct Job {
    /// Which peer.
    pub peer: String,
    /// The database's URL.
    pub database: String,
    /// How many connections it may have.
    pub pool: u32,
    /// How many users there are.
    pub users: usize,
    /// Whether they are to be added first.
    pub add: bool,
    /// How many commands are under way at a time.
    pub in_flight: usize,
    /// Seconds before the timed part.
    pub warm_up: f64,
    /// Seconds that are timed.
    pub seconds: f64,
}

/// What came of it.
#[derive(Serialize)]
struct Tally {
    operations: u64,
    seconds: f64,
    failures: BTreeMap<String, u64>,
    latencies_us: Latencies,
}

#[derive(Serialize)]
struct Latencies {
    p50: u64,
    p99: u64,
    max: u64,
}

/// One of the peers.
pub trait Peer: Clone + Send + Sync + 'static {
    /// AddUser.
    fn add(&self, user: usize) -> impl Future<Output = Result<(), String>> + Send;
    /// EditUser: names and quota.
    fn edit(&self, user: usize, last_name: String) -> impl Future<Output = Result<(), String>> + Send;
}

/// Adds the users where asked to, then edits them.
pub async fn drive(peer: &impl Peer, job: &Job) -> Result<(), String> {
    if job.add {
        let mut adding = JoinSet::new();
        for worker in 0..job.in_flight {
            let (peer, users, step) = (peer.clone(), job.users, job.in_flight);
            adding.spawn(async move {
                for user in (worker..users).step_by(step) {
                    insist(&peer, user).await?;
                }
                Ok::<_, String>(())
            });
        }
        while let Some(added) = adding.join_next().await {
            added.map_err(|error| error.to_string())??;
        }
    }
    let (timed, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut workers = JoinSet::new();
    for worker in 0..job.in_flight {
        workers.spawn(edit(peer.clone(), worker, (job.users, job.in_flight), Arc::clone(&timed), Arc::clone(&stop)));
    }
    tokio::time::sleep(Duration::from_secs_f64(job.warm_up)).await;
    println!("begin");
    let begun = Instant::now();
    timed.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs_f64(job.seconds)).await;
    timed.store(false, Ordering::Relaxed);
    let seconds = begun.elapsed().as_secs_f64();
    println!("over");
    stop.store(true, Ordering::Relaxed);
    let mut failures = BTreeMap::new();
    let mut latencies = Vec::new();
    while let Some(done) = workers.join_next().await {
        let (took, failed) = done.map_err(|error| error.to_string())?;
        latencies.extend(took);
        failed.into_iter().for_each(|failure| *failures.entry(failure).or_insert(0) += 1);
    }
    latencies.sort_unstable();
    let at = |share: f64| latencies.get(((latencies.len() as f64 - 1.0).max(0.0) * share) as usize).copied().unwrap_or(0);
    let latencies_us = Latencies { p50: at(0.5), p99: at(0.99), max: at(1.0) };
    let tally = Tally { operations: latencies.len() as u64, seconds, failures, latencies_us };
    println!("end {}", serde_json::to_string(&tally).map_err(|error| error.to_string())?);
    Ok(())
}

/// Adds a user; a conflict is tried again, as any caller would.
async fn insist(peer: &impl Peer, user: usize) -> Result<(), String> {
    let mut tries = 0;
    loop {
        match peer.add(user).await {
            Ok(()) => return Ok(()),
            Err(error) if tries == 100 => return Err(format!("user {user} can't be added: {error}")),
            Err(_) => tries += 1,
        }
    }
}

/// One worker: its own users in turn, until told to stop. Only what ends in the timed part counts.
async fn edit(
    peer: impl Peer,
    worker: usize,
    (users, workers): (usize, usize),
    timed: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
) -> (Vec<u64>, Vec<String>) {
    let tag = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let (mut took, mut failed) = (Vec::new(), Vec::new());
    for (number, user) in (worker..users).step_by(workers).cycle().enumerate() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let begun = Instant::now();
        let done = peer.edit(user, format!("L{tag}-{number}")).await;
        if timed.load(Ordering::Relaxed) {
            match done {
                Ok(()) => took.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)),
                Err(error) => failed.push(error),
            }
        }
    }
    (took, failed)
}
