//! A PostgreSQL server.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::container::{self, Container};
use crate::data_folder;
use crate::process::{self, Process};
use crate::server::Server;
use crate::source::{self, Source};
use crate::until::until;
use crate::{home, ports};

/// How a server differs from the usual one.
#[derive(Debug, Clone, Copy, Default)]
pub struct PostgresOptions {
    /// With `fsync` and `full_page_writes` as PostgreSQL has them by default: a commit is on disk.
    /// Without it they are off: a server that is killed loses no commit, a machine that loses power may lose all.
    pub durable: bool,
    /// With passwords: whoever is not the superuser proves by one (SCRAM) who it is.
    pub passwords: bool,
}

/// Who is let in how, where roles have passwords (`pg_hba.conf`).
const WITH_PASSWORDS: &str = "local all all trust\n\
    host all postgres 127.0.0.1/32 trust\n\
    host all all 127.0.0.1/32 scram-sha-256\n";

/// A PostgreSQL server on 127.0.0.1, which ends with this value.
///
/// It has a port and a data folder of its own, and keeps them over [`Postgres::start_again`]. Unless the options say
/// otherwise everybody who reaches it is let in without a password. Text sorts by code points (`C.UTF-8`).
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    port: u16,
    folder: PathBuf,
    databases: AtomicUsize,
}

impl Postgres {
    /// Starts one, which is ready on return.
    ///
    /// # Panics
    /// Where there is none to start, and when it is not ready within 60 s, with its log.
    pub fn start() -> Self {
        Self::with(PostgresOptions::default())
    }

    /// Starts one that differs from the usual.
    ///
    /// # Panics
    /// As [`Postgres::start`].
    pub fn with(options: PostgresOptions) -> Self {
        let port = ports::free_port();
        let folder = home::folder("postgres");
        let mut settings = vec![format!("port={port}"), "listen_addresses=127.0.0.1".to_owned()];
        settings.extend(["shared_buffers=64MB", "max_connections=300"].map(str::to_owned));
        if !options.durable {
            settings.extend(["fsync=off", "full_page_writes=off"].map(str::to_owned));
        }
        if options.passwords {
            let access = folder.join("pg_hba.conf");
            std::fs::write(&access, WITH_PASSWORDS).unwrap_or_else(|error| panic!("{}: {error}", access.display()));
            settings.push(format!("hba_file={}", access.display()));
        }
        let server = match source::postgres() {
            Source::Binaries(programs) => {
                settings.push("unix_socket_directories=".to_owned());
                Server::Process(process(programs, &folder, &settings))
            }
            Source::Image(image) => Server::Container(container(image, port, &folder, &settings)),
        };
        let mut postgres = Self { server, port, folder, databases: AtomicUsize::new(0) };
        postgres.start_again();
        postgres
    }

    /// The one that all tests of this process share: take a [database](Postgres::database) of your own. Roles are the
    /// whole server's.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Makes an empty database and gives its URL, as the superuser `postgres`.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// `postgres://postgres@127.0.0.1:PORT/DATABASE`, whether there is such a database or not.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// What the last statement of a script answers, as the superuser: a line a row, `|` between fields.
    ///
    /// # Panics
    /// When a statement fails, with what the server says.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        let output = self.ask(database, sql);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {said}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Runs a shell script of an administrator, which is given a folder of files, and finds `psql` and, in the environment,
    /// this server and its superuser.
    ///
    /// # Panics
    /// When it fails, with what it says.
    pub fn administer(&self, script: &Path, files: &Path) {
        let port = self.port.to_string();
        let environment = [("PGHOST", "127.0.0.1"), ("PGPORT", &port), ("PGUSER", "postgres")];
        let output = match source::postgres() {
            Source::Binaries(programs) => {
                let path = format!("{}:/usr/bin:/bin", programs.display());
                let mut command = Command::new("sh");
                command.arg(script).arg(files).env_clear().env("PATH", path).env("LC_ALL", "C").envs(environment);
                command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("sh: {error}"))
            }
            Source::Image(image) => container::run_script(image, script, files, &environment),
        };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", script.display());
    }

    /// SIGKILL to all its processes, which are gone on return.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Stops it in order, without waiting for clients to leave (a fast shutdown, SIGINT). It is gone on return.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// Makes all its processes stand still (SIGSTOP): connections stay, nobody answers.
    pub fn pause(&self) {
        self.server.pause();
    }

    /// Lets them go on.
    pub fn resume(&self) {
        self.server.resume();
    }

    /// Starts it after [`Postgres::kill`] or [`Postgres::stop`], on the same port and folder. It answers on return.
    ///
    /// # Panics
    /// When it runs, and as [`Postgres::start`].
    pub fn start_again(&mut self) {
        self.server.start();
        let mut ended = false;
        let ready = until(|| {
            ended = !self.server.runs();
            let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
            let ready = listens() && self.ask("postgres", "SELECT 1").status.success();
            (ready || ended).then_some(())
        });
        assert!(ready.is_some() && !ended, "PostgreSQL is not ready:\n{}", self.log());
    }

    /// The last of what it wrote.
    pub fn log(&self) -> String {
        self.server.log()
    }

    fn ask(&self, database: &str, sql: &str) -> Output {
        let port = self.port.to_string();
        let arguments = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", &port];
        let arguments = [&arguments[..], &["-U", "postgres", "-d", database, "-c", sql]].concat();
        match (&self.server, source::postgres()) {
            (Server::Container(container), _) => container.run(&[&["psql"], &arguments[..]].concat()),
            (_, Source::Binaries(programs)) => {
                let mut command = Command::new(programs.join("psql"));
                command.args(arguments).env_clear().env("LC_ALL", "C").stdin(Stdio::null());
                command.output().unwrap_or_else(|error| panic!("psql: {error}"))
            }
            (Server::Process(_), Source::Image(_)) => unreachable!("a process comes from binaries"),
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.server.end();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// One from binaries, on a data folder in `folder`.
fn process(programs: &Path, folder: &Path, settings: &[String]) -> Process {
    let data = folder.join("data");
    let user = data_folder::user();
    data_folder::make(programs, &data);
    let mut arguments = vec!["-D".to_owned(), data.display().to_string()];
    arguments.extend(settings.iter().flat_map(|setting| ["-c".to_owned(), setting.clone()]));
    Process::new(process::Recipe {
        program: programs.join("postgres"),
        arguments,
        environment: Vec::new(),
        user,
        log: folder.join("log"),
        stop: libc::SIGINT,
        // An immediate shutdown: after SIGKILL its shared memory would stay in the kernel.
        end: libc::SIGQUIT,
    })
}

/// One from the official image, or from what stands in for it.
fn container(image: &'static str, port: u16, folder: &Path, settings: &[String]) -> Container {
    Container::new(&container::Recipe {
        image,
        environment: vec![
            ("POSTGRES_HOST_AUTH_METHOD", "trust".to_owned()),
            ("POSTGRES_INITDB_ARGS", ["--no-sync", data_folder::LOCALE].concat()),
            // The image's own script finds its server by it.
            ("PGPORT", port.to_string()),
        ],
        volume: "/var/lib/postgresql",
        // Settings may name files in it.
        folder: Some(folder.to_owned()),
        file: None,
        arguments: settings.iter().flat_map(|setting| ["-c".to_owned(), setting.clone()]).collect(),
    })
}
