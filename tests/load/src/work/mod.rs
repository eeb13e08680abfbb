//! The load: each kind a job that a process of its own carries out, so that its CPU time is its own and it waits for
//! nobody but whom it measures.

mod checkpoints;
mod connection;
pub mod echo;
mod edits;
mod hashes;
mod logins;
mod moments;
mod publishes;
mod reads;
mod saves;
mod transactions;
mod window;

use std::io::{Read, Write};

use serde::{Deserialize, Serialize};

pub use checkpoints::Checkpoints;
pub use connection::{Answer, Connection};
pub use edits::{Edits, Insisted};
pub use hashes::{Hashes, hash_once, memory as hash_memory};
pub use logins::{Logins, Verdicts};
pub use moments::Moments;
pub use publishes::Publishes;
pub use reads::Reads;
pub use saves::{Durable, PacedSaves, Saves, SavesTally};
pub use transactions::{InsertsPostgres, InsertsSqlite};
pub use window::{Timing, Window};

use crate::failure::{Failure, Named};

/// One kind of load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    /// EditUser over HTTP.
    Edits(Edits),
    /// Logins over HTTP.
    Logins(Logins),
    /// The bodies of logins to the echo.
    Echoes(Logins),
    /// Saves with a password, one at a time, beside one argon2id and one durable write.
    Saves(Saves),
    /// Saves with a password alone, some time apart.
    PacedSaves(PacedSaves),
    /// Saves, each until a checkpoint holds it.
    Checkpoints(Checkpoints),
    /// Users as they stood at a moment, one at a time.
    Moments(Moments),
    /// Guarded publishes to a stream of its own, by async-nats.
    Publishes(Publishes),
    /// Reading a stream from its beginning, by async-nats.
    Reads(Reads),
    /// One-row transactions in a SQLite file of its own.
    InsertsSqlite(InsertsSqlite),
    /// One-row transactions in PostgreSQL.
    InsertsPostgres(InsertsPostgres),
    /// argon2id and nothing else.
    Hashes(Hashes),
}

impl Job {
    /// What it is called in messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Edits(_) => "edits",
            Self::Logins(_) => "logins",
            Self::Echoes(_) => "the echo",
            Self::Saves(_) => "saves",
            Self::PacedSaves(_) => "paced saves",
            Self::Checkpoints(_) => "saves until a checkpoint holds them",
            Self::Moments(_) => "users as of a moment",
            Self::Publishes(_) => "raw publishes",
            Self::Reads(_) => "raw reads",
            Self::InsertsSqlite(_) => "raw SQLite transactions",
            Self::InsertsPostgres(_) => "raw PostgreSQL transactions",
            Self::Hashes(_) => "bare argon2id",
        }
    }

    async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Edits(job) => say("end", &job.run().await?),
            Self::Logins(job) | Self::Echoes(job) => say("end", &job.run().await?),
            Self::Saves(job) => say("end", &job.run().await?),
            Self::PacedSaves(job) => say("end", &job.run().await?),
            Self::Checkpoints(job) => say("end", &job.run().await?),
            Self::Moments(job) => say("end", &job.run().await?),
            Self::Publishes(job) => say("end", &job.run().await?),
            Self::Reads(job) => say("end", &job.run().await?),
            Self::InsertsSqlite(job) => say("end", &job.run().await?),
            Self::InsertsPostgres(job) => say("end", &job.run().await?),
            Self::Hashes(job) => say("end", &job.run()?),
        }
    }
}

/// Reads a job from stdin and carries it out.
///
/// # Errors
/// Where it can't be carried out.
pub fn work() -> Result<(), Failure> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).named("stdin")?;
    let job: Job = serde_json::from_str(&text).named("the job")?;
    // One thread: the load is to take as little as it can of the cores that it measures.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().named("the runtime")?;
    runtime.block_on(job.run())
}

/// Says that the timed part begins.
fn say_begin() -> Result<(), Failure> {
    write("begin\n")
}

/// Says that it is over; what is still under way ends uncounted.
fn say_over() -> Result<(), Failure> {
    write("over\n")
}

fn say(word: &str, report: &impl Serialize) -> Result<(), Failure> {
    write(&format!("{word} {}\n", serde_json::to_string(report).named("the report")?))
}

fn write(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).named("stdout")
}
