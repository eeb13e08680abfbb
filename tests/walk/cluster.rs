//! `make up` from nothing, the same walk, and what OPERATIONS.md has a person type: wherever a Docker daemon and Docker
//! Compose answer. The record of the run says where they don't, and why; then nothing is tested here.
//!
//! It is a copy of `infra` that is brought up, with secrets, names and ports of its own: a cluster that a person runs on the
//! same machine is not touched. All of it is gone with the process, also when it is killed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use reqwest::Method;
use stage::{Api, until};
use tempfile::TempDir;

use crate::readme::{self, text_of};

const SERVICES: [&str; 8] =
    ["nats-1", "nats-2", "nats-3", "postgres", "command-1", "command-2", "projection-1", "projection-2"];

/// A tree with what `make up` needs.
struct Tree {
    folder: TempDir,
    /// The name of all that is brought up.
    name: String,
}

impl Tree {
    /// A new one; none where nothing can be brought up, and then the record says so.
    fn new() -> Option<Self> {
        if let Err(why) = can_be_brought_up() {
            servers::record(&format!("make up: no ({why})"));
            return None;
        }
        servers::record("make up: yes");
        let folder = tempfile::tempdir().unwrap();
        for file in ["Makefile", "README.md", "OPERATIONS.md"] {
            fs::copy(root().join(file), folder.path().join(file)).unwrap();
        }
        copy(Path::new("infra"), folder.path());
        Some(Self { folder, name: servers::container_name() })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Names and ports that nobody else has. The first `make up` takes them from the environment; then they stand in
    /// `infra/.env`.
    fn named(&self) -> Vec<(String, String)> {
        let names = [("PROJECT", self.name.clone()), ("IMAGE", format!("{}:local", self.name))];
        let names = names.map(|(setting, name)| (format!("POSTKEY_{setting}"), name));
        let seats = ["COMMAND_1", "COMMAND_2", "PROJECTION_1", "PROJECTION_2"];
        let ports = seats.map(|seat| (format!("POSTKEY_{seat}_PORT"), servers::free_port().to_string()));
        names.into_iter().chain(ports).collect()
    }

    /// `make up`, with an image of the binary under test.
    fn up(&self, environment: Vec<(String, String)>) {
        let binary = self.path().join("postkey");
        if !binary.exists() {
            build_static(&binary);
        }
        let mut make = self.shell("make up");
        let said = said(make.envs(environment).env("POSTKEY_BINARY", binary));
        for service in SERVICES {
            assert!(said.lines().any(|line| line.split_whitespace().eq(["well", service])), "{service}: {said}");
        }
    }

    /// A service at the port that `infra/.env` says.
    fn service(&self, seat: &str) -> Api {
        let settings = fs::read_to_string(self.path().join("infra/.env")).unwrap();
        let port = settings.lines().find_map(|line| line.strip_prefix(&format!("POSTKEY_{seat}_PORT="))).unwrap();
        Api::new(&format!("http://127.0.0.1:{port}"))
    }

    /// A line of OPERATIONS.md as a person types it in this tree, at a terminal; what it says.
    fn types(&self, line: &str) -> String {
        let operations = text_of("OPERATIONS.md");
        let there = operations.contains(&format!("`{line}`")) || operations.lines().any(|other| other == line);
        assert!(there, "OPERATIONS.md does not say {line}");
        // Where Docker Compose has no plugin, OPERATIONS.md has people write its older name.
        let line = if has_plugin() { line.to_owned() } else { line.replace("docker compose", "docker-compose") };
        let mut terminal = Command::new("script");
        terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]).current_dir(self.path());
        said(&mut terminal)
    }

    /// The volumes of its containers.
    fn volumes(&self) -> Vec<String> {
        let ours = format!("label=com.docker.compose.project={}", self.name);
        let containers = said(Command::new("docker").args(["ps", "--all", "--quiet", "--filter", &ours]));
        let format = r#"{{range .Mounts}}{{if eq .Type "volume"}}{{println .Name}}{{end}}{{end}}"#;
        let names = said(Command::new("docker").args(["inspect", "--format", format]).args(containers.lines()));
        let names: BTreeSet<_> = names.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        names.into_iter().collect()
    }

    fn shell(&self, line: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(self.path());
        shell
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        servers::remove_named(&self.name);
    }
}

#[tokio::test]
async fn make_up_brings_a_cluster_from_nothing_and_the_walk_leads_to_the_same() {
    let Some(tree) = Tree::new() else { return };
    tree.up(tree.named());
    readme::walked_in(tree.path()).await;

    let running = tree.types("docker compose --file infra/compose.yaml ps");
    assert!(SERVICES.iter().all(|service| running.contains(service)), "{running}");
    let shown = tree.types("docker compose --file infra/compose.yaml exec command-1 /postkey nats show");
    assert!(shown.lines().any(|line| line.starts_with("replicas  3 (nats-")), "{shown}");
    let leads =
        "docker compose --file infra/compose.yaml logs projection-1 projection-2 | grep \"this projection leads\"";
    assert_eq!(tree.types(leads).lines().count(), 1, "one projection leads");
    let rebuild = "docker compose --file infra/compose.yaml run --rm --no-deps projection-1 rebuild";
    let rebuilt = tree.types(rebuild);
    assert!(rebuilt.contains("the old rows were as the log has them"), "{rebuilt}");
    another_key(&tree).await;

    // Data stays over a stop, and nothing else does.
    let volumes = tree.volumes();
    said(&mut tree.shell("make down"));
    assert!(!tree.path().join("postkey-data/endpoints.json").exists(), "nobody listens there");
    assert_eq!(servers::named(&tree.name), volumes, "only volumes with names");
    tree.up(Vec::new());
    readme::logins_in(tree.path()).await;
    said(&mut tree.shell("make down VOLUMES=1"));
    assert_eq!(servers::named(&tree.name), Vec::<String>::new(), "nothing is left");
}

/// `command-2` gets another key, as OPERATIONS.md has it.
async fn another_key(tree: &Tree) {
    tree.types("rm -r infra/secrets/nats/command-2 infra/secrets/nats/public/command-2.pub");
    tree.types("infra/secrets.sh");
    tree.types("docker compose --file infra/compose.yaml kill -s HUP nats-1 nats-2 nats-3");
    let (one, two) = (tree.service("COMMAND_1"), tree.service("COMMAND_2"));
    until("it says why it is shut out", async || {
        let health = two.get("/readyz").await;
        (health.status == 503 && health.text.contains("/run/identity/nkey.seed")).then_some(())
    })
    .await;
    assert_eq!(one.get("/readyz").await.status, 200, "the other one goes on");
    tree.types("docker compose --file infra/compose.yaml restart command-2");
    let ready = async || two.try_to_send(Method::GET, "/readyz", None).await.is_ok_and(|answer| answer.status == 200);
    until("it is back", async || ready().await.then_some(())).await;
}

/// Why nothing can be brought up here, where it can't.
fn can_be_brought_up() -> Result<(), &'static str> {
    if !servers::docker_answers() {
        return Err("no Docker daemon answers");
    }
    let older = Command::new("docker-compose").arg("version").output().is_ok_and(|output| output.status.success());
    if has_plugin() || older { Ok(()) } else { Err("neither docker compose nor docker-compose is installed") }
}

fn has_plugin() -> bool {
    Command::new("docker").args(["compose", "version"]).output().is_ok_and(|output| output.status.success())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Copies what is at this place of our tree to the same place in another one, but for what is never committed.
fn copy(place: &Path, to: &Path) {
    let ignored = text_of(".gitignore");
    if ignored.lines().any(|line| line.strip_prefix('/').is_some_and(|line| Path::new(line) == place)) {
        return;
    }
    let from = root().join(place);
    if !from.is_dir() {
        fs::copy(from, to.join(place)).unwrap();
        return;
    }
    fs::create_dir(to.join(place)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        copy(&place.join(entry.unwrap().file_name()), to);
    }
}

/// Links the binary under test once more, so that it runs in an image with nothing else. All else of it is built already.
fn build_static(into: &Path) {
    // target/debug/deps/walk-0123456789abcdef
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let name = match profile.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        name => name,
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["rustc", "--quiet", "--locked", "--package", "postkey", "--bin", "postkey", "--profile", name]);
    cargo.arg("--target-dir").arg(profile.parent().unwrap()).current_dir(root());
    cargo.args(["--", "-C", "target-feature=+crt-static", "--emit"]).arg(format!("link={}", into.display()));
    said(&mut cargo);
}

/// Runs a command to its end, and expects that it works.
fn said(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{command:?} {}:\n{stdout}\n{stderr}", output.status);
    stdout
}
