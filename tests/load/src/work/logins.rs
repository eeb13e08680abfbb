//! Logins over HTTP, as webmail asks for them, each with the right password; or the same bodies to the echo.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hyper::Method;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::{Connection, Timing, Window};
use crate::failure::{Failure, Named};
use crate::seed::{PASSWORD, Population};
use crate::tally::Tally;

/// Logins, so many in flight.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Logins {
    /// The service, and where it is asked.
    pub base: String,
    /// The path there.
    pub path: String,
    /// Headers of every request: the token.
    pub headers: Vec<(String, String)>,
    /// Who there is.
    pub population: Population,
    /// Where among the users to begin, so that another round is of other users.
    pub from: u32,
    /// How many users there are for this round: it fails where they do not suffice.
    pub users: u32,
    /// Whether one who is in signs in again and again; otherwise it is another's turn, and each costs an argon2id.
    pub again: bool,
    /// How many are under way at a time, at most.
    pub in_flight: u32,
    /// How many are begun a second, whatever becomes of them; none: the next as soon as one has ended.
    pub per_second: Option<f64>,
    /// For how long.
    pub timing: Timing,
}

/// What the workers of one process share.
struct Shared {
    job: Logins,
    window: Arc<Window>,
    /// The next user's turn.
    next: AtomicU32,
    /// Logins that may begin; closed once it is over.
    begins: Semaphore,
}

impl Logins {
    /// Of a user in turn. None of the first service, whose passwords saves change.
    fn address(&self, user: u32) -> String {
        let Population { services, users } = self.population;
        let others = services.saturating_sub(1).max(1);
        self.population.address(services - others + user % others, user / others % users)
    }

    pub(super) async fn run(self) -> Result<Tally, Failure> {
        let (from, window) = (self.from, Window::new());
        let shared = Arc::new(Shared {
            job: self.clone(),
            window: Arc::clone(&window),
            next: AtomicU32::new(from),
            begins: Semaphore::new(0),
        });
        let mut workers = JoinSet::new();
        for _ in 0..self.in_flight {
            let connection = Connection::new(&self.base, &self.headers)?;
            workers.spawn(sign_in(connection, Arc::clone(&shared)));
        }
        let pacing = self.per_second.map(|rate| tokio::spawn(pace(Arc::clone(&shared), rate)));
        let tally = window.run(self.in_flight as usize, self.timing).await?;
        if let Some(pacing) = pacing {
            pacing.abort();
        }
        shared.begins.close();
        while let Some(ended) = workers.join_next().await {
            ended.named("a worker")?;
        }
        if shared.next.load(Ordering::Relaxed) > from + self.users {
            return Err(Failure::new("logins", format!("{} users do not suffice for this machine", self.users)));
        }
        Ok(tally)
    }
}

/// Lets so many begin a second, however many are still under way.
async fn pace(shared: Arc<Shared>, rate: f64) {
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut given = 0;
    loop {
        ticks.tick().await;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of some seconds")]
        let due = (begun.elapsed().as_secs_f64() * rate) as usize;
        shared.begins.add_permits(due - given);
        given = due;
    }
}

async fn sign_in(mut connection: Connection, shared: Arc<Shared>) {
    let Shared { job, window, next, begins } = &*shared;
    let turn = || next.fetch_add(1, Ordering::Relaxed);
    window.ready();
    let mut user = turn();
    while !window.is_over() {
        if job.per_second.is_some() {
            let Ok(begin) = begins.acquire().await else { return };
            begin.forget();
        }
        let address = job.address(user);
        let body = format!(r#"{{"address":"{address}","password":"{PASSWORD}"}}"#);
        let begun = Instant::now();
        match connection.send(Method::POST, &job.path, Some(body)).await {
            Ok(answer) if answer.status == 200 => {
                window.done(begun);
                if !job.again {
                    user = turn();
                }
            }
            // The same one tries again.
            Ok(answer) => window.failed(&answer.code()),
            Err(error) => window.failed(&error.to_string()),
        }
    }
}
