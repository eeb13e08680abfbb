//! EditUser ("Save" without a password) over HTTP, each waiting until it is in force.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hyper::Method;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::{Answer, Connection, Timing, Window};
use crate::failure::{Failure, Named};
use crate::seed::{Population, QUOTA_BYTES};
use crate::tally::Tally;

/// How long a command that fails is asked for again, and how often, where that is what is wanted.
const INSISTS_FOR: Duration = Duration::from_secs(60);
const ASKS_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Edits of names and quota, so many in flight. Each worker has a connection and services of its own; no two commands on
/// one service are ever under way at a time, as with raw guarded publishes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Edits {
    /// The command services; workers are spread over them.
    pub commands: Vec<String>,
    /// Headers of every request: the token and whose services these are.
    pub headers: Vec<(String, String)>,
    /// Whom to edit.
    pub population: Population,
    /// How many commands are under way at a time.
    pub in_flight: usize,
    /// For how long.
    pub timing: Timing,
    /// Whether each service is edited once before, so that none is loaded in the timed part.
    pub visit: bool,
    /// Whether a command that fails is asked for again, with its key, until it is acknowledged; see [`Insisted`].
    pub insist: bool,
}

/// What came of commands that were asked for until they were acknowledged. In JSON a [`Tally`] with more fields.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Insisted {
    /// As always; operations are acknowledgements in the timed part.
    #[serde(flatten)]
    pub tally: Tally,
    /// When each acknowledgement came, in milliseconds since the timed part began, sorted; those before are 0.
    pub acknowledged_ms: Vec<u64>,
    /// How often a command was asked for again.
    pub asked_again: u64,
    /// How many acknowledgements said that an earlier request had done it.
    pub repeated: u64,
    /// Every position that was acknowledged, sorted; one that was given twice stands twice.
    pub positions: Vec<u64>,
    /// The last name that was acknowledged for each user: service, user, name.
    pub last_names: Vec<(u32, u32, String)>,
}

#[derive(Deserialize)]
struct Receipt {
    position: u64,
    effective: bool,
    repeated: bool,
    events: Vec<String>,
}

/// A command on its way, by one worker.
struct Worker {
    connection: Connection,
    population: Population,
    /// Its own services, by number.
    services: Vec<u32>,
    /// Makes names differ from those of any other run and worker.
    tag: String,
    number: u32,
}

impl Worker {
    /// The next user in turn: all services before a service comes again.
    fn target(&self) -> (u32, u32) {
        let count = u32::try_from(self.services.len()).unwrap_or(u32::MAX);
        let service = self.services[(self.number % count) as usize];
        (service, (self.number / count) % self.population.users)
    }

    /// One edit: whom, to which name, and what was answered.
    async fn edit(&mut self, key: Option<&str>) -> (u32, u32, String, Result<Answer, Failure>) {
        let (service, user) = self.target();
        let name = format!("L{}-{}", self.tag, self.number);
        let path =
            format!("/v1/services/{}/users/{}", self.population.service(service), self.population.user(service, user));
        let body = format!(r#"{{"first_name":"Ann","last_name":"{name}","quota_bytes":{QUOTA_BYTES}}}"#);
        let answer = self.connection.send_with(Method::PATCH, &path, Some(body), key).await;
        (service, user, name, answer)
    }
}

/// The receipt of an edit that was stored; how it failed otherwise.
fn receipt(answer: Result<Answer, Failure>) -> Result<Receipt, String> {
    let answer = answer.map_err(|error| error.to_string())?;
    if !matches!(answer.status, 200 | 202) {
        return Err(answer.code());
    }
    let receipt: Receipt = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    if receipt.events.len() == 1 { Ok(receipt) } else { Err(format!("events {:?}", receipt.events)) }
}

impl Edits {
    pub(super) async fn run(self) -> Result<Insisted, Failure> {
        let services = self.population.services as usize;
        if services < self.in_flight {
            return Err(Failure::new("edits", "there must be a service for each command in flight"));
        }
        let (window, insisted) = (Window::new(), Arc::new(Mutex::new(Insisted::default())));
        let begun = Arc::new(Mutex::new(None));
        let mut workers = JoinSet::new();
        for number in 0..self.in_flight {
            let worker = self.worker(number)?;
            let window = Arc::clone(&window);
            if self.insist {
                workers.spawn(insist(worker, window, Arc::clone(&insisted), Arc::clone(&begun)));
            } else {
                workers.spawn(edit(worker, window, self.visit));
            }
        }
        // A worker that gives up before all are ready would be waited for without end.
        let tally = tokio::select! {
            tally = window.run(self.in_flight, self.timing) => tally?,
            failure = first_failure(&mut workers) => return Err(failure),
        };
        while let Some(ended) = workers.join_next().await {
            ended.named("a worker")??;
        }
        let mut insisted = std::mem::take(&mut *insisted.lock().unwrap_or_else(PoisonError::into_inner));
        insisted.tally = tally;
        insisted.acknowledged_ms.sort_unstable();
        insisted.positions.sort_unstable();
        Ok(insisted)
    }

    #[expect(clippy::disallowed_methods, reason = "a load generator is an outermost shell")]
    fn worker(&self, number: usize) -> Result<Worker, Failure> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).named("the clock")?;
        let services = (0..self.population.services).skip(number).step_by(self.in_flight).collect();
        let base = &self.commands[number % self.commands.len()];
        let connection = Connection::new(base, &self.headers)?;
        let tag = format!("{}.{number}", since.as_millis());
        Ok(Worker { connection, population: self.population, services, tag, number: 0 })
    }
}

/// Waits for a worker that fails; without end where none does.
async fn first_failure(workers: &mut JoinSet<Result<(), Failure>>) -> Failure {
    loop {
        match workers.join_next().await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(failure))) => return failure,
            Some(Err(panicked)) => return Failure::new("a worker", panicked),
            None => std::future::pending().await,
        }
    }
}

/// Edits until told to stop. What is stored but not in force within the service's own wait has failed.
async fn edit(mut worker: Worker, window: Arc<Window>, visit: bool) -> Result<(), Failure> {
    if visit {
        for _ in 0..worker.services.len() {
            let begun = Instant::now();
            while let Err(how) = receipt(worker.edit(None).await.3) {
                // Many services are loaded at once here: some are refused at first.
                if begun.elapsed() > INSISTS_FOR {
                    return Err(Failure::new("the first edit of a service", how));
                }
                tokio::time::sleep(ASKS_AGAIN_AFTER).await;
            }
            worker.number += 1;
        }
    }
    window.ready();
    while !window.is_over() {
        let begun = Instant::now();
        match receipt(worker.edit(None).await.3) {
            Ok(receipt) if receipt.effective => window.done(begun),
            Ok(_) => window.failed("202 not in force within the wait"),
            Err(how) => window.failed(&how),
        }
        worker.number += 1;
    }
    Ok(())
}

/// Edits until told to stop, each until it is acknowledged.
async fn insist(
    mut worker: Worker,
    window: Arc<Window>,
    insisted: Arc<Mutex<Insisted>>,
    first: Arc<Mutex<Option<Instant>>>,
) -> Result<(), Failure> {
    window.ready();
    let mut last_names = BTreeMap::new();
    while !window.is_over() {
        let key = format!("{}-{}", worker.tag, worker.number);
        let begun = Instant::now();
        let receipt = loop {
            let (service, user, name, answer) = worker.edit(Some(&key)).await;
            match receipt(answer) {
                Ok(receipt) => {
                    last_names.insert((service, user), name);
                    break receipt;
                }
                Err(how) if begun.elapsed() > INSISTS_FOR => return Err(Failure::new("a command", how)),
                Err(how) => {
                    window.failed(&how);
                    insisted.lock().unwrap_or_else(PoisonError::into_inner).asked_again += 1;
                    tokio::time::sleep(ASKS_AGAIN_AFTER).await;
                }
            }
        };
        window.done(begun);
        let at = {
            let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
            if first.is_none() && window.is_timed() {
                *first = Some(Instant::now());
            }
            first.map_or(0, |first| u64::try_from(first.elapsed().as_millis()).unwrap_or(u64::MAX))
        };
        let mut insisted = insisted.lock().unwrap_or_else(PoisonError::into_inner);
        insisted.acknowledged_ms.push(at);
        insisted.positions.push(receipt.position);
        insisted.repeated += u64::from(receipt.repeated);
        worker.number += 1;
    }
    let mut insisted = insisted.lock().unwrap_or_else(PoisonError::into_inner);
    insisted.last_names.extend(last_names.into_iter().map(|((service, user), name)| (service, user, name)));
    Ok(())
}
