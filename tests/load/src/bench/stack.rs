//! What a row runs against: services on seeded stores, and the servers that they stand on.

use std::path::{Path, PathBuf};
use std::process::Command;

use keys::Keyring;
use tempfile::TempDir;

use super::Bench;
use super::servers::{Broker, Database};
use crate::failure::{Failure, Named};
use crate::postkey::{Binary, Postkey, Tokens};
use crate::seed::{KeySink, LogSink, Population, seed};
use crate::usage::Watched;
use crate::work::{Edits, Job};

/// Services on stores that hold a population. Dropped, everything is gone: the services first, then what they stand on.
pub struct Stack {
    /// The services.
    pub postkey: Postkey,
    /// The servers; none where all is in SQLite files.
    pub servers: Option<Servers>,
    /// Who there is.
    pub population: Population,
    folder: TempDir,
}

/// The servers of production.
pub struct Servers {
    /// Where the log is.
    pub broker: Broker,
    /// Where read model and keys are.
    pub database: Database,
}

impl Stack {
    /// `postkey up` on SQLite files, once it has applied everything.
    ///
    /// # Errors
    /// Where a step fails.
    pub async fn sqlite(bench: &Bench) -> Result<Self, Failure> {
        Self::sqlite_of(bench, bench.population()).await
    }

    /// The same with another population.
    ///
    /// # Errors
    /// Where a step fails.
    pub async fn sqlite_of(bench: &Bench, population: Population) -> Result<Self, Failure> {
        Self::sqlite_with(bench, population, population.entries()).await
    }

    /// The same with edits, until the log has so many entries.
    ///
    /// # Errors
    /// Where a step fails.
    pub async fn sqlite_with(bench: &Bench, population: Population, entries: u64) -> Result<Self, Failure> {
        let SeededFolder(folder) = SeededFolder::new(bench, population, entries).await?;
        let data = folder.path().join("data");
        let postkey = Postkey::up(&bench.postkey, &data, folder.path()).await?;
        postkey.caught_up(entries).await?;
        postkey.ready().await?;
        Ok(Self { postkey, servers: None, population, folder })
    }

    /// One projection and so many command services on NATS and PostgreSQL, once everything is applied.
    ///
    /// # Errors
    /// Where a step fails.
    pub async fn production(bench: &Bench, broker: Broker, lazy: bool, commands: usize) -> Result<Self, Failure> {
        let population = bench.population();
        Self::production_with(bench, broker, (lazy, commands), (population, population.entries())).await
    }

    /// The same with another population, and edits until the log has so many entries.
    ///
    /// # Errors
    /// Where a step fails.
    pub async fn production_with(
        bench: &Bench,
        broker: Broker,
        (lazy, commands): (bool, usize),
        (population, entries): (Population, u64),
    ) -> Result<Self, Failure> {
        let production = Production::seeded(bench, broker, lazy, (population, entries)).await?;
        let Production { calls, tokens, servers, folder } = production;
        let start = Postkey::separate(calls.projection(), || calls.command(), (commands, tokens), folder.path());
        let postkey = start.await?;
        postkey.caught_up(entries).await?;
        postkey.ready().await?;
        Ok(Self { postkey, servers: Some(servers), population, folder })
    }

    /// A path beside the data folder, on the same disk.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Who takes part in what is measured.
    ///
    /// # Errors
    /// Where a server's process can't be found.
    pub fn watched(&self) -> Result<Vec<Watched>, Failure> {
        let mut watched = self.postkey.watched();
        if let Some(servers) = &self.servers {
            watched.extend(servers.broker.watched()?);
            watched.push(servers.database.watched());
        }
        Ok(watched)
    }

    /// Edits, so many in flight.
    pub fn edits(&self, bench: &Bench, in_flight: usize) -> Edits {
        Edits {
            commands: self.postkey.commands.clone(),
            headers: self.postkey.tokens.panel(),
            population: self.population,
            in_flight,
            timing: bench.timing,
            visit: true,
            insist: false,
        }
    }

    /// The same as a job.
    pub fn edits_job(&self, bench: &Bench, in_flight: usize) -> Job {
        Job::Edits(self.edits(bench, in_flight))
    }

    /// Stops the services in order.
    pub async fn stop(self) {
        self.postkey.stop().await;
    }
}

/// The data folder of `postkey up` with a log of so many entries, and nobody who has it open.
pub struct SeededFolder(TempDir);

impl SeededFolder {
    /// Makes it.
    ///
    /// # Errors
    /// Where a step fails.
    pub async fn new(bench: &Bench, population: Population, entries: u64) -> Result<Self, Failure> {
        let folder = scratch()?;
        let data = folder.path().join("data");
        // The first start makes keys, tokens, stores, and the log's first entry.
        Postkey::up(&bench.postkey, &data, folder.path()).await?.stop().await;
        let (log, keys) = (LogSink::sqlite(&data.join("log.db")).await?, KeySink::sqlite(&data.join("keys.db")).await?);
        fill(&data, log, keys, population, entries).await?;
        Ok(Self(folder))
    }

    /// Where it is.
    pub fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// A path beside it, on the same disk.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// Stores in NATS and PostgreSQL that hold a population, and no services yet.
pub struct Production {
    /// How services are called on them.
    pub calls: Calls,
    /// Who may ask them.
    pub tokens: Tokens,
    /// The servers.
    pub servers: Servers,
    /// The folder of keyring and tokens.
    pub folder: TempDir,
}

impl Production {
    /// Makes the stores as an administrator does, and fills them.
    ///
    /// # Errors
    /// Where a step fails.
    pub async fn seeded(
        bench: &Bench,
        broker: Broker,
        lazy: bool,
        (population, entries): (Population, u64),
    ) -> Result<Self, Failure> {
        let database = Database::start()?;
        let folder = scratch()?;
        let data = folder.path().join("data");
        let tokens = Tokens::make(&bench.postkey, &data)?;
        let calls = Calls::new(&bench.postkey, &data, (&broker, lazy), &database);
        bench.postkey.run(calls.call(["postgres", "setup", "--read-model", &calls.read_model]), "the read model")?;
        bench.postkey.run(calls.call(["postgres", "setup", "--keys", &calls.keys]), "the key store")?;
        // The first start of the command service makes the stream, and the log's first entry.
        let log = LogSink::jetstream(&broker.urls()).await?;
        Postkey::first_start(calls.command(), folder.path(), async || log.id().await.is_ok()).await?;
        let keys = KeySink::postgres(&calls.keys).await?;
        fill(&data, log, keys, population, entries).await?;
        Ok(Self { calls, tokens, servers: Servers { broker, database }, folder })
    }
}

/// How postkey is called on stores in NATS and PostgreSQL.
pub struct Calls {
    binary: Binary,
    data: PathBuf,
    log: Vec<String>,
    read_model: String,
    keys: String,
}

impl Calls {
    fn new(binary: &Binary, data: &Path, (broker, lazy): (&Broker, bool), database: &Database) -> Self {
        let replicas = broker.replicas().to_string();
        let log = ["--log", &broker.urls(), "--nats-monitor", &broker.monitors(), "--nats-replicas", &replicas];
        let mut log: Vec<_> = log.map(str::to_owned).to_vec();
        log.extend(lazy.then(|| "--allow-lazy-sync".to_owned()));
        let (read_model, keys) = (database.database(), database.database());
        Self { binary: binary.clone(), data: data.to_owned(), log, read_model, keys }
    }

    fn call<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        self.binary.call(arguments)
    }

    fn stores(&self, subcommand: &str) -> Command {
        let mut command = self.call([subcommand]);
        command.args(&self.log).args(["--keys", &self.keys]).arg("--keyring-file").arg(self.data.join("keyring"));
        command
    }

    /// The command service, but for where it listens and asks.
    pub fn command(&self) -> Command {
        let mut command = self.stores("command");
        command.arg("--clients-file").arg(self.data.join("clients.json"));
        command.arg("--token-file").arg(self.data.join("tokens/service.token"));
        command
    }

    /// The projection service, but for where it listens. It signs checkpoints.
    pub fn projection(&self) -> Command {
        let mut command = self.stores("projection");
        command.args(["--read-model", &self.read_model]).arg("--clients-file").arg(self.data.join("clients.json"));
        command.arg("--ledger-key-file").arg(self.data.join("ledger/key"));
        command
    }

    /// A rebuild of the read model.
    pub fn rebuild(&self) -> Command {
        let mut command = self.stores("rebuild");
        command.args(["--read-model", &self.read_model]);
        command
    }
}

/// A scratch folder, gone with its value.
///
/// # Errors
/// Where it can't be made.
pub fn scratch() -> Result<TempDir, Failure> {
    tempfile::Builder::new().prefix("postkey-bench-").tempdir().named("a scratch folder")
}

/// Fills stores that no service uses, with the keyring of a data folder.
///
/// # Errors
/// As [`seed`].
pub async fn fill(
    data: &Path,
    log: LogSink,
    keys: KeySink,
    population: Population,
    entries: u64,
) -> Result<(), Failure> {
    let keyring = Keyring::load(&data.join("keyring")).named("the keyring")?;
    seed(&keyring, &log, &keys, population, entries).await?;
    log.close().await;
    Ok(())
}
