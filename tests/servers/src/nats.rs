//! A nats-server.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::container::{self, Container};
use crate::nats_config::{self, ACCOUNTS, Seat};
use crate::process::{self, Process};
use crate::server::Server;
use crate::source::{self, Source};
use crate::until::until;
use crate::{home, http, ports};

/// The file of its configuration in its folder, and in a container.
const CONFIG: &str = "nats.conf";
const ITS_CONFIG: &str = "/postkey.conf";
/// Where its store is in a container.
const VOLUME: &str = "/data";

/// How a server differs from the usual one.
#[derive(Debug, Clone, Default)]
pub struct NatsOptions {
    /// Leaves JetStream's `sync_interval` at its default of 2 minutes: a message is acknowledged before it is on disk.
    pub lazy_sync: bool,
    /// What stands in the configuration in place of the accounts, behind ports, store folder, monitor, sync and cluster.
    /// Then [`Nats::account`] has nothing to give. It may name files in the system's folder for temporary ones.
    pub config: Option<String>,
}

/// A nats-server with JetStream on 127.0.0.1, which ends with this value.
///
/// It has a port for clients, one for its monitor and a store folder of its own, and keeps them over
/// [`Nats::start_again`]. Unless the options say otherwise it has `sync_interval: always`, the server's limits, and 256
/// accounts that don't see each other, each with JetStream.
#[derive(Debug)]
pub struct Nats {
    server: Server,
    seat: Seat,
    folder: PathBuf,
    options: NatsOptions,
    given: AtomicUsize,
}

impl Nats {
    /// Starts one, which is ready on return.
    ///
    /// # Panics
    /// Where there is none to start, and when it is not ready within 60 s, with its log.
    pub fn start() -> Self {
        Self::with(NatsOptions::default())
    }

    /// Starts one that differs from the usual.
    ///
    /// # Panics
    /// As [`Nats::start`].
    pub fn with(options: NatsOptions) -> Self {
        let seat =
            Seat { name: "nats".to_owned(), port: ports::free_port(), monitor: ports::free_port(), routes: None };
        let mut nats = Self::seated(seat, &options);
        nats.start_again();
        nats
    }

    /// The one that all tests of this process share: take an [account](Nats::account) of your own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Nats> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// One that isn't started.
    pub(crate) fn seated(seat: Seat, options: &NatsOptions) -> Self {
        let folder = home::folder("nats");
        let config = folder.join(CONFIG).display().to_string();
        let store = |store: &str| write(&folder, &seat, store, options);
        let server = match source::nats() {
            Source::Binaries(program) => {
                store(&folder.join("store").display().to_string());
                Server::Process(Process::new(process::Recipe {
                    program: program.clone(),
                    arguments: vec!["--config".to_owned(), config.clone()],
                    environment: Vec::new(),
                    user: None,
                    log: folder.join("log"),
                    stop: libc::SIGTERM,
                    end: libc::SIGKILL,
                }))
            }
            Source::Image(image) => {
                store(VOLUME);
                Server::Container(Container::new(&container::Recipe {
                    image,
                    environment: Vec::new(),
                    volume: VOLUME,
                    file: Some((config.clone(), ITS_CONFIG)),
                    // A configuration of the options' own may name files.
                    folder: options.config.is_some().then(std::env::temp_dir),
                    arguments: vec!["--config".to_owned(), ITS_CONFIG.to_owned()],
                }))
            }
        };
        Self { server, seat, folder, options: options.clone(), given: AtomicUsize::new(0) }
    }

    /// `nats://127.0.0.1:PORT`. Who connects without a login is refused, unless the options' configuration lets them in.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.seat.port)
    }

    /// `http://127.0.0.1:PORT`, where it answers `/varz`, `/jsz`, `/healthz` and so on.
    pub fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.seat.monitor)
    }

    /// A URL with user and password of an account with JetStream that nobody else is given: `nats://USER:PASSWORD@127.0.0.1:PORT`.
    /// async-nats 0.51 takes no login from a URL (measured: `AuthorizationViolation`): give it by `with_user_and_password`.
    ///
    /// # Panics
    /// When all 256 were given, and when the options' configuration replaced them.
    pub fn account(&self) -> String {
        assert!(!self.is_configured(), "the accounts are those of the configuration that was given");
        self.url_of(&next_account(&self.given))
    }

    /// A URL with user and password of the system account, whose `$SYS` subjects tell of all others.
    pub fn system_account(&self) -> String {
        self.url_of("sys")
    }

    /// SIGKILL. It is gone on return.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Stops it in order (SIGTERM). It is gone on return.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// Makes it stand still (SIGSTOP): connections stay, nobody answers.
    pub fn pause(&self) {
        self.server.pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.server.resume();
    }

    /// Starts it after [`Nats::kill`] or [`Nats::stop`], on the same ports and folder. It takes connections on return; a
    /// node of a cluster may still be catching up.
    ///
    /// # Panics
    /// When it runs, and as [`Nats::start`].
    pub fn start_again(&mut self) {
        self.launch();
        self.wait();
    }

    /// Gives it another configuration of accounts while it runs, as an administrator does by `nats-server --signal reload`.
    ///
    /// # Panics
    /// Where it was not started with a configuration of its own ([`NatsOptions::config`]).
    pub fn configure(&mut self, config: &str) {
        assert!(self.is_configured(), "its accounts are those that all tests share");
        self.options.config = Some(config.to_owned());
        self.write_again();
        self.server.reload();
    }

    /// Has it leave JetStream's `sync_interval` at its default, or not ([`NatsOptions::lazy_sync`]), from its next start on.
    pub fn sync_lazily(&mut self, lazy: bool) {
        self.options.lazy_sync = lazy;
        self.write_again();
    }

    fn write_again(&self) {
        let write = |store: &str| write(&self.folder, &self.seat, store, &self.options);
        match &self.server {
            Server::Process(_) => write(&self.folder.join("store").display().to_string()),
            Server::Container(container) => {
                write(VOLUME);
                container.take(&self.folder.join(CONFIG), ITS_CONFIG);
            }
        }
    }

    /// The last of what it wrote.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Whether it says that it and its JetStream are in health (`/healthz`).
    pub fn healthy(&self) -> bool {
        self.monitored("/healthz").is_some()
    }

    /// What its monitor says, where it answers with 200.
    pub(crate) fn monitored(&self, path: &str) -> Option<String> {
        http::get(self.seat.monitor, path)
    }

    /// Whether its accounts are those of the options.
    pub(crate) fn is_configured(&self) -> bool {
        self.options.config.is_some()
    }

    pub(crate) fn url_of(&self, account: &str) -> String {
        format!("nats://{}@127.0.0.1:{}", nats_config::login(account), self.seat.port)
    }

    /// Starts it; it may not be ready on return.
    pub(crate) fn launch(&mut self) {
        self.server.start();
    }

    /// Waits until it takes connections, and, where it is alone, until it is in health.
    pub(crate) fn wait(&mut self) {
        let alone = self.seat.routes.is_none();
        let mut ended = false;
        let ready = until(|| {
            ended = !self.server.runs();
            // A configuration of the options' own may want TLS first, where nobody is greeted.
            let listens = if self.is_configured() { is_open(self.seat.port) } else { greets(self.seat.port) };
            let ready = listens && (!alone || self.healthy());
            (ready || ended).then_some(())
        });
        assert!(ready.is_some() && !ended, "nats-server is not ready:\n{}", self.log());
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.server.end();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Writes its configuration.
fn write(folder: &Path, seat: &Seat, store: &str, options: &NatsOptions) {
    let path = folder.join(CONFIG);
    std::fs::write(&path, nats_config::text(seat, store, options))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// The next account's name.
pub(crate) fn next_account(given: &AtomicUsize) -> String {
    let n = given.fetch_add(1, Ordering::Relaxed);
    assert!(n < ACCOUNTS, "all {ACCOUNTS} accounts of this server were given");
    format!("a{n}")
}

/// Whether somebody listens there.
fn is_open(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Whether a client is greeted as NATS does it: by a line that begins with `INFO`.
fn greets(port: u16) -> bool {
    let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("INFO ")
}
