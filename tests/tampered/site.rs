//! A folder with a history, stopped, and whoever has got hold of its files.

use std::fs;

use ledger::{Checkpoint, Frontier, NoteKey, leaf_hash, sign};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};
use stage::{Finished, Folder, MIB, Scene, new_user, postkey, run, until};

/// Acme with Ann and Bob, and another service with Eve, whose entries stand between theirs.
pub struct Site {
    pub folder: Folder,
    pub acme: String,
    pub ann: String,
    pub bob: String,
}

/// An entry as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub position: i64,
    pub subject: String,
    pub bytes: Vec<u8>,
}

impl Site {
    /// With a checkpoint of the whole log.
    pub async fn new() -> Self {
        Self::with(async |_, _| {}).await
    }

    /// The same, where something happens before it is stopped.
    pub async fn with(more: impl AsyncFnOnce(&Scene, &str)) -> Self {
        let scene = Scene::set().await;
        let other = scene.provisioned("other.example", "acme", 10, 100 * MIB).await;
        let eve = scene.added(&other, &new_user("eve@other.example")).await;
        let bob = scene.added(&scene.service, &new_user("bob@acme.example")).await;
        let edit = json!({"first_name": "Bobby", "quota_bytes": 11 * MIB});
        scene.operator().patch(&scene.user(&bob), &edit).await.receipt(200, &["UserEdited"]);
        let password = json!({"password": "Tundra-58-quiver"});
        scene.operator().put(&format!("{}/password", scene.ann()), &password).await.receipt(200, &["PasswordChanged"]);
        let suspend = format!("/v1/services/{other}/users/{eve}/suspend");
        scene.operator().post(&suspend, &json!({})).await.receipt(200, &["UserSuspended"]);
        let edit = json!({"last_name": "Leigh"});
        scene.operator().patch(&scene.ann(), &edit).await.receipt(200, &["UserEdited"]);
        more(&scene, &bob).await;
        let (acme, ann) = (scene.service.clone(), scene.ann.clone());
        let site = Self { folder: scene.stopped().await.folder, acme, ann, bob };
        let head = site.entries().await.len();
        site.sign(head).await;
        site
    }

    /// All entries.
    pub async fn entries(&self) -> Vec<Entry> {
        entries(&self.folder).await
    }

    /// The position of the last entry about a user.
    pub async fn last(&self, user: &str) -> usize {
        let about = format!("\"user\":\"{user}\"");
        let entries = self.entries().await;
        entries.iter().rposition(|entry| String::from_utf8_lossy(&entry.bytes).contains(&about)).unwrap() + 1
    }

    /// Somebody with write access to a file of the folder.
    pub async fn sql(&self, name: &str, statements: &str) -> u64 {
        let mut file = open(&self.folder, name).await;
        let done = sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut file).await.unwrap();
        file.close().await.unwrap();
        done.rows_affected()
    }

    /// Somebody writes these entries in the place of all others.
    pub async fn write(&self, entries: &[Entry]) {
        let mut file = open(&self.folder, "log.db").await;
        let held_off = "DROP TRIGGER IF EXISTS entry_follows_the_last; DROP TRIGGER IF EXISTS entry_is_never_changed; \
                        DROP TRIGGER IF EXISTS entry_is_never_deleted; DELETE FROM entry";
        sqlx::raw_sql(held_off).execute(&mut file).await.unwrap();
        for entry in entries {
            let insert = sqlx::query("INSERT INTO entry (position, subject, bytes) VALUES ($1, $2, $3)");
            let insert = insert.bind(entry.position).bind(&entry.subject).bind(&entry.bytes);
            insert.execute(&mut file).await.unwrap();
        }
        file.close().await.unwrap();
    }

    /// The key that the folder's checkpoints are signed with.
    pub fn key(&self) -> NoteKey {
        key(&self.folder)
    }

    /// The checkpoint of the first entries.
    pub async fn checkpoint(&self, size: usize) -> Checkpoint {
        checkpoint(&self.key(), &self.entries().await[..size])
    }

    /// Puts the checkpoint of the first entries in its place.
    pub async fn sign(&self, size: usize) {
        let note = sign(&self.checkpoint(size).await, &[&self.key()]);
        let stored =
            "INSERT INTO checkpoint (one, note) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET note = excluded.note";
        let mut file = open(&self.folder, "keys.db").await;
        sqlx::query(stored).bind(&note).execute(&mut file).await.unwrap();
        file.close().await.unwrap();
        fs::write(self.folder.file("ledger/checkpoint"), note).unwrap();
    }

    /// Where the checkpoint's pin lies.
    pub fn pin(&self) -> String {
        self.folder.beside("pin").to_str().unwrap().to_owned()
    }

    /// `postkey audit verify` on the folder, with all that is in it.
    pub async fn verified(&self, more: &[&str]) -> Finished {
        let data = self.folder.data();
        run(postkey(
            ["audit", "verify", "--json", "--data", data.to_str().unwrap()].into_iter().chain(more.iter().copied()),
        ))
        .await
    }

    /// The same by somebody who has no keys: only log, checkpoint and public key.
    pub async fn verified_without_keys(&self, more: &[&str]) -> Finished {
        let path = |name: &str| self.folder.file(name).to_str().unwrap().to_owned();
        let (log, checkpoint, key) =
            (format!("sqlite:{}", path("log.db")), path("ledger/checkpoint"), path("ledger/public-key"));
        let own = ["audit", "verify", "--json", "--log", &log, "--checkpoint", &checkpoint, "--public-key", &key];
        run(postkey(own.into_iter().chain(more.iter().copied()))).await
    }
}

async fn open(folder: &Folder, name: &str) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(folder.file(name));
    SqliteConnection::connect_with(&options).await.unwrap()
}

async fn entries(folder: &Folder) -> Vec<Entry> {
    let mut log = open(folder, "log.db").await;
    let rows = sqlx::query("SELECT position, subject, bytes FROM entry ORDER BY position").fetch_all(&mut log).await;
    log.close().await.unwrap();
    let entry = |row: &SqliteRow| Entry { position: row.get(0), subject: row.get(1), bytes: row.get(2) };
    rows.unwrap().iter().map(entry).collect()
}

/// The key that a folder's checkpoints are signed with.
pub fn key(folder: &Folder) -> NoteKey {
    let text = fs::read_to_string(folder.file("ledger/key")).unwrap();
    NoteKey::from_private_text(text.trim()).unwrap()
}

fn checkpoint(key: &NoteKey, entries: &[Entry]) -> Checkpoint {
    let mut frontier = Frontier::default();
    entries.iter().for_each(|entry| frontier.push(leaf_hash(&entry.bytes)));
    Checkpoint { origin: key.name().to_owned(), size: frontier.size(), root: frontier.root() }
}

/// Waits until what stands in a folder that is served is signed; how many entries that are.
pub async fn signed(folder: &Folder) -> usize {
    let entries = entries(folder).await.len();
    let size = || fs::read_to_string(folder.file("ledger/checkpoint")).ok()?.lines().nth(1)?.parse::<usize>().ok();
    until("what stands there is signed", async || size().filter(|size| *size >= entries)).await;
    entries
}

/// Expects a sound one; what it says.
#[track_caller]
pub fn sound(finished: Finished) -> Value {
    let finished = finished.worked();
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&report["sound"], &report["findings"]), (&json!(true), &json!([])), "{report}");
    report
}

/// Expects that something of this kind was found at a position; what it says.
#[track_caller]
pub fn found(finished: Finished, kind: &str, position: usize) -> Value {
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert!(finished.stderr.contains("tampered"), "{finished:#?}");
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(report["sound"], false, "{report}");
    let findings = report["findings"].as_array().unwrap();
    assert!(
        findings.iter().any(|finding| finding["kind"] == kind && finding["position"] == position),
        "{kind} at {position}: {report:#}"
    );
    report
}

/// How many findings there are.
pub fn count(report: &Value) -> usize {
    report["findings"].as_array().unwrap().len()
}
