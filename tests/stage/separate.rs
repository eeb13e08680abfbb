//! The services as processes of their own: over shared SQLite files, or over NATS JetStream and PostgreSQL.

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use reqwest::Method;
use serde_json::Value;
use servers::{Nats, NatsCluster, Postgres};

use crate::api::Api;
use crate::binary::postkey;
use crate::folder::Folder;
use crate::running::{Running, run};
use crate::stack::{Stack, listening, new_token, tokens};
use crate::until::until;

/// What services of their own stand on, and whom they know.
#[derive(Clone, Debug)]
pub struct Separate {
    data: PathBuf,
    outputs: PathBuf,
    tokens: HashMap<&'static str, String>,
    stores: Stores,
    environment: Vec<(String, String)>,
}

/// Where log, keys, read model and activity log are, as arguments.
#[derive(Clone, Debug)]
struct Stores {
    log: Vec<String>,
    keys: Vec<String>,
    read_model: Vec<String>,
    activity: Vec<String>,
}

impl Separate {
    /// Over SQLite files in the folder. Makes the folder, and a token for every role.
    pub async fn init(folder: &Folder) -> Self {
        let sqlite = |name| format!("sqlite:{}", folder.data().join(name).display());
        let stores = Stores {
            log: vec!["--log".to_owned(), sqlite("log.db")],
            keys: vec!["--keys".to_owned(), sqlite("keys.db")],
            read_model: vec!["--read-model".to_owned(), sqlite("read-model.db")],
            activity: vec!["--activity".to_owned(), sqlite("activity.db")],
        };
        Self::over(folder, stores).await
    }

    /// Over an account of its own on a NATS server, and databases of its own on a PostgreSQL server, which all tests of a
    /// process share.
    pub async fn on_servers(folder: &Folder) -> Self {
        let nats = Nats::shared();
        Self::at(folder, &nats.account(), &nats.monitor_url(), Postgres::shared()).await
    }

    /// The same with three NATS servers, each of which holds the log.
    pub async fn on_cluster(folder: &Folder) -> Self {
        let nats = NatsCluster::shared();
        Self::at(folder, &nats.account(), &nats.monitor_urls(), Postgres::shared()).await
    }

    /// At this URL of NATS, with databases of its own on this PostgreSQL server; without monitors where none are named.
    pub async fn at(folder: &Folder, nats: &str, monitors: &str, postgres: &Postgres) -> Self {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let stores = Stores {
            log: match monitors {
                "" => words(&["--log", nats]),
                monitors => words(&["--log", nats, "--nats-monitor", monitors]),
            },
            keys: words(&["--keys", &postgres.database()]),
            read_model: words(&["--read-model", &postgres.database()]),
            activity: words(&["--activity", &postgres.database()]),
        };
        Self::over(folder, stores).await
    }

    /// Over the folder of `postkey up`, with its keys and its read model, but with the log elsewhere.
    pub fn with_log_elsewhere(folder: &Folder, log: &[&str]) -> Self {
        let words = |words: &[&str]| -> Vec<String> { words.iter().map(|&word| word.to_owned()).collect() };
        let sqlite = |name| format!("sqlite:{}", folder.file(name).display());
        let stores = Stores {
            log: [words(&["--log"]), words(log)].concat(),
            keys: vec!["--keys".to_owned(), sqlite("keys.db")],
            read_model: vec!["--read-model".to_owned(), sqlite("read-model.db")],
            activity: vec!["--activity".to_owned(), sqlite("activity.db")],
        };
        Self {
            data: folder.data(),
            outputs: folder.beside("."),
            tokens: tokens(&folder.data()),
            stores,
            environment: Vec::new(),
        }
    }

    async fn over(folder: &Folder, stores: Stores) -> Self {
        run(postkey(["init", folder.data().to_str().unwrap()])).await.worked();
        let mut made = tokens(&folder.data());
        for role in ["operator", "panel", "webmail", "auditor"] {
            let customer = (role == "panel").then_some("*");
            made.insert(role, new_token(folder, role, role, customer).await);
        }
        Self { data: folder.data(), outputs: folder.beside("."), tokens: made, stores, environment: Vec::new() }
    }

    /// The same with further arguments about the log.
    #[must_use]
    pub fn with_log_arguments(mut self, arguments: &[&str]) -> Self {
        self.stores.log.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// The same with settings in the environment.
    #[must_use]
    pub fn with_environment(mut self, environment: &[(&str, &str)]) -> Self {
        self.environment = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        self
    }

    /// Starts both, the projection service first: it waits for the log.
    pub async fn start(&self) -> Stack {
        let stack = self.start_unready().await;
        stack.ready().await;
        stack
    }

    /// The same once both listen, ready or not.
    pub async fn start_unready(&self) -> Stack {
        let mut projection = self.projection("127.0.0.1:0");
        let projection_url = listening(&mut projection).await;
        let mut command = self.command(&projection_url);
        let command_url = listening(&mut command).await;
        self.stack(vec![command, projection], &command_url, &projection_url)
    }

    /// Starts both, the command service first: it makes the log, and waits for the projection.
    pub async fn start_command_first(&self) -> Stack {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = self.command(&format!("http://{free}"));
        let command_url = listening(&mut command).await;
        let mut projection = self.projection(&free.to_string());
        let projection_url = listening(&mut projection).await;
        let stack = self.stack(vec![command, projection], &command_url, &projection_url);
        stack.ready().await;
        stack
    }

    /// Starts so many of each, all beside each other, and waits until all are ready.
    pub async fn several(&self, commands: usize, projections: usize) -> Several {
        Self::beside_each_other(&vec![self; commands], &vec![self; projections]).await
    }

    /// The same where each comes to the stores in its own way.
    pub async fn beside_each_other(commands: &[&Self], projections: &[&Self]) -> Several {
        let mut several = Several { separate: commands[0].clone(), commands: Vec::new(), projections: Vec::new() };
        for separate in projections {
            several.projections.push(Seat::taken(separate.projection("127.0.0.1:0")).await);
        }
        for separate in commands {
            several.commands.push(Seat::taken(separate.command(&several.projection_urls())).await);
        }
        several.ready().await;
        several
    }

    /// These processes, and the tokens to speak to them.
    pub fn stack(&self, processes: Vec<Running>, command: &str, projection: &str) -> Stack {
        Stack::of(processes, command, projection, self.tokens.clone())
    }

    /// Starts the command service, which asks the projections there (several with commas between).
    pub fn command(&self, projections: &str) -> Running {
        self.command_at("127.0.0.1:0", projections)
    }

    fn command_at(&self, listen: &str, projections: &str) -> Running {
        let mut command = postkey(["command", "--listen", listen, "--projection-url", projections]);
        self.stores(&mut command);
        command.arg("--token-file").arg(self.data.join("tokens/service.token"));
        Running::start(command, &self.outputs)
    }

    /// Starts the projection service there.
    pub fn projection(&self, listen: &str) -> Running {
        let mut command = postkey(["projection", "--listen", listen]);
        self.stores(&mut command);
        command.args(&self.stores.read_model);
        command.arg("--ledger-key-file").arg(self.data.join("ledger/key"));
        Running::start(command, &self.outputs)
    }

    /// Starts a panel over these services, with its accounts where `postkey up` has them.
    pub fn panel(&self, command: &Api, projection: &Api) -> Running {
        let url = |service: &Api| format!("http://{}", service.address());
        let mut panel = postkey(["panel", "--listen", "127.0.0.1:0", "--command-url", &url(command)]);
        panel.args(["--projection-url", &url(projection)]);
        for (role, option) in [("panel", "--token-file"), ("webmail", "--webmail-token-file")] {
            let token = self.data.join(format!("tokens/{role}.token"));
            std::fs::write(&token, &self.tokens[role]).unwrap();
            panel.arg(option).arg(token);
        }
        panel.arg("--accounts").arg(self.data.join("panel.db")).envs(self.environment.clone());
        Running::start(panel, &self.outputs)
    }

    /// The same keys and read model with another log.
    #[must_use]
    pub fn with_log(&self, nats: &str, monitors: &str) -> Self {
        let mut other = self.clone();
        other.stores.log = ["--log", nats, "--nats-monitor", monitors].map(str::to_owned).to_vec();
        other
    }

    /// A call of `postkey nats show` on the log.
    pub fn nats_show(&self) -> Command {
        self.nats("show")
    }

    /// A call of `postkey nats setup` on the log.
    pub fn nats_setup(&self) -> Command {
        self.nats("setup")
    }

    fn nats(&self, what: &str) -> Command {
        let mut command = postkey(["nats", what]);
        command.args(&self.stores.log);
        command
    }

    /// The URL of the read model.
    pub fn read_model(&self) -> &str {
        &self.stores.read_model[1]
    }

    /// A call of `postkey postgres setup` on the read model, as its owner.
    pub fn postgres_setup(&self) -> Command {
        let mut command = postkey(["postgres", "setup"]);
        command.args(&self.stores.read_model);
        command
    }

    /// The name of the read model's database.
    pub fn read_model_database(&self) -> &str {
        self.read_model().rsplit_once('/').unwrap().1
    }

    /// The name of the key store's database.
    pub fn keys_database(&self) -> &str {
        self.stores.keys[1].rsplit_once('/').unwrap().1
    }

    /// A call of `postkey audit` on the same log, with its keys or without.
    pub fn audit(&self, action: &str, with_keys: bool) -> Command {
        let mut command = postkey(["audit", action]);
        command.args(&self.stores.log);
        if with_keys {
            command.args(&self.stores.keys).arg("--keyring-file").arg(self.data.join("keyring"));
        }
        command
    }

    /// A call of `postkey keys rotate` on the same keys.
    pub fn rotate_keys(&self) -> Command {
        let mut command = postkey(["keys", "rotate"]);
        command.args(&self.stores.keys).arg("--keyring-file").arg(self.data.join("keyring"));
        command
    }

    /// The same without an activity log.
    #[must_use]
    pub fn without_activity(mut self) -> Self {
        self.stores.activity.clear();
        self
    }

    /// The name of the activity log's database.
    pub fn activity_database(&self) -> &str {
        self.stores.activity[1].rsplit_once('/').unwrap().1
    }

    /// A call of `postkey rebuild` on the same stores.
    pub fn rebuild(&self) -> Command {
        let mut command = postkey(["rebuild"]);
        command.args(&self.stores.log).args(&self.stores.keys).args(&self.stores.read_model);
        command.arg("--keyring-file").arg(self.data.join("keyring"));
        command
    }

    /// The URL of the log.
    pub fn log(&self) -> &str {
        &self.stores.log[1]
    }

    /// A call of `postkey audit verify` on the same stores, answered as JSON.
    pub fn audit_verify(&self) -> Command {
        let mut command = postkey(["audit", "verify", "--json"]);
        command.args(&self.stores.log).args(&self.stores.keys).args(&self.stores.read_model);
        command.arg("--keyring-file").arg(self.data.join("keyring"));
        command
    }

    fn stores(&self, command: &mut Command) {
        command.args(&self.stores.log).args(&self.stores.keys).args(&self.stores.activity);
        command.arg("--keyring-file").arg(self.data.join("keyring"));
        command.arg("--clients-file").arg(self.data.join("clients.json"));
        command.envs(self.environment.clone());
    }
}

/// Several of each service beside each other, on the same stores.
#[derive(Debug)]
pub struct Several {
    separate: Separate,
    /// Command services.
    pub commands: Vec<Seat>,
    /// Projection services.
    pub projections: Vec<Seat>,
}

/// A service, and where it listens.
#[derive(Debug)]
pub struct Seat {
    /// Its process.
    pub process: Running,
    /// Its base URL.
    pub url: String,
}

impl Seat {
    async fn taken(mut process: Running) -> Self {
        let url = listening(&mut process).await;
        Self { process, url }
    }

    fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// A client of it that is nobody.
    pub fn api(&self) -> Api {
        Api::new(&self.url)
    }
}

impl Several {
    /// All of them.
    pub fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.commands.iter().chain(&self.projections)
    }

    /// Waits until all are ready.
    pub async fn ready(&self) {
        for seat in self.seats() {
            let api = seat.api();
            let ready = async || api.try_to_send(Method::GET, "/readyz", None).await.ok().filter(|a| a.status == 200);
            until("the service is ready", async || ready().await.map(drop)).await;
        }
    }

    /// Waits until each of them shows this check, not green, with these words in its reason.
    pub async fn all_say(&self, check: &str, words: &str) {
        for seat in self.seats() {
            seat.api().says(check, words).await;
        }
    }

    /// Waits until every check of each of them is green.
    pub async fn are_well(&self) {
        for seat in self.seats() {
            seat.api().is_well().await;
        }
    }

    /// How far each projection says that it is; none that can't say.
    pub async fn positions(&self) -> Vec<Option<Value>> {
        let mut positions = Vec::new();
        for projection in self.asked(&self.projections, "service") {
            let answer = projection.get("/v1/position").await;
            positions.push((answer.status == 200).then_some(answer.body));
        }
        positions
    }

    /// The first of each, as one stack without processes of its own.
    pub fn stack(&self) -> Stack {
        self.separate.stack(Vec::new(), &self.commands[0].url, &self.projections[0].url)
    }

    /// Every command service, asked by the operator.
    pub fn commands(&self) -> Vec<Api> {
        self.asked(&self.commands, "operator")
    }

    /// Every projection service, asked by webmail.
    pub fn webmails(&self) -> Vec<Api> {
        self.asked(&self.projections, "webmail")
    }

    fn asked(&self, seats: &[Seat], role: &str) -> Vec<Api> {
        seats.iter().map(|seat| Api::new(&seat.url).bearing(&self.separate.tokens[role])).collect()
    }

    /// Starts a projection service again where it was.
    pub async fn projection_again(&mut self, number: usize) {
        let process = self.separate.projection(self.projections[number].address());
        self.projections[number] = Seat::taken(process).await;
    }

    /// Starts a command service again where it was.
    pub async fn command_again(&mut self, number: usize) {
        let process = self.separate.command_at(self.commands[number].address(), &self.projection_urls());
        self.commands[number] = Seat::taken(process).await;
    }

    fn projection_urls(&self) -> String {
        self.projections.iter().map(|seat| seat.url.clone()).collect::<Vec<_>>().join(",")
    }
}
