//! Runs one process of load and reads what it reports, with the CPU time of everybody who took part.
//!
//! The protocol is text on stdio: the job as JSON on stdin; then the process writes a line `begin` when its timed part
//! begins, a line `over` when it ends, and, once what was still under way has ended uncounted, a line `end ` with its
//! [`Tally`] as JSON. CPU times are sampled at the first two.

use std::process::Stdio;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::failure::{Failure, Named};
use crate::tally::{Tally, approximate};
use crate::usage::{Sample, Usage, Watched};
use crate::work::Job;

/// Longer than any process of load takes to begin (it may first add users or visit every service), or to end after its
/// time.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(600);
/// What the load itself is called among the processes.
pub const LOAD: &str = "load";

/// What was measured in one timed part.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Measured {
    /// What the load reports.
    pub tally: Tally,
    /// Where the CPU's time went meanwhile.
    pub usage: Usage,
}

impl Measured {
    /// Operations a second.
    pub fn rate(&self) -> f64 {
        self.tally.rate()
    }

    /// CPU microseconds an operation of each process.
    pub fn cpu_us(&self) -> Vec<(String, f64)> {
        let operations = approximate(self.tally.operations.max(1));
        self.usage.cpu_seconds.iter().map(|(name, seconds)| (name.clone(), seconds * 1e6 / operations)).collect()
    }
}

/// Carries a job out in a process of its own.
///
/// # Errors
/// Where the process can't be started, ends early, or reports what can't be read; and where nothing ended well.
pub async fn measure(job: &Job, watched: &[Watched]) -> Result<Measured, Failure> {
    let mut running = begin(job).await?;
    running.watch(watched);
    running.finish().await
}

/// A job under way, which has begun its timed part or is about to.
pub struct Running {
    what: String,
    child: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
    watched: Vec<Watched>,
}

/// Starts a job in a process of its own.
///
/// # Errors
/// Where it can't be started.
pub async fn begin(job: &Job) -> Result<Running, Failure> {
    let own = std::env::current_exe().named("the bench's own path")?;
    let mut command = Command::new(own);
    command.arg("work");
    let job_text = serde_json::to_string(job).named("the job")?;
    start(command, job.name(), &job_text).await
}

/// Runs another program of load by the same protocol, and reads what it reports.
///
/// # Errors
/// As [`measure`].
pub async fn measure_program(
    command: Command,
    what: &str,
    job: &str,
    watched: &[Watched],
) -> Result<Measured, Failure> {
    let mut running = start(command, what, job).await?;
    running.watch(watched);
    running.finish().await
}

async fn start(mut command: Command, what: &str, job: &str) -> Result<Running, Failure> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().named(what)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else { return Err(Failure::new(what, "no pipes")) };
    stdin.write_all(job.as_bytes()).await.named(what)?;
    drop(stdin);
    let watched = child.id().map(|pid| Watched::new(LOAD, pid)).into_iter().collect();
    Ok(Running { what: what.to_owned(), child, lines: BufReader::new(stdout).lines(), watched })
}

impl Running {
    /// Watches these processes too.
    pub fn watch(&mut self, watched: &[Watched]) {
        self.watched.extend_from_slice(watched);
    }

    /// Waits until the timed part begins.
    ///
    /// # Errors
    /// Where the process ends before.
    pub async fn begun(&mut self) -> Result<Sample, Failure> {
        let line = self.line().await?;
        if line == "begin" { Sample::take(&self.watched) } else { Err(Failure::new(&self.what, line)) }
    }

    /// Waits until it is over; `begun`: the sample from its beginning.
    ///
    /// # Errors
    /// As [`measure`].
    pub async fn ended(mut self, begun: Sample) -> Result<(Measured, String), Failure> {
        let line = self.line().await?;
        let usage = begun.until(&Sample::take(&self.watched)?);
        if line != "over" {
            return Err(Failure::new(&self.what, line));
        }
        let line = self.line().await?;
        let report = line.strip_prefix("end ").ok_or_else(|| Failure::new(&self.what, &line))?.to_owned();
        let tally: Tally = serde_json::from_str(&report).named(&self.what)?;
        let status = timeout(PATIENCE, self.child.wait()).await.named(&self.what)?.named(&self.what)?;
        if !status.success() {
            return Err(Failure::new(&self.what, status));
        }
        if tally.operations == 0 {
            return Err(Failure::new(&self.what, format!("nothing ended well: {:?}", tally.failures)));
        }
        Ok((Measured { tally, usage }, report))
    }

    async fn finish(mut self) -> Result<Measured, Failure> {
        let begun = self.begun().await?;
        Ok(self.ended(begun).await?.0)
    }

    async fn line(&mut self) -> Result<String, Failure> {
        let line = timeout(PATIENCE, self.lines.next_line()).await.named(&self.what)?.named(&self.what)?;
        line.ok_or_else(|| Failure::new(&self.what, "it ended early; what it said on stderr is above"))
    }
}

/// What came of measuring two things by turns.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Turns {
    /// The raw operation: once more than the other.
    pub raw: Vec<Measured>,
    /// What is held against it.
    pub measured: Vec<Measured>,
}

impl Turns {
    /// Raw, measured, raw, measured, …, raw: so many rounds.
    ///
    /// # Errors
    /// The first failure of either.
    pub async fn take(
        rounds: usize,
        mut raw: impl AsyncFnMut() -> Result<Measured, Failure>,
        mut measured: impl AsyncFnMut() -> Result<Measured, Failure>,
    ) -> Result<Self, Failure> {
        let mut turns = Self { raw: vec![raw().await?], measured: Vec::new() };
        for _ in 0..rounds {
            turns.measured.push(measured().await?);
            turns.raw.push(raw().await?);
        }
        Ok(turns)
    }
}
