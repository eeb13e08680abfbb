//! Where most stories begin: `postkey up` on a fresh folder, one email service, one user.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::api::Api;
use crate::folder::Folder;
use crate::separate::Separate;
use crate::stack::Stack;

/// A mebibyte, the unit of quotas.
pub const MIB: u64 = 1_048_576;
/// The password of everybody who has not changed it.
pub const PASSWORD: &str = "Vkd9-mnRtq7";

/// `acme.example`, a service of the customer `acme` with 10 mailboxes and 100 MiB, and in it Ann Lee with 10 MiB.
#[derive(Debug)]
pub struct Scene {
    /// What runs.
    pub stack: Stack,
    /// What services of their own stand on.
    separate: Option<Separate>,
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
        let folder = Folder::new();
        if !on_servers() {
            return Self::on(Stack::up(&folder).await, folder).await;
        }
        let separate = Separate::on_servers(&folder).await;
        let mut scene = Self::on(separate.start().await, folder).await;
        scene.separate = Some(separate);
        scene
    }

    /// Sets it on a stack that knows no service yet.
    pub async fn on(stack: Stack, folder: Folder) -> Self {
        let mut scene = Self { stack, separate: None, folder, service: String::new(), ann: String::new() };
        scene.service = scene.provisioned("acme.example", "acme", 10, 100 * MIB).await;
        scene.ann = scene.added(&scene.service, &new_user("ann@acme.example")).await;
        scene
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

    /// Stopped in order.
    pub async fn stopped(self) -> Stopped {
        self.stack.stop().await;
        Stopped { folder: self.folder, separate: self.separate, service: self.service, ann: self.ann }
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
    service: String,
    ann: String,
}

impl Stopped {
    /// Started again, and ready.
    pub async fn up(self) -> Scene {
        let stack = match &self.separate {
            Some(separate) => separate.start().await,
            None => Stack::up(&self.folder).await,
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
        Scene { stack, separate: self.separate, folder: self.folder, service: self.service, ann: self.ann }
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
