//! Logins over HTTP, as webmail asks for them: each of another user, with the right password.

use std::sync::Arc;
use std::time::Instant;

use hyper::Method;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::{Connection, Timing, Window};
use crate::failure::{Failure, Named};
use crate::seed::{PASSWORD, Population};
use crate::tally::Tally;

/// Logins, so many in flight.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Logins {
    /// The projection service.
    pub projection: String,
    /// Headers of every request: the token.
    pub headers: Vec<(String, String)>,
    /// Who signs in.
    pub population: Population,
    /// Where among the users to begin, so that another round is of other users.
    pub from: u32,
    /// How many are under way at a time.
    pub in_flight: u32,
    /// For how long.
    pub timing: Timing,
}

impl Logins {
    pub(super) async fn run(self) -> Result<Tally, Failure> {
        let window = Window::new();
        let mut workers = JoinSet::new();
        for number in 0..self.in_flight {
            let connection = Connection::new(&self.projection, &self.headers)?;
            workers.spawn(sign_in(connection, self.clone(), number, Arc::clone(&window)));
        }
        let tally = window.run(self.in_flight as usize, self.timing).await?;
        while let Some(ended) = workers.join_next().await {
            ended.named("a worker")?;
        }
        Ok(tally)
    }
}

async fn sign_in(mut connection: Connection, job: Logins, worker: u32, window: Arc<Window>) {
    window.ready();
    let all = job.population.services * job.population.users;
    let mut number = job.from + worker;
    while !window.is_over() {
        let user = number % all;
        let address = job.population.address(user % job.population.services, user / job.population.services);
        let body = format!(r#"{{"address":"{address}","password":"{PASSWORD}"}}"#);
        let begun = Instant::now();
        match connection.send(Method::POST, "/v1/auth/verify", Some(body)).await {
            Ok(answer) if answer.status == 200 => window.done(begun),
            Ok(answer) => window.failed(&answer.code()),
            Err(error) => window.failed(&error.to_string()),
        }
        number += job.in_flight;
    }
}
