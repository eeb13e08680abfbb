//! Where most stories begin: `postkey up` on a fresh folder, one email service, one user.

use std::process::Command;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::api::Api;
use crate::binary::postkey;
use crate::folder::Folder;
use crate::separate::Separate;
use crate::stack::{Stack, listening};

/// A mebibyte, the unit of quotas.
pub const MIB: u64 = 1_048_576;
/// The password of everybody who has not changed it: one that every policy takes.
pub const PASSWORD: &str = "Vkd9-mnRtq7w";

/// `acme.example`, a service of the customer `acme` with 10 mailboxes and 100 MiB, and in it Ann Lee with 10 MiB.
#[derive(Debug)]
pub struct Scene {
    /// What runs.
    pub stack: Stack,
    /// What services of their own stand on.
    separate: Option<Separate>,
    /// Settings.
    environment: Vec<(String, String)>,
    /// Where it all lies. It goes last.
    pub folder: Folder,
    /// The service's id.
    pub service: String,
    /// Ann's id.
    pub ann: String,
}

impl Scene {
    /// Sets it: in one process on embedded stores, or, in a test target whose name says so, in services of their own on
    /// NATS and PostgreSQL.
    pub async fn set() -> Self {
        Self::set_with(&[]).await
    }

    /// The same with settings in the environment, which stay.
    pub async fn set_with(environment: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let mut scene = if on_servers() {
            let separate = Separate::on_servers(&folder).await.with_environment(environment);
            let mut scene = Self::on(separate.start().await, folder).await;
            scene.separate = Some(separate);
            scene
        } else {
            Self::on(Stack::up_with(&folder, environment).await, folder).await
        };
        scene.environment = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        scene
    }

    /// With a panel, which `postkey up` has anyhow.
    pub async fn with_panel(mut self) -> Self {
        if let Some(separate) = self.separate.as_ref().filter(|_| !self.stack.has_panel()) {
            let mut process = separate.panel(self.stack.command(), self.stack.projection());
            let url = listening(&mut process).await;
            self.stack = self.stack.with_panel(process, url);
            self.stack.ready().await;
        }
        self
    }

    /// Sets it on a stack that knows no service yet.
    pub async fn on(stack: Stack, folder: Folder) -> Self {
        let (service, ann) = (String::new(), String::new());
        let mut scene = Self { stack, separate: None, environment: Vec::new(), folder, service, ann };
        scene.service = scene.provisioned("acme.example", "acme", 10, 100 * MIB).await;
        scene.ann = scene.added(&scene.service, &new_user("ann@acme.example")).await;
        scene
    }

    /// Whether its stores are on servers.
    pub fn is_on_servers(&self) -> bool {
        self.separate.is_some()
    }

    /// The name of the key store's database, where it is on a server.
    pub(crate) fn keys_database(&self) -> Option<&str> {
        self.separate.as_ref().map(Separate::keys_database)
    }

    /// A call of `postkey audit` on what it stands on, with all its keys.
    pub fn audit(&self, action: &str) -> Command {
        match &self.separate {
            Some(separate) => separate.audit(action, true),
            None => {
                let mut command = postkey(["audit", action, "--data"]);
                command.arg(self.folder.data());
                command
            }
        }
    }

    /// The same without a key.
    pub fn audit_without_keys(&self, action: &str) -> Command {
        match &self.separate {
            Some(separate) => separate.audit(action, false),
            None => {
                let mut command = postkey(["audit", action, "--log"]);
                command.arg(format!("sqlite:{}", self.folder.file("log.db").display()));
                command
            }
        }
    }

    /// A call of `postkey keys rotate` on its keys.
    pub fn rotate_keys(&self) -> Command {
        match &self.separate {
            Some(separate) => separate.rotate_keys(),
            None => {
                let mut command = postkey(["keys", "rotate", "--data"]);
                command.arg(self.folder.data());
                command
            }
        }
    }

    /// The name of the read model's database, where it is on a server.
    pub(crate) fn read_model_database(&self) -> Option<&str> {
        self.separate.as_ref().map(Separate::read_model_database)
    }

    /// The command service, asked by the operator.
    pub fn operator(&self) -> Api {
        self.stack.commands_as("operator")
    }

    /// The projection service, asked by the operator.
    pub fn queries(&self) -> Api {
        self.stack.queries_as("operator")
    }

    /// Provisions another service; its id.
    pub async fn provisioned(&self, domain: &str, customer: &str, mailboxes: u32, pool_bytes: u64) -> String {
        let plan = json!({"mailboxes": mailboxes, "pool_bytes": pool_bytes});
        let body = json!({"domain": domain, "customer": customer, "plan": plan});
        let receipt = self.operator().post("/v1/services", &body).await.receipt(201, &["ServiceProvisioned"]);
        receipt["service"].as_str().unwrap().to_owned()
    }

    /// Adds another user; its id.
    pub async fn added(&self, service: &str, user: &Value) -> String {
        let answer = self.operator().post(&format!("/v1/services/{service}/users"), user).await;
        let receipt = answer.receipt(201, &["UserAdded", "PasswordChanged"]);
        receipt["user"].as_str().unwrap().to_owned()
    }

    /// The path of Acme's users.
    pub fn users(&self) -> String {
        format!("/v1/services/{}/users", self.service)
    }

    /// The path of Acme's user.
    pub fn user(&self, user: &str) -> String {
        format!("/v1/services/{}/users/{user}", self.service)
    }

    /// Ann's path.
    pub fn ann(&self) -> String {
        self.user(&self.ann)
    }

    /// Ann as the projection shows her.
    pub async fn ann_now(&self) -> Value {
        self.queries().get(&self.ann()).await.is(200)
    }

    /// Ann tries to sign in.
    pub async fn ann_signs_in(&self, password: &str) -> Answer {
        self.stack.login("ann@acme.example", password).await
    }

    /// A user changes its own password in webmail.
    pub async fn changes_own(&self, address: &str, current: &str, new: &str) -> Answer {
        let body = json!({"address": address, "current_password": current, "new_password": new});
        self.stack.commands_as("webmail").post("/v1/self/password", &body).await
    }

    /// Stopped in order.
    pub async fn stopped(self) -> Stopped {
        self.stack.stop().await;
        let Self { separate, environment, folder, service, ann, .. } = self;
        Stopped { folder, separate, environment, service, ann }
    }

    /// The same folder after a stop in order and another start.
    pub async fn restarted(self) -> Self {
        self.stopped().await.up().await
    }
}

/// A scene between two starts.
#[derive(Debug)]
pub struct Stopped {
    /// Where it all lies.
    pub folder: Folder,
    separate: Option<Separate>,
    environment: Vec<(String, String)>,
    service: String,
    ann: String,
}

impl Stopped {
    /// Started again, and ready.
    pub async fn up(self) -> Scene {
        let stack = match &self.separate {
            Some(separate) => separate.start().await,
            None => {
                let environment: Vec<_> =
                    self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                Stack::up_with(&self.folder, &environment).await
            }
        };
        self.on(stack)
    }

    /// Started again, ready or not.
    pub async fn listening(self) -> Scene {
        let stack = Stack::listening(&self.folder, &[]).await;
        self.on(stack)
    }

    /// Started again in some other way.
    pub fn on(self, stack: Stack) -> Scene {
        let Self { folder, separate, environment, service, ann } = self;
        Scene { stack, separate, environment, folder, service, ann }
    }
}

/// A user of this address as the API wants one: Ann Lee with 10 MiB.
pub fn new_user(address: &str) -> Value {
    json!({
        "address": address, "first_name": "Ann", "last_name": "Lee", "quota_bytes": 10 * MIB, "password": PASSWORD
    })
}

/// Whether this is a test target like `journeys_on_servers`.
fn on_servers() -> bool {
    let test = std::env::current_exe().unwrap();
    test.file_name().is_some_and(|name| name.to_string_lossy().contains("on_servers"))
}
