//! Logins over HTTP, as webmail asks for them, each with the right password, or where verdicts are looked at, some with a wrong
//! one; or the same bodies to the echo.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::{Answer, Connection, Timing, Window};
use crate::failure::{Failure, Named};
use crate::seed::{PASSWORD, Population};
use crate::tally::Tally;

/// A password that is nobody's.
const WRONG: &str = "Bench-Lemon-42-Rivet";
/// Of so many users one comes with it, where verdicts are looked at.
const ONE_WRONG_OF: u32 = 10;

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
    /// Whether verdicts are looked at: every tenth user comes with a wrong password then, who is wrongly let in counts as much as
    /// who is wrongly refused, and a login takes from its first try until it is judged.
    pub judged: bool,
    /// How many are under way at a time, at most.
    pub in_flight: u32,
    /// How many are begun a second, whatever becomes of them; none: the next as soon as one has ended.
    pub per_second: Option<f64>,
    /// For how long.
    pub timing: Timing,
}

/// What came of it. In JSON a [`Tally`] of the logins with more fields, which count the warm-up too.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Verdicts {
    /// Those that were judged, and judged rightly.
    #[serde(flatten)]
    pub tally: Tally,
    /// Right passwords that were taken.
    pub taken: u64,
    /// Wrong passwords that were refused.
    pub refused: u64,
    /// Wrong verdicts: a right password refused, a wrong one taken, or somebody else let in.
    pub wrong: u64,
}

/// How a login was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Taken,
    Refused,
    Wrong,
}

/// What the workers of one process share.
struct Shared {
    job: Logins,
    window: Arc<Window>,
    /// The next user's turn.
    next: AtomicU32,
    /// Logins that may begin; closed once it is over.
    begins: Semaphore,
    /// Verdicts so far, in the order of [`Verdict`].
    verdicts: [AtomicU64; 3],
}

impl Logins {
    /// A user in turn, by service and number. None of the first service, whose passwords saves change.
    fn of(&self, user: u32) -> (u32, u32) {
        let Population { services, users } = self.population;
        let others = services.saturating_sub(1).max(1);
        (services - others + user % others, user / others % users)
    }

    /// Whether a user in turn comes with a wrong password.
    const fn is_wrong(&self, user: u32) -> bool {
        self.judged && user % ONE_WRONG_OF == ONE_WRONG_OF - 1
    }

    fn body(&self, user: u32) -> String {
        let (service, number) = self.of(user);
        let address = self.population.address(service, number);
        let password = if self.is_wrong(user) { WRONG } else { PASSWORD };
        format!(r#"{{"address":"{address}","password":"{password}"}}"#)
    }

    /// How a user in turn was judged; none where it was not.
    fn verdict(&self, user: u32, answer: &Answer) -> Option<Verdict> {
        let taken = answer.status == 200;
        if !self.judged {
            return taken.then_some(Verdict::Taken);
        }
        let refused = answer.status == 401 && answer.code() == "401 invalid_credentials";
        match (self.is_wrong(user), taken, refused) {
            (false, true, _) if self.is_of(user, answer) => Some(Verdict::Taken),
            (true, _, true) => Some(Verdict::Refused),
            (_, false, false) => None,
            _ => Some(Verdict::Wrong),
        }
    }

    /// Whether it is this user who is said to have signed in.
    fn is_of(&self, user: u32, answer: &Answer) -> bool {
        let (service, number) = self.of(user);
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        said["user"] == self.population.user(service, number).to_string().as_str()
            && said["service"] == self.population.service(service).to_string().as_str()
    }

    pub(super) async fn run(self) -> Result<Verdicts, Failure> {
        let (from, window) = (self.from, Window::new());
        let shared = Arc::new(Shared {
            job: self.clone(),
            window: Arc::clone(&window),
            next: AtomicU32::new(from),
            begins: Semaphore::new(0),
            verdicts: Default::default(),
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
        let [taken, refused, wrong] = shared.verdicts.each_ref().map(|count| count.load(Ordering::Relaxed));
        Ok(Verdicts { tally, taken, refused, wrong })
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
    let Shared { job, window, next, begins, verdicts } = &*shared;
    let turn = || next.fetch_add(1, Ordering::Relaxed);
    window.ready();
    let (mut user, mut first) = (turn(), None);
    while !window.is_over() {
        if job.per_second.is_some() {
            let Ok(begin) = begins.acquire().await else { return };
            begin.forget();
        }
        let body = job.body(user);
        let mut begun = Instant::now();
        if job.judged {
            begun = *first.get_or_insert(begun);
        }
        let answer = connection.send(Method::POST, &job.path, Some(body)).await;
        let verdict = answer.as_ref().ok().and_then(|answer| job.verdict(user, answer));
        if let Some(verdict) = verdict {
            verdicts[verdict as usize].fetch_add(1, Ordering::Relaxed);
            first = None;
        }
        match (verdict, answer) {
            (Some(Verdict::Wrong), Ok(answer)) => window.failed(&format!("wrong verdict: {}", answer.code())),
            (Some(_), _) => window.done(begun),
            // The same one tries again.
            (None, Ok(answer)) => window.failed(&answer.code()),
            (None, Err(error)) => window.failed(&error.to_string()),
        }
        if verdict.is_some() && !job.again {
            user = turn();
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::body::Bytes;

    use super::*;

    const POPULATION: Population = Population { services: 3, users: 10 };

    fn answer(status: u16, body: String) -> Answer {
        Answer { status, body: Bytes::from(body) }
    }

    fn let_in(service: u32, number: u32) -> Answer {
        let (user, service) = (POPULATION.user(service, number), POPULATION.service(service));
        answer(200, format!(r#"{{"user":"{user}","service":"{service}"}}"#))
    }

    #[test]
    fn wrong_verdicts_are_told_from_right_ones_and_from_none() {
        let judged = Logins {
            base: String::new(),
            path: String::new(),
            headers: Vec::new(),
            population: POPULATION,
            from: 0,
            users: 20,
            again: false,
            judged: true,
            in_flight: 1,
            per_second: None,
            timing: Timing { warm_up: 0.0, seconds: 1.0 },
        };
        let refused = answer(401, r#"{"code":"invalid_credentials"}"#.to_owned());
        let not_now = answer(503, r#"{"code":"catching_up"}"#.to_owned());
        // The ninth turn is that of the fifth user of the second of the two services that sign in.
        assert_eq!((judged.of(0), judged.of(9)), ((1, 0), (2, 4)));
        assert!(judged.body(0).contains(PASSWORD) && judged.body(9).contains(WRONG));
        for (user, answer, verdict) in [
            (0, let_in(1, 0), Some(Verdict::Taken)),
            (0, let_in(1, 1), Some(Verdict::Wrong)),
            (0, refused.clone(), Some(Verdict::Wrong)),
            (0, not_now.clone(), None),
            (9, refused.clone(), Some(Verdict::Refused)),
            (9, let_in(2, 4), Some(Verdict::Wrong)),
            (9, not_now, None),
            // That is the client's token, not a user's password.
            (9, answer(401, r#"{"code":"unauthenticated"}"#.to_owned()), None),
        ] {
            assert_eq!(judged.verdict(user, &answer), verdict, "{user}: {answer:?}");
        }
        let taken = Logins { judged: false, ..judged };
        assert!(taken.body(9).contains(PASSWORD));
        assert_eq!(taken.verdict(9, &answer(200, String::new())), Some(Verdict::Taken), "the echo says no more");
        assert_eq!(taken.verdict(9, &refused), None);
    }
}
