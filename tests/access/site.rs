//! A server with the product's own accounts and TLS, and connections to it as each identity.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectOptions, Event, HeaderMap, Message};
use futures::StreamExt;
use serde_json::{Value, json};
use servers::{Nats, NatsOptions};
use stage::{postkey, run, until};
use tempfile::TempDir;

use crate::compose::{self, Started};

/// Every identity that runs beside the log; `admin` and `system` are people.
pub const SERVICES: [&str; 5] = ["command-1", "command-2", "projection-1", "projection-2", "auditor"];
/// Within which everything here is answered, on a busy machine too.
pub const SOON: Duration = Duration::from_secs(20);

/// The folder of the configuration that is tested.
pub fn infra() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/nats")
}

/// What `identities.sh` makes, in a folder of its own.
pub struct Identities(TempDir);

impl Identities {
    pub fn make() -> Self {
        let identities = Self(tempfile::tempdir().unwrap());
        identities.make_again();
        identities
    }

    /// Runs the script once more.
    pub fn make_again(&self) {
        let script = infra().join("identities.sh");
        let made = Command::new("bash").arg(script).arg(self.folder()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub fn seed(&self, identity: &str) -> String {
        fs::read_to_string(self.file(&format!("{identity}/nkey.seed"))).unwrap()
    }

    /// The public key that servers know an identity by.
    pub fn public(&self, identity: &str) -> String {
        fs::read_to_string(self.file(&format!("public/{identity}.pub"))).unwrap()
    }

    /// Has servers know it by another one.
    pub fn set_public(&self, identity: &str, key: &str) {
        fs::write(self.file(&format!("public/{identity}.pub")), key).unwrap();
        self.make_again();
    }

    /// How `identity` connects to a server with certificates of the same folder.
    pub fn options(&self, identity: &str) -> ConnectOptions {
        self.options_without_certificate(identity).add_client_certificate(
            self.file(&format!("{identity}/client.pem")),
            self.file(&format!("{identity}/client.key")),
        )
    }

    pub fn options_without_certificate(&self, identity: &str) -> ConnectOptions {
        let inbox = if identity == "admin" { "_INBOX".to_owned() } else { format!("_INBOX_{identity}") };
        ConnectOptions::with_nkey(self.seed(identity))
            .add_root_certificates(self.file("public/server-ca.pem"))
            .require_tls(true)
            .tls_first()
            .custom_inbox_prefix(inbox)
            .request_timeout(Some(SOON))
            .connection_timeout(SOON)
    }
}

/// A server, and what `admin` has made on it.
pub struct Site {
    pub nats: Nats,
    pub identities: Identities,
}

impl Site {
    /// With the stream and a consumer for each projection, as the job `setup-log` of compose.yaml makes them, and nothing
    /// in the log.
    pub async fn set_up() -> Self {
        let identities = Identities::make();
        let config = Some(configuration(&identities));
        let nats = tokio::task::spawn_blocking(|| Nats::with(NatsOptions { config, ..NatsOptions::default() }));
        let site = Self { nats: nats.await.unwrap(), identities };
        run(site.setup_log("admin")).await.worked();
        site
    }

    /// The job `setup-log` of compose.yaml, done by this identity.
    pub fn setup_log(&self, identity: &str) -> Command {
        let folder = |name| self.identities.file(name).display().to_string();
        self.call("setup-log", &[("/run/identity", folder(identity)), ("/run/nats", folder("public"))])
    }

    /// The same with three entries.
    pub async fn start() -> Self {
        let site = Self::set_up().await;
        let command = site.connect("command-1").await;
        for position in 1..=3 {
            let appended = command.append(&format!("postkey.p0{position}.service"), 0, "{\"entry\":true}").await;
            assert_eq!(appended["seq"], position, "{appended}");
        }
        site
    }

    /// A service or a job as compose.yaml starts it, on this one server, and with these places for those of containers.
    pub fn call(&self, name: &str, places: &[(&str, String)]) -> Command {
        let Started { arguments, mut environment } = compose::started(name);
        let replicas = "1".to_owned();
        let ours = [("LOG", self.url()), ("NATS_MONITOR", self.nats.monitor_url()), ("NATS_REPLICAS", replicas)];
        for (setting, ours) in ours {
            environment.entry(format!("POSTKEY_{setting}")).and_modify(|value| *value = ours);
        }
        let here = |text: &str| places.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there, here));
        let arguments: Vec<_> = arguments.iter().map(|argument| here(argument)).collect();
        let mut command = postkey(arguments.iter().map(String::as_str));
        command.envs(environment.iter().map(|(name, value)| (name, here(value))));
        command
    }

    /// Takes an identity's key away from it as OPERATIONS.md says: it gets another one, and the server forgets the old one.
    pub fn revoke(&mut self, identity: &str) {
        fs::remove_dir_all(self.identities.file(identity)).unwrap();
        fs::remove_file(self.identities.file(&format!("public/{identity}.pub"))).unwrap();
        self.identities.make_again();
        self.reload();
    }

    /// Has the server read the public keys again.
    pub fn reload(&mut self) {
        self.nats.configure(&configuration(&self.identities));
    }

    /// The server's URL, by the name in its certificate.
    pub fn url(&self) -> String {
        self.nats.url().replace("nats://", "tls://")
    }

    pub async fn connect(&self, identity: &'static str) -> Connected {
        self.try_connect(self.identities.options(identity)).await.unwrap()
    }

    pub async fn try_connect(&self, options: ConnectOptions) -> Result<Connected, ConnectError> {
        let violations = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&violations);
        let options = options.event_callback(move |event| {
            let seen = Arc::clone(&seen);
            async move {
                if let Event::ServerError(error) = event {
                    seen.lock().unwrap().push(error.to_string());
                }
            }
        });
        Ok(Connected { client: options.connect(self.url()).await?, violations })
    }
}

/// The configuration as it stands, its included file in its place, and TLS by these identities' files.
fn configuration(identities: &Identities) -> String {
    let accounts = fs::read_to_string(infra().join("accounts.conf")).unwrap();
    let include = "include \"../public/public-keys.conf\"\n";
    assert_eq!(accounts.matches(include).count(), 1, "accounts.conf includes the public keys");
    let keys = fs::read_to_string(identities.file("public/public-keys.conf")).unwrap();
    // The same block as nats-server.conf has, by paths of this machine.
    let server = fs::read_to_string(infra().join("nats-server.conf")).unwrap();
    let tls = server.split("\ntls {").nth(1).unwrap().split("\n}\n").next().unwrap();
    let folder = identities.folder().display();
    let tls = tls
        .replace("/etc/postkey/identity", &format!("{folder}/nats-1"))
        .replace("/etc/postkey/public", &format!("{folder}/public"));
    format!("{}\ntls {{{tls}\n}}\n", accounts.replace(include, &keys))
}

/// A connection as somebody.
pub struct Connected {
    pub client: Client,
    violations: Arc<Mutex<Vec<String>>>,
}

/// A JSON answer of JetStream's API.
#[derive(Debug)]
pub struct Answered(pub Value);

impl Answered {
    #[track_caller]
    pub fn without_error(self) -> Value {
        assert!(self.0.get("error").is_none(), "{}", self.0);
        self.0
    }
}

impl Connected {
    /// Asks, and takes the one answer.
    pub async fn api(&self, subject: &str, body: &Value) -> Answered {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.client.request(subject.to_owned(), body.into()).await;
        let answer = answer.unwrap_or_else(|error| panic!("{subject}: {error}; {:?}", self.violations()));
        Answered(serde_json::from_slice(&answer.payload).unwrap_or(Value::Null))
    }

    /// Asks, and takes as many messages as are wanted, by a subscription of its own.
    pub async fn ask(&self, subject: &str, body: &str, wanted: usize) -> Vec<Message> {
        let inbox = self.client.new_inbox();
        let answers = self.client.subscribe(inbox.clone()).await.unwrap();
        self.client.publish_with_reply(subject.to_owned(), inbox, body.to_owned().into()).await.unwrap();
        let answers = tokio::time::timeout(SOON, answers.take(wanted).collect::<Vec<_>>()).await;
        answers.unwrap_or_else(|_| panic!("{subject}: no {wanted} answers; {:?}", self.violations()))
    }

    /// Appends as a command service does: guarded by the subject's last position.
    pub async fn append(&self, subject: &str, expected: u64, entry: &'static str) -> Value {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Subject-Sequence", expected.to_string());
        let answer = self.client.request_with_headers(subject.to_owned(), headers, entry.into()).await;
        let answer = answer.unwrap_or_else(|error| panic!("{subject}: {error}; {:?}", self.violations()));
        serde_json::from_slice(&answer.payload).unwrap()
    }

    /// Number of stored messages and last position, and how far both consumers are, as `admin` sees it.
    pub async fn state(&self) -> Value {
        let info = self.api("$JS.API.STREAM.INFO.POSTKEY", &Value::Null).await.without_error();
        let mut state =
            json!({"config": info["config"], "messages": info["state"]["messages"], "last": info["state"]["last_seq"]});
        for projection in ["projection-1", "projection-2"] {
            let consumer = self.api(&format!("$JS.API.CONSUMER.INFO.POSTKEY.{projection}"), &Value::Null).await;
            let consumer = consumer.without_error();
            state[projection] = json!({"config": consumer["config"], "delivered": consumer["delivered"]["stream_seq"]});
        }
        state
    }

    /// What the server refused so far on this connection.
    pub fn violations(&self) -> Vec<String> {
        self.violations.lock().unwrap().clone()
    }

    /// Waits until the server has refused `what` (`publish` or `subscription`) on exactly this subject.
    pub async fn is_refused(&self, what: &str, subject: &str) {
        let wanted = format!("permissions violation for {what} to \"{subject}\"").to_lowercase();
        until(&format!("{wanted} ({:?})", self.violations()), async || {
            self.violations().iter().any(|violation| violation.to_lowercase().contains(&wanted)).then_some(())
        })
        .await;
    }
}
