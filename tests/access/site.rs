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
use stage::until;
use tempfile::TempDir;

/// Every identity that runs beside the log; `admin` and `system` are people.
pub const SERVICES: [&str; 5] = ["command-1", "command-2", "projection-1", "projection-2", "auditor"];
/// Within which everything here is answered, on a busy machine too.
pub const SOON: Duration = Duration::from_secs(20);

/// The folder of the configuration that is tested.
fn infra() -> PathBuf {
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

/// A server, and the stream and consumers that `admin` makes on it.
pub struct Site {
    pub nats: Nats,
    pub identities: Identities,
}

impl Site {
    /// With the stream POSTKEY, a durable for each projection, and three entries.
    pub async fn start() -> Self {
        let identities = Identities::make();
        let config = Some(configuration(&identities));
        let nats = tokio::task::spawn_blocking(|| Nats::with(NatsOptions { config, ..NatsOptions::default() }));
        let site = Self { nats: nats.await.unwrap(), identities };
        let admin = site.connect("admin").await;
        admin.api("$JS.API.STREAM.CREATE.POSTKEY", &stream()).await.without_error();
        for projection in ["projection-1", "projection-2"] {
            let subject = format!("$JS.API.CONSUMER.CREATE.POSTKEY.{projection}");
            admin.api(&subject, &consumer(projection)).await.without_error();
        }
        let command = site.connect("command-1").await;
        for position in 1..=3 {
            let appended = command.append(&format!("postkey.p0{position}.service"), 0, "{\"entry\":true}").await;
            assert_eq!(appended["seq"], position, "{appended}");
        }
        site
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

/// The stream, as `postkey nats setup` makes it, on one server.
pub fn stream() -> Value {
    json!({
        "name": "POSTKEY", "subjects": ["postkey.>"], "retention": "limits", "storage": "file", "num_replicas": 1,
        "discard": "new", "max_age": 0, "max_msgs": -1, "max_bytes": -1, "max_msg_size": 65_536,
        "allow_direct": true, "deny_delete": true, "deny_purge": true,
    })
}

/// A projection's durable consumer.
pub fn consumer(name: &str) -> Value {
    let config = json!({"name": name, "durable_name": name, "ack_policy": "none", "deliver_policy": "all", "replay_policy": "instant"});
    json!({"stream_name": "POSTKEY", "config": config})
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
