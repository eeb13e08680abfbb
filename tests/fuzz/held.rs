//! Schemathesis, from PyPI, on both services, in each role: no answer that the document does not know, no server error but a
//! 503 that says why, and nothing taken that the document says is wrong. That what fits the document is taken can't be
//! promised: a policy judges passwords, and a domain has one service.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use stage::{Answer, MIB, PASSWORD, Scene, new_user};

/// The tester's version.
const SCHEMATHESIS: &str = "4.32.5";

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance,ignored_auth";

/// How many examples of each operation there are, and how they are found, where nobody says how many: so that all is over within
/// a minute or two.
const FEW: (&str, &str) = ("5", "examples,fuzzing");
/// How they are found where somebody wants to look for longer: at the bounds of every schema too.
const MANY: &str = "examples,coverage,fuzzing";

/// Who asks, and whether about ids that are there, or such as name nothing. The first three are all that there is time for where
/// nobody says how many examples.
const RUNS: [(&str, bool); 6] =
    [("operator", true), ("panel", true), ("webmail", true), ("auditor", true), ("service", true), ("operator", false)];

/// What has to be carried out at least once, so that something behind it is looked at.
const COMMANDS: [&str; 10] = [
    "ProvisionService",
    "ChangePlan",
    "AddUser",
    "EditUser",
    "ChangePassword",
    "ChangeOwnPassword",
    "SuspendUser",
    "ReactivateUser",
    "RemoveUser",
    "EraseUser",
];

#[expect(clippy::disallowed_methods, reason = "tests are the outermost shell, and have no command line of their own")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The folder of the tester; none where it can't be had. Whoever asks for it by name is told why, others at the end of the run.
async fn tester() -> Option<PathBuf> {
    let installed =
        tokio::task::spawn_blocking(|| servers::python_package("schemathesis", SCHEMATHESIS)).await.unwrap();
    match installed {
        Ok(folder) => {
            servers::record(&format!("OpenAPI documents held by Schemathesis {SCHEMATHESIS}"));
            Some(folder)
        }
        Err(why) => {
            assert!(setting("EXAMPLES").is_none(), "Schemathesis can't be installed by pip: {why}");
            let why = why.lines().last().unwrap_or_default();
            servers::record(&format!("OpenAPI documents NOT held: Schemathesis can't be installed by pip ({why})"));
            None
        }
    }
}

/// All roles on both services, the two beside each other.
pub async fn both_services_are_held_against_their_documents() {
    let Some(tester) = tester().await else { return };
    let mut scene = Scene::set().await;
    // Before anybody changes the plan.
    let (mut commands, mut questions) = (Vec::new(), Vec::new());
    let runs = if setting("EXAMPLES").is_some() { &RUNS[..] } else { &RUNS[..3] };
    let roomy = scene.provisioned("roomy.example", "acme", 10_000, 1_048_576 * MIB).await;
    for (number, &(role, there)) in runs.iter().enumerate() {
        let there = if there { Some(There::made(&scene, &roomy, role).await) } else { None };
        for (service, runs) in [("command", &mut commands), ("projection", &mut questions)] {
            let folder = scene.folder.beside(format!("{service}-{number}"));
            fs::create_dir(&folder).unwrap();
            let named = format!("the {service} service, asked by role {role}");
            runs.push((named, run(&scene, &tester, service, role, there.as_ref(), &folder).await));
        }
    }
    let (command, projection) = tokio::join!(findings(commands), findings(questions));
    let mut found = [command, projection].concat();
    found.extend(untouched(&scene).await);
    for process in scene.stack.processes() {
        assert!(process.ended().is_none(), "a service has ended: {}", process.stderr());
        found.extend(process.stderr().lines().filter(|line| line.contains(" ERROR ")).map(str::to_owned));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Commands of which none was carried out, and logins where none was right, though ids and examples were those of what there
/// is: then nothing behind them was looked at.
async fn untouched(scene: &Scene) -> Vec<String> {
    let commands = scene.stack.command().get("/metrics").await;
    let logins = scene.stack.projection().get("/metrics").await;
    let some = |scrape: &Answer, name: &str, labels: &[(&str, &str)]| scrape.metric(name, labels).unwrap_or(0.0) > 0.0;
    let done = |command: &&str| {
        let ended = |outcome| some(&commands, "postkey_commands_total", &[("command", command), ("outcome", outcome)]);
        ended("effective") || ended("stored")
    };
    let missed = COMMANDS.iter().filter(|command| !done(command));
    let mut untouched: Vec<_> = missed.map(|command| format!("no {command} was carried out")).collect();
    if !["right", "cached"].iter().any(|verdict| some(&logins, "postkey_logins_total", &[("verdict", verdict)])) {
        untouched.push("nobody has signed in".to_owned());
    }
    untouched
}

/// What there is for a role to ask about.
struct There {
    /// The tester's settings: ids that name it.
    config: String,
    /// By operation, a body that is right, in place of the document's examples.
    bodies: Vec<(&'static str, Value)>,
}

impl There {
    /// Makes it. Whom a role may remove, erase, reactivate or speak for is there for nothing else, in a service with room for
    /// whatever is added.
    async fn made(scene: &Scene, roomy: &str, role: &str) -> Self {
        let Scene { service, ann, .. } = scene;
        // The examples' revision and customer are of nothing that is there.
        let mut config = format!(
            "[parameters]\n\"path.service\" = \"{service}\"\n\"path.user\" = \"{ann}\"\n\
             \"header.If-Match\" = \"*\"\n\"header.Postkey-Customer\" = \"acme\"\n"
        );
        let mut about = |operation: &str, parameters: &str| {
            config += &format!("[[operations]]\ninclude-operation-id = \"{operation}\"\nparameters = {parameters}\n");
        };
        // Else each position that there is not yet is waited for, for half a minute.
        about("position", "{ \"query.wait\" = 0 }");
        // Or its stream has no end.
        about("event_stream", "{ \"query.wait\" = 0 }");
        about("add_user", &format!("{{ \"path.service\" = \"{roomy}\" }}"));
        let address = |name: &str| format!("{name}-by-{role}@roomy.example");
        if matches!(role, "operator" | "panel") {
            // Only a user who is suspended can be reactivated, and only one who is removed erased.
            for operation in ["remove_user", "reactivate_user", "erase_user"] {
                let user = scene.added(roomy, &new_user(&address(&operation.replace('_', "-")))).await;
                let path = format!("/v1/services/{roomy}/users/{user}");
                match operation {
                    "reactivate_user" => drop(scene.operator().post_nothing(&format!("{path}/suspend")).await.is(200)),
                    "erase_user" => drop(scene.operator().delete(&path).await.is(200)),
                    _ => {}
                }
                about(operation, &format!("{{ \"path.service\" = \"{roomy}\", \"path.user\" = \"{user}\" }}"));
            }
        }
        for name in ["changes", "changes-too", "signs-in"] {
            scene.added(roomy, &new_user(&address(name))).await;
        }
        Self { config, bodies: bodies(role, address) }
    }

    /// A service's document, with these bodies as examples, and none of an `Idempotency-Key`: whatever came after the first
    /// command under the one of the document would be refused for that alone.
    fn shown_in(&self, document: &Value) -> Value {
        let mut document = document.clone();
        let operations = document["paths"].as_object_mut().unwrap().values_mut();
        for operation in operations.flat_map(|methods| methods.as_object_mut().unwrap().values_mut()) {
            for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
                if parameter["name"] == "Idempotency-Key" {
                    parameter["schema"].as_object_mut().unwrap().remove("examples");
                }
            }
            let right = self.bodies.iter().find(|(id, _)| operation["operationId"] == *id);
            let Some((_, body)) = right else { continue };
            for content in operation["requestBody"]["content"].as_object_mut().unwrap().values_mut() {
                content["examples"] = json!({"right": {"value": body}});
            }
        }
        document
    }
}

/// Bodies that are right.
fn bodies(role: &str, address: impl Fn(&str) -> String) -> Vec<(&'static str, Value)> {
    let (new, plan) = ("Quill-Fjord-58-Moss", json!({"mailboxes": 10, "pool_bytes": 100 * MIB}));
    vec![
        ("add_user", new_user(&address("added"))),
        (
            "change_own_password",
            json!({"address": address("changes"), "current_password": PASSWORD, "new_password": new}),
        ),
        ("change_own_password_roundcube", json!({"user": address("changes-too"), "curpass": PASSWORD, "newpass": new})),
        ("edit_user", json!({"last_name": format!("Edited by {role}"), "password": new})),
        ("provision_service", json!({"domain": format!("by-{role}.example"), "customer": "acme", "plan": plan})),
        ("verify", json!({"address": address("signs-in"), "password": PASSWORD})),
    ]
}

/// The call of the tester, in a folder of its own.
async fn run(scene: &Scene, tester: &Path, service: &str, role: &str, there: Option<&There>, folder: &Path) -> Command {
    let api = if service == "command" { scene.stack.command() } else { scene.stack.projection() };
    let document = api.document().await.json();
    let (config, document) =
        there.map_or((String::new(), document.clone()), |there| (there.config.clone(), there.shown_in(document)));
    fs::write(folder.join("config.toml"), config).unwrap();
    fs::write(folder.join("openapi.json"), document.to_string()).unwrap();
    let mut command = Command::new("python3");
    command.arg(tester.join("bin/schemathesis")).env("PYTHONPATH", tester).current_dir(folder);
    command.args([
        "--config-file",
        "config.toml",
        "run",
        "openapi.json",
        "--url",
        &format!("http://{}", api.address()),
    ]);
    command.args(["--header", &format!("Authorization: Bearer {}", scene.stack.token(role))]);
    if role == "panel" {
        command.args(["--header", "Postkey-Customer: acme"]);
    }
    let asked = setting("EXAMPLES");
    let (examples, phases) = asked.as_ref().map_or(FEW, |examples| (examples, MANY));
    command.args(["--checks", CHECKS, "--phases", phases, "--max-examples", examples, "--continue-on-failure"]);
    command.args(["--seed", &setting("SEED").unwrap_or("1".to_owned()), "--workers", "1", "--request-timeout", "40"]);
    command
}

/// What runs behind each other found.
async fn findings(runs: Vec<(String, Command)>) -> Vec<String> {
    let mut found = Vec::new();
    for (named, mut run) in runs {
        let ended = tokio::task::spawn_blocking(move || run.output()).await.unwrap();
        let ended = ended.unwrap_or_else(|error| panic!("python3: {error}"));
        if !ended.status.success() {
            let said = [ended.stdout, ended.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
            found.push(format!("{named}:\n{}", said.concat()));
        }
    }
    found
}
