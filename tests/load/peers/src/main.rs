//! The same commands (AddUser, EditUser) on other event-sourcing crates and the same PostgreSQL server, for `make bench`.
//!
//! Reads one job as JSON from stdin; writes `begin` and `over` around the timed part, and `end` with what came of it. It
//! knows nothing of postkey. What a peer does less than postkey stands beside its figures in the table: no HTTP, no
//! argon2, no encryption, no authentication, no limits of a plan over all users of a service.

#![allow(clippy::print_stdout, reason = "stdout is how it answers")]

mod cqrs;
mod disintegrated;
mod drive;

use std::io::Read;
use std::process::ExitCode;

use drive::{Job, drive};
use sqlx::postgres::PgPoolOptions;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| error.to_string())?;
    let job: Job = serde_json::from_str(&text).map_err(|error| format!("the job: {error}"))?;
    let pool = PgPoolOptions::new().max_connections(job.pool).connect(&job.database).await;
    let pool = pool.map_err(|error| format!("the database: {error}"))?;
    match job.peer.as_str() {
        "cqrs-es" => drive(&cqrs::Cqrs::open(pool, false).await?, &job).await,
        "cqrs-es with a view" => drive(&cqrs::Cqrs::open(pool, true).await?, &job).await,
        "disintegrate" => drive(&disintegrated::Disintegrated::open(pool).await?, &job).await,
        other => Err(format!("no such peer: {other}")),
    }
}
