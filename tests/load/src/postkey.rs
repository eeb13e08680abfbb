//! The product under test: its release binary, as processes of their own.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::Value;
use stage::Running;

use crate::failure::{Failure, Named};
use crate::seed::CUSTOMER;
use crate::usage::{Memory, Watched};
use crate::work::Connection;

/// Longer than reading any log takes.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(600);
/// Longer than any service takes to be ready, once what it stands on is there.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked whether something has come true.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The binary.
#[derive(Clone, Debug)]
pub struct Binary(PathBuf);

impl Binary {
    /// The one that was named, else the one that was built beside this program.
    ///
    /// # Errors
    /// Where there is none, saying what to do.
    pub fn find(named: Option<PathBuf>) -> Result<Self, Failure> {
        let beside = || std::env::current_exe().map(|own| own.with_file_name("postkey"));
        let path = named.map_or_else(beside, Ok).named("the bench's own path")?;
        // Processes are started elsewhere than here.
        let path = path.canonicalize();
        path.map(Self).named("there is no postkey to measure (make bench builds it; POSTKEY_BIN names another)")
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A call of it, in an environment that says nothing to it.
    pub fn call<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(&self.0);
        command.args(arguments).env_clear();
        command
    }

    /// Runs it to its end and returns what it wrote to stdout.
    ///
    /// # Errors
    /// Where it fails, with what it said.
    pub fn run(&self, mut command: Command, what: &str) -> Result<String, Failure> {
        stdout(command.output().named(what)?, what)
    }

    /// The same, and what it held in memory from beginning to end, a look every [`LOOK_AGAIN`]: in MB resident.
    ///
    /// # Errors
    /// As [`Binary::run`].
    pub fn run_watched(&self, mut command: Command, what: &str) -> Result<(String, Vec<f64>), Failure> {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().named(what)?;
        let process = [Watched::new(what, child.id())];
        thread::scope(|scope| {
            let ended = scope.spawn(|| child.wait_with_output());
            let mut held = Vec::new();
            while !ended.is_finished() {
                // Between its end and its being waited for it holds nothing.
                held.extend(Memory::of(&process).map(|memory| memory.resident).ok());
                thread::sleep(LOOK_AGAIN);
            }
            let output = ended.join().unwrap_or_else(|panic| resume_unwind(panic)).named(what)?;
            Ok((stdout(output, what)?, held))
        })
    }
}

fn stdout(output: Output, what: &str) -> Result<String, Failure> {
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(Failure::new(what, String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// Headers that a kind of client sends with every request.
pub type Headers = Vec<(String, String)>;

/// The tokens of a data folder, by role.
#[derive(Clone, Debug)]
pub struct Tokens {
    panel: String,
    webmail: String,
    auditor: String,
    operator: String,
    service: String,
}

fn bearer(token: &str) -> (String, String) {
    ("authorization".to_owned(), format!("Bearer {token}"))
}

impl Tokens {
    /// Those that the first start of `postkey up` has made.
    ///
    /// # Errors
    /// Where they are not there.
    pub fn read(data: &Path) -> Result<Self, Failure> {
        let read = |role: &str| {
            let path = data.join(format!("tokens/{role}.token"));
            std::fs::read_to_string(&path).map(|token| token.trim().to_owned()).named(format!("the token of {role}"))
        };
        Ok(Self {
            panel: read("panel")?,
            webmail: read("webmail")?,
            auditor: read("auditor")?,
            operator: read("operator")?,
            service: read("service")?,
        })
    }

    /// A folder for separate services, made by `postkey init`, and tokens beside the one that it makes.
    ///
    /// # Errors
    /// Where postkey refuses.
    pub fn make(binary: &Binary, data: &Path) -> Result<Self, Failure> {
        let mut init = binary.call(["init"]);
        init.arg(data);
        binary.run(init, "postkey init")?;
        let new = |role: &str, more: &[&str]| {
            let mut command = binary.call(["token", "new", "--role", role, "--name", role]);
            command.args(more).arg("--clients-file").arg(data.join("clients.json"));
            binary.run(command, "postkey token new")
        };
        let service = std::fs::read_to_string(data.join("tokens/service.token")).named("the token of service")?;
        Ok(Self {
            panel: new("panel", &["--customer", "*"])?,
            webmail: new("webmail", &[])?,
            auditor: new("auditor", &[])?,
            operator: new("operator", &[])?,
            service: service.trim().to_owned(),
        })
    }

    /// A panel's.
    pub fn panel(&self) -> Headers {
        let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![bearer(&self.panel), named("postkey-customer", CUSTOMER), named("postkey-actor", "load")]
    }

    /// Webmail's.
    pub fn webmail(&self) -> Headers {
        vec![bearer(&self.webmail)]
    }

    /// An auditor's, who sees no personal data.
    pub fn auditor(&self) -> Headers {
        vec![bearer(&self.auditor)]
    }

    /// An operator's.
    pub fn operator(&self) -> Headers {
        vec![bearer(&self.operator)]
    }

    /// A service's.
    pub fn service(&self) -> Headers {
        vec![bearer(&self.service)]
    }
}

/// Running services.
pub struct Postkey {
    processes: Vec<(&'static str, Running)>,
    /// Where the command services listen.
    pub commands: Vec<String>,
    /// Where the projection service listens.
    pub projection: String,
    /// Who may ask them.
    pub tokens: Tokens,
}

impl Postkey {
    /// `postkey up` on a folder, on free ports, once it listens.
    ///
    /// # Errors
    /// Where it does not.
    pub async fn up(binary: &Binary, data: &Path, outputs: &Path) -> Result<Self, Failure> {
        let stale = data.join("endpoints.json");
        if stale.exists() {
            std::fs::remove_file(&stale).named("endpoints.json")?;
        }
        let mut up = binary.call(["up"]);
        up.args(stage::FREE_PORTS).arg("--data").arg(data);
        let mut process = Running::start(up, outputs);
        let endpoints = stage::endpoints(&mut process, data).await;
        let endpoints = endpoints.ok_or_else(|| Failure::new("postkey up", process.stderr()))?;
        let tokens = Tokens::read(data)?;
        Ok(Self {
            processes: vec![("postkey", process)],
            commands: vec![endpoints.command],
            projection: endpoints.projection,
            tokens,
        })
    }

    /// Starts the command service once, so that it makes the log, and stops it once `made` says that it has; `command` is
    /// the call without addresses.
    ///
    /// # Errors
    /// Where it does not within a minute, with what it said.
    pub async fn first_start(
        mut command: Command,
        outputs: &Path,
        mut made: impl AsyncFnMut() -> bool,
    ) -> Result<(), Failure> {
        // Nobody is asked anything: no projection needs to be there.
        command.args(["--listen", "127.0.0.1:0", "--projection-url", "http://127.0.0.1:9"]);
        let mut process = Running::start(command, outputs);
        stage::listening(&mut process).await;
        let begun = Instant::now();
        while !made().await {
            if begun.elapsed() > READY_WITHIN {
                return Err(Failure::new("the command service makes no log", process.stderr()));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        process.stop().await;
        Ok(())
    }

    /// Services as processes of their own: one projection, so many command services. `projection` and `command` are the
    /// calls without addresses.
    ///
    /// # Errors
    /// Where one does not listen.
    pub async fn separate(
        projection: Command,
        mut command: impl FnMut() -> Command,
        (commands, tokens): (usize, Tokens),
        outputs: &Path,
    ) -> Result<Self, Failure> {
        let listening = |mut call: Command| async move {
            call.args(["--listen", "127.0.0.1:0"]);
            let mut process = Running::start(call, outputs);
            let url = stage::listening(&mut process).await;
            (process, url)
        };
        let (process, projection) = listening(projection).await;
        let mut postkey = Self {
            processes: vec![("projection", process)],
            commands: Vec::new(),
            projection: projection.clone(),
            tokens,
        };
        for _ in 0..commands {
            let mut call = command();
            call.args(["--projection-url", &projection]);
            let (process, url) = listening(call).await;
            postkey.processes.push(("command", process));
            postkey.commands.push(url);
        }
        Ok(postkey)
    }

    /// Its processes.
    pub fn watched(&self) -> Vec<Watched> {
        self.processes.iter().map(|(name, process)| Watched::new(name, process.pid())).collect()
    }

    /// Waits until all services say that they are ready.
    ///
    /// # Errors
    /// Where one does not within a minute, with what it says.
    pub async fn ready(&self) -> Result<(), Failure> {
        for service in self.commands.iter().chain([&self.projection]) {
            let mut connection = Connection::new(service, &[])?;
            let begun = Instant::now();
            loop {
                let answer = connection.send(Method::GET, "/readyz", None).await;
                if answer.as_ref().is_ok_and(|answer| answer.status == 200) {
                    break;
                }
                if begun.elapsed() > READY_WITHIN {
                    let said = answer.map(|answer| String::from_utf8_lossy(&answer.body).into_owned());
                    return Err(Failure::new("a service is not ready", format!("{said:?}")));
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
        Ok(())
    }

    /// The last position of the log, once all up to it, and at least up to `at_least`, is applied.
    ///
    /// # Errors
    /// Where that takes too long; what the service says is in the message.
    pub async fn caught_up(&self, at_least: u64) -> Result<u64, Failure> {
        let mut connection = Connection::new(&self.projection, &self.tokens.service())?;
        let begun = Instant::now();
        loop {
            let answer = connection.send(Method::GET, "/v1/position", None).await;
            let said = answer.map(|answer| serde_json::from_slice::<Value>(&answer.body).unwrap_or_default());
            if let Ok(said) = &said
                && let (Some(position), Some(head)) = (said["position"].as_u64(), said["head"].as_u64())
                && position == head
                && head >= at_least
            {
                return Ok(head);
            }
            if begun.elapsed() > CAUGHT_UP_WITHIN {
                return Err(Failure::new("the projection does not catch up", format!("{said:?}")));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Stops every process in order.
    pub async fn stop(self) {
        for (_, process) in self.processes {
            process.stop().await;
        }
    }
}
