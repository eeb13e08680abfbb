//! The services, running: all in one process, or each in its own.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use reqwest::Method;
use serde_json::Value;

use crate::answer::Answer;
use crate::api::Api;
use crate::binary::postkey;
use crate::folder::Folder;
use crate::os::text_of;
use crate::running::{Finished, Running, run};
use crate::until::until;
use crate::visitor::Visitor;

/// The roles that a client can have.
const ROLES: [&str; 5] = ["operator", "panel", "webmail", "auditor", "service"];

/// What has `postkey up` listen where nobody else does.
pub const FREE_PORTS: [&str; 6] =
    ["--panel-listen", "127.0.0.1:0", "--command-listen", "127.0.0.1:0", "--projection-listen", "127.0.0.1:0"];

/// Where the services listen: their base URLs.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// The panel's.
    pub panel: String,
    /// The command service's.
    pub command: String,
    /// The projection service's.
    pub projection: String,
}

/// Running services, and the tokens to speak to them.
#[derive(Debug)]
pub struct Stack {
    processes: Vec<Running>,
    panel: Option<String>,
    command: Api,
    projection: Api,
    tokens: HashMap<&'static str, String>,
}

impl Stack {
    /// `postkey up` on the folder, once it is ready.
    pub async fn up(folder: &Folder) -> Self {
        Self::up_with(folder, &[]).await
    }

    /// The same with settings in the environment.
    pub async fn up_with(folder: &Folder, environment: &[(&str, &str)]) -> Self {
        let stack = Self::listening(folder, environment).await;
        stack.ready().await;
        stack
    }

    /// The same once it listens, ready or not.
    pub async fn listening(folder: &Folder, environment: &[(&str, &str)]) -> Self {
        let stale = folder.file("endpoints.json");
        if stale.exists() {
            std::fs::remove_file(stale).unwrap();
        }
        let mut command = up(&folder.data(), &[]);
        command.envs(environment.iter().copied());
        let process = Running::start(command, &folder.beside("."));
        Self::started(process, &folder.data()).await.unwrap_or_else(|finished| panic!("no start: {finished:#?}"))
    }

    /// A process that was started as `postkey up`, once it listens.
    ///
    /// # Errors
    /// Where it ends before it does: how it ended.
    pub async fn started(mut process: Running, data: &Path) -> Result<Self, Finished> {
        match endpoints(&mut process, data).await {
            Some(Endpoints { panel, command, projection }) => {
                let stack = Self::of(vec![process], &command, &projection, tokens(data));
                Ok(Self { panel: Some(panel), ..stack })
            }
            None => Err(process.finished().await),
        }
    }

    /// Services at these addresses, without a panel.
    pub fn of(processes: Vec<Running>, command: &str, projection: &str, tokens: HashMap<&'static str, String>) -> Self {
        Self { processes, panel: None, command: Api::new(command), projection: Api::new(projection), tokens }
    }

    /// The same with a panel of its own process.
    pub(crate) fn with_panel(mut self, process: Running, url: String) -> Self {
        self.processes.push(process);
        self.panel = Some(url);
        self
    }

    /// Whether there is a panel.
    pub(crate) const fn has_panel(&self) -> bool {
        self.panel.is_some()
    }

    /// Waits until all of them say that they are ready.
    pub async fn ready(&self) {
        if let Some(panel) = &self.panel {
            Visitor::new(panel).ready().await;
        }
        for service in [&self.command, &self.projection] {
            // One that has waited for a store closes its connections once it has it.
            let ready = async || service.try_to_send(Method::GET, "/readyz", None).await.is_ok_and(|a| a.status == 200);
            until("the service is ready", async || ready().await.then_some(())).await;
        }
    }

    /// The token that the first start, or the stage, has made for a role.
    pub fn token(&self, role: &str) -> &str {
        &self.tokens[role]
    }

    /// The panel's URL.
    ///
    /// # Panics
    /// Where the services run without one.
    pub fn panel(&self) -> &str {
        self.panel.as_deref().expect("a panel")
    }

    /// The command service, asked by nobody.
    pub fn command(&self) -> &Api {
        &self.command
    }

    /// The projection service, asked by nobody.
    pub fn projection(&self) -> &Api {
        &self.projection
    }

    /// The command service, asked in a role; a panel speaks for the customer `acme`.
    pub fn commands_as(&self, role: &str) -> Api {
        self.asked(&self.command, role)
    }

    /// The projection service, asked in a role; a panel speaks for the customer `acme`.
    pub fn queries_as(&self, role: &str) -> Api {
        self.asked(&self.projection, role)
    }

    fn asked(&self, service: &Api, role: &str) -> Api {
        let api = service.bearing(self.token(role));
        if role == "panel" { api.with("postkey-customer", "acme") } else { api }
    }

    /// A login, as webmail asks for it.
    pub async fn login(&self, address: &str, password: &str) -> Answer {
        let asked = serde_json::json!({"address": address, "password": password});
        self.queries_as("webmail").post("/v1/auth/verify", &asked).await
    }

    /// A login of somebody at an IP address.
    pub async fn login_from(&self, origin: &str, address: &str, password: &str) -> Answer {
        let asked = serde_json::json!({"address": address, "password": password, "origin": origin});
        self.queries_as("webmail").post("/v1/auth/verify", &asked).await
    }

    /// The last position of the log.
    pub async fn head(&self) -> u64 {
        let position = self.queries_as("service").get("/v1/position").await.is(200);
        position["head"].as_u64().unwrap()
    }

    /// Waits until everything that the log holds is applied.
    pub async fn caught_up(&self) {
        let queries = self.queries_as("service");
        until("the projection is caught up", async || {
            let position = queries.get("/v1/position").await.is(200);
            (position["position"] == position["head"]).then_some(())
        })
        .await;
    }

    /// The processes.
    pub fn processes(&mut self) -> &mut [Running] {
        &mut self.processes
    }

    /// Stops every process in order.
    pub async fn stop(mut self) {
        self.stop_all().await;
    }

    /// The same, where what it knows is still needed.
    pub async fn stop_all(&mut self) {
        for process in std::mem::take(&mut self.processes) {
            process.stop().await;
        }
    }

    /// Kills every process.
    pub fn kill(mut self) {
        self.processes.iter_mut().for_each(Running::kill);
    }

    /// Makes another token while the services run, and waits until both know it.
    pub async fn new_token(&self, folder: &Folder, role: &str, name: &str, customer: Option<&str>) -> String {
        let token = new_token(folder, role, name, customer).await;
        for (service, path) in [(&self.command, "/v1/password-policy"), (&self.projection, "/v1/position")] {
            let api = service.bearing(&token).with("postkey-customer", customer.unwrap_or("acme"));
            until("a new token is known", async || (api.get(path).await.status == 200).then_some(())).await;
        }
        token
    }
}

/// `postkey up` on a folder and on free ports, with further arguments.
pub fn up(data: &Path, arguments: &[&str]) -> Command {
    let mut command = postkey(["up", "--data", data.to_str().unwrap()]);
    command.args(FREE_PORTS).args(arguments);
    command
}

/// Where `postkey up` listens, once it says so in the data folder; none where it ends before. A file of an earlier start
/// must be gone.
pub async fn endpoints(process: &mut Running, data: &Path) -> Option<Endpoints> {
    let path = data.join("endpoints.json");
    until("endpoints.json says where it listens", async || {
        if process.ended().is_some() {
            return Some(None);
        }
        let endpoints: Value = serde_json::from_str(&text_of(&path)).ok()?;
        let url = |name: &str| endpoints[name].as_str().unwrap().to_owned();
        Some(Some(Endpoints { panel: url("panel"), command: url("command"), projection: url("projection") }))
    })
    .await
}

/// The tokens of a data folder.
pub fn tokens(data: &Path) -> HashMap<&'static str, String> {
    let read = |role| (role, text_of(&data.join(format!("tokens/{role}.token"))).trim().to_owned());
    ROLES.into_iter().map(read).collect()
}

/// Makes a token in a data folder's clients file.
pub async fn new_token(folder: &Folder, role: &str, name: &str, customer: Option<&str>) -> String {
    let clients = folder.file("clients.json");
    let mut command = postkey(["token", "new", "--role", role, "--name", name]);
    command.arg("--clients-file").arg(clients);
    if let Some(customer) = customer {
        command.args(["--customer", customer]);
    }
    run(command).await.worked().stdout.trim().to_owned()
}

/// Adds an account of a customer to the panel of a data folder; its password.
pub async fn new_account(folder: &Folder, name: &str, customer: &str) -> String {
    let mut command = postkey(["panel", "account", "add", name, "--customer", customer]);
    command.arg("--data").arg(folder.data());
    run(command).await.worked().stdout.trim().to_owned()
}

/// Where a service of its own listens, once it says so.
pub async fn listening(process: &mut Running) -> String {
    until("the service says where it listens", async || {
        if let Some(status) = process.ended() {
            panic!("it ended before it listened, with {status}: {}", process.stderr());
        }
        let stdout = process.stdout();
        let line = stdout.lines().find_map(|line| line.strip_prefix("listening on "))?;
        // A line that is still being written has no end yet.
        stdout.contains(&format!("{line}\n")).then(|| line.trim().to_owned())
    })
    .await
}
