//! What an auditor takes home: exports of the log, or of a part of it, and proofs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use ledger::{Checkpoint, Frontier, Hash, NoteKey, leaf_hash, sign, verify_inclusion};
use serde_json::{Value, json};
use stage::{Scene, new_user, postkey, run, until};

/// Two services; Ann has another name, and Zoe was erased.
struct Told {
    scene: Scene,
    /// The log's tree, as its checkpoint has it.
    tree: Frontier,
    checkpoint: PathBuf,
}

/// The lines of an export.
struct Export {
    header: Value,
    entries: Vec<Value>,
    end: Value,
}

impl Export {
    fn of(text: &str) -> Self {
        let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (header, end) = (lines.remove(0), lines.pop().unwrap());
        Self { header, entries: lines, end }
    }

    fn positions(&self) -> Vec<u64> {
        self.entries.iter().map(|entry| entry["position"].as_u64().unwrap()).collect()
    }

    fn events(&self) -> Vec<Value> {
        self.entries.iter().flat_map(|entry| entry["events"].as_array().unwrap()).cloned().collect()
    }
}

fn leaf(entry: &Value) -> Hash {
    leaf_hash(entry["entry"].as_str().unwrap().as_bytes())
}

/// Checks that an entry's proof leads to the root.
fn is_proved(entry: &Value, tree: &Frontier) -> bool {
    let hashes = entry["proof"].as_array().unwrap();
    let proof: Vec<_> = hashes.iter().map(|hash| Hash::from_base64(hash.as_str().unwrap()).unwrap()).collect();
    let index = entry["position"].as_u64().unwrap() - 1;
    verify_inclusion(leaf(entry), index, tree.size(), tree.root(), &proof).is_ok()
}

impl Told {
    async fn set() -> Self {
        let scene = Scene::set().await;
        let operator = scene.operator().with("postkey-reason", "she%20married").with("postkey-origin", "192.0.2.7");
        operator.patch(&scene.ann(), &json!({"last_name": "Marlowe"})).await.receipt(200, &["UserEdited"]);
        let zoe = scene.added(&scene.service, &new_user("zoe@acme.example")).await;
        let other = scene.provisioned("other.example", "other", 3, 100 << 20).await;
        scene.added(&other, &new_user("bob@other.example")).await;
        let operator = scene.operator().with("prefer", "wait=30");
        operator.delete(&scene.user(&zoe)).await.receipt(200, &["UserRemoved"]);
        operator.post_nothing(&format!("{}/erase", scene.user(&zoe))).await.receipt(200, &["UserErased"]);
        let checkpoint = scene.folder.beside("checkpoint");
        let mut told = Self { scene, tree: Frontier::default(), checkpoint };
        let mut command = told.scene.audit_without_keys("export");
        command.args(["--out", "-"]);
        for entry in Export::of(&run(command).await.worked().stdout).entries {
            told.tree.push(leaf(&entry));
        }
        told.signs(told.tree.size(), told.tree.root());
        told
    }

    /// Signs a checkpoint, true or not.
    fn signs(&self, size: u64, root: Hash) {
        let key = fs::read_to_string(self.scene.folder.file("ledger/key")).unwrap();
        let key = NoteKey::from_private_text(key.trim()).unwrap();
        let checkpoint = Checkpoint { origin: key.name().to_owned(), size, root };
        fs::write(&self.checkpoint, sign(&checkpoint, &[&key])).unwrap();
    }

    fn asks(&self, arguments: &[&str]) -> Command {
        let mut command = self.scene.audit(arguments[0]);
        command.args(&arguments[1..]).arg("--checkpoint").arg(&self.checkpoint);
        command.arg("--public-key").arg(self.scene.folder.file("ledger/public-key"));
        command
    }

    async fn export(&self, arguments: &[&str]) -> Export {
        let arguments = [&["export", "--out", "-"], arguments].concat();
        Export::of(&run(self.asks(&arguments)).await.worked().stdout)
    }
}

#[tokio::test]
async fn all_of_the_log_is_exported_under_its_checkpoint_and_says_what_the_api_says() {
    let told = Told::set().await;
    let export = told.export(&[]).await;
    let size = told.tree.size();
    assert_eq!(export.positions(), (1..=size).collect::<Vec<_>>());
    assert_eq!((&export.header["scope"], &export.header["personal"]), (&json!("all"), &json!("shown")));
    assert_eq!(export.header["to"], json!(size));
    assert_eq!(export.header["checkpoint"], fs::read_to_string(&told.checkpoint).unwrap());
    assert_eq!((&export.end["end"], &export.end["entries"]), (&json!(true), &json!(size)));
    assert!(export.entries.iter().all(|entry| entry.get("proof").is_none()), "the whole proves itself");
    // The panel's API tells the same of its own service, but for whence and why.
    let queries = told.scene.stack.queries_as("panel").with("postkey-customer", "acme");
    let said = queries.get("/v1/audit/events?limit=500").await.is(200);
    let mut events = export.events();
    assert!(events.iter().any(|event| event["origin"] == "192.0.2.7" && event["reason"] == "she married"));
    events.retain(|event| event["service"] == told.scene.service.as_str());
    for event in &mut events {
        let event = event.as_object_mut().unwrap();
        event.remove("origin");
        event.remove("reason");
    }
    assert_eq!(json!(events), said["events"]);
}

#[tokio::test]
async fn a_part_of_the_log_is_exported_with_a_proof_for_each_entry() {
    let told = Told::set().await;
    let service = told.export(&["--service", "acme.example"]).await;
    let ann = told.export(&["--user", "ann@acme.example"]).await;
    assert_eq!(service.header["scope"], json!({"service": told.scene.service}));
    assert_eq!(ann.header["scope"], json!({"service": told.scene.service, "user": told.scene.ann}));
    assert_eq!((service.entries.len(), ann.entries.len()), (6, 2));
    for entry in service.entries.iter().chain(&ann.entries) {
        assert!(is_proved(entry, &told.tree), "{entry}");
    }
    assert!(ann.events().iter().all(|event| event["user"] == told.scene.ann.as_str()));
    // What came after the checkpoint is told, and not proved.
    told.scene.operator().patch(&told.scene.ann(), &json!({"first_name": "A"})).await.receipt(200, &["UserEdited"]);
    let later = told.export(&["--service", &told.scene.service]).await;
    assert_eq!(later.entries.len(), 7);
    assert!(later.entries[..6].iter().all(|entry| is_proved(entry, &told.tree)));
    assert_eq!(later.entries[6].get("proof"), None);
}

#[tokio::test]
async fn a_redacted_export_names_nobody_and_holds_the_same_bytes() {
    let told = Told::set().await;
    let (whole, redacted) = (told.export(&[]).await, told.export(&["--redacted"]).await);
    assert_eq!(redacted.header["personal"], "redacted");
    let bytes = |export: &Export| -> Vec<Value> { export.entries.iter().map(|entry| entry["entry"].clone()).collect() };
    assert_eq!(bytes(&whole), bytes(&redacted));
    for format in ["jsonl", "csv"] {
        let arguments = ["export", "--redacted", "--format", format, "--user", "ann@acme.example", "--out", "-"];
        let text = run(told.asks(&arguments)).await.worked().stdout;
        for personal in ["ann@", "Marlowe", "192.0.2.7", "married", "argon2"] {
            assert!(!text.contains(personal), "{personal} in {format}: {text}");
        }
        assert!(text.contains("UserEdited"));
    }
    let text = json!(whole.events()).to_string();
    assert!(text.contains("Marlowe") && !text.contains("zoe@") && !text.contains("argon2"), "{text}");
}

#[tokio::test]
async fn an_export_is_a_whole_file_or_none_and_takes_no_others_place() {
    let told = Told::set().await;
    let folder = told.scene.folder.beside("exports");
    fs::create_dir(&folder).unwrap();
    let path = folder.join("acme.csv");
    let out = path.to_str().unwrap();
    let arguments = ["export", "--format", "csv", "--service", "acme.example", "--out", out];
    let said = run(told.asks(&arguments)).await.worked().stdout;
    assert!(said.contains("6 entries"), "{said}");
    let first = fs::read_to_string(&path).unwrap();
    assert!(first.starts_with("kind,position,at,type,"), "{first}");
    assert!(first.lines().last().unwrap().starts_with("end,"), "{first}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let refused = run(told.asks(&arguments)).await;
    assert_eq!(refused.code, Some(2));
    assert!(refused.failed_in_one_line().contains("--force"));
    run(told.asks(&[&arguments[..], &["--force", "--redacted"]].concat())).await.worked();
    let second = fs::read_to_string(&path).unwrap();
    assert!(!second.contains("Marlowe") && first.contains("Marlowe"));
    // A checkpoint of another tree, and one of entries that are gone: neither leaves a file.
    let another = folder.join("another.jsonl");
    let another = another.to_str().unwrap();
    for (size, root) in [(told.tree.size(), leaf_hash(b"fork")), (told.tree.size() + 1, told.tree.root())] {
        told.signs(size, root);
        for scope in [&[][..], &["--service", "acme.example"]] {
            let failed = run(told.asks(&[&["export", "--out", another], scope].concat())).await;
            assert_eq!(failed.code, Some(1), "{failed:#?}");
            assert!(failed.failed_in_one_line().contains("audit verify"));
        }
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left");
}

/// Verified where there is only the binary, the export and the public key.
async fn is_sound_elsewhere(told: &Told, export: &str) {
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("export"), export).unwrap();
    fs::copy(told.scene.folder.file("ledger/public-key"), elsewhere.path().join("public-key")).unwrap();
    let mut command = postkey(["audit", "verify", "--export", "export", "--public-key", "public-key", "--json"]);
    command.current_dir(elsewhere.path());
    let verified = run(command).await.worked();
    let report: Value = serde_json::from_str(verified.stdout.trim()).unwrap();
    assert_eq!(report["sound"], true, "{report}");
}

#[tokio::test]
async fn every_export_verifies_by_itself_on_another_machine() {
    let told = Told::set().await;
    let tree = told.tree.size().to_string();
    for asked in [
        &["export", "--out", "-"][..],
        &["export", "--out", "-", "--redacted", "--format", "csv"],
        &["export", "--out", "-", "--service", "acme.example", "--format", "csv"],
        &["export", "--out", "-", "--service", "acme.example", "--redacted"],
        &["export", "--out", "-", "--user", "ann@acme.example"],
        &["prove", "1"],
        &["prove", "2"],
        &["prove", "4", "--redacted"],
        &["prove", &tree],
    ] {
        let export = run(told.asks(asked)).await.worked().stdout;
        is_sound_elsewhere(&told, &export).await;
    }
}

#[tokio::test]
async fn one_entry_is_proved_by_itself() {
    let told = Told::set().await;
    for position in [1, 2, 4, told.tree.size()] {
        let proved = run(told.asks(&["prove", &position.to_string()])).await.worked().stdout;
        let export = Export::of(&proved);
        assert_eq!(export.positions(), [position]);
        assert!(is_proved(&export.entries[0], &told.tree), "{proved}");
    }
    for beyond in ["0", "1000"] {
        let refused = run(told.asks(&["prove", beyond])).await;
        assert_eq!(refused.code, Some(2), "{refused:#?}");
    }
}

#[tokio::test]
async fn whoever_has_only_the_public_key_of_before_verifies_what_the_next_one_signed() {
    let scene = Scene::set().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let path = |name: &str| elsewhere.path().join(name).to_str().unwrap().to_owned();
    fs::copy(scene.folder.file("ledger/public-key"), path("old-key")).unwrap();
    let auditor = scene.stack.queries_as("auditor");
    let signatures = async || {
        let note = auditor.get("/ledger/checkpoint").await.text;
        note.lines().filter(|line| line.starts_with("— ")).count()
    };
    until("there is a checkpoint", async || (signatures().await == 1).then_some(())).await;
    let key = scene.folder.file("ledger/key");
    run(postkey(["keys", "rotate", "--ledger-key-file", key.to_str().unwrap()])).await.worked();
    until("one carries both signatures", async || (signatures().await == 2).then_some(())).await;
    scene.operator().patch(&scene.ann(), &json!({"first_name": "Anna"})).await.receipt(200, &["UserEdited"]);
    until("the next one carries one", async || (signatures().await == 1).then_some(())).await;

    fs::write(path("token"), scene.stack.token("auditor")).unwrap();
    let mut command = scene.audit("export");
    command.args(["--service", "acme.example", "--out", &path("export"), "--token-file", &path("token")]);
    command.args(["--checkpoint", &format!("http://{}/ledger/checkpoint", scene.stack.projection().address())]);
    command.args(["--public-key", &path("old-key")]);
    run(command).await.worked();
    let verify = async |key: &str| {
        let arguments = ["audit", "verify", "--export", &path("export"), "--public-key", &path(key)];
        run(postkey(arguments)).await
    };
    verify("old-key").await.worked();
    // The log itself too: by the key store, and, where nobody has that, by what the projection tells of the replacement.
    let url = format!("http://{}/ledger/checkpoint", scene.stack.projection().address());
    let (token, old) = (path("token"), path("old-key"));
    let asked = ["--checkpoint", &url, "--token-file", &token, "--public-key", &old];
    for mut command in [scene.audit("verify"), scene.audit_without_keys("verify")] {
        command.args(asked);
        run(command).await.worked();
    }
    let new = NoteKey::from_private_text(fs::read_to_string(&key).unwrap().lines().next().unwrap()).unwrap();
    fs::write(path("new-key"), new.public_text()).unwrap();
    verify("new-key").await.worked();
    run(postkey(["init", &path("other")])).await.worked();
    assert_eq!(verify("other/ledger/public-key").await.code, Some(1));
}
