//! A disk that is full: commands are refused with a reason, health is red, nothing that was answered is lost; and once
//! there is space, all is well by itself.
//!
//! The disk is a small tmpfs in a mount namespace of the process's own, seen from here through `/proc`.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use stage::{Api, Folder, MIB, PASSWORD, Running, Stack, in_own_mounts, new_user, until, up};

/// `postkey up` on a disk of its own.
struct SmallDisk {
    stack: Stack,
    /// The data folder as it is seen from here.
    seen: PathBuf,
    folder: Folder,
}

/// `postkey up` on `data`, which lies on a disk of this size, mounted at `disk`.
fn up_on_small_disk(disk: &Path, data: &Path, size: &str) -> Command {
    let script = r#"mount -t tmpfs -o "size=$1" postkey-test "$2" && shift 2 && exec "$@""#;
    in_own_mounts(script, &[OsStr::new(size), disk.as_os_str()], &up(data, &[]))
}

impl SmallDisk {
    async fn up() -> Self {
        let folder = Folder::new();
        let disk = folder.beside("disk");
        fs::create_dir(&disk).unwrap();
        let data = disk.join("data");
        let command = up_on_small_disk(&disk, &data, "16m");
        let process = Running::start(command, &folder.beside("."));
        let root = PathBuf::from(format!("/proc/{}/root", process.pid()));
        let seen = root.join(data.strip_prefix("/").unwrap());
        let started = Stack::started(process, &seen).await;
        let stack = started.unwrap_or_else(|finished| {
            panic!("this test needs unshare(1) of util-linux and the right to mount: {finished:#?}")
        });
        stack.ready().await;
        Self { stack, seen, folder }
    }

    fn filler(&self) -> PathBuf {
        self.seen.parent().unwrap().join("filler")
    }

    /// Fills the disk to the last byte.
    fn fill(&self) {
        let mut file = File::options().append(true).create(true).open(self.filler()).unwrap();
        for chunk in [vec![0; 65_536], vec![0; 512], vec![0; 1]] {
            loop {
                match file.write(&chunk) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    /// Stops, and starts again on a copy of the folder on a disk with space.
    async fn moved(self) -> (Stack, Folder) {
        let Self { mut stack, seen, folder } = self;
        // The disk goes with the last process that sees it.
        let disk = File::open(seen.parent().unwrap()).unwrap();
        stack.stop_all().await;
        let kept = std::os::fd::AsRawFd::as_raw_fd(&disk);
        copy(&PathBuf::from(format!("/proc/self/fd/{kept}/data")), &folder.data());
        drop(disk);
        (Stack::up(&folder).await, folder)
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Acme with Ann; the path of its users, and of Ann.
async fn acme(operator: &Api) -> (String, String) {
    let plan = json!({"mailboxes": 500, "pool_bytes": 1000 * MIB});
    let provision = json!({"domain": "acme.example", "customer": "acme", "plan": plan});
    let service = operator.post("/v1/services", &provision).await.receipt(201, &["ServiceProvisioned"]);
    let users = format!("/v1/services/{}/users", service["service"].as_str().unwrap());
    let added = operator.post(&users, &new_user("ann@acme.example")).await;
    let added = added.receipt(201, &["UserAdded", "PasswordChanged"]);
    (users.clone(), format!("{users}/{}", added["user"].as_str().unwrap()))
}

#[tokio::test]
async fn a_full_disk_refuses_changes_loses_nothing_and_is_over_when_there_is_space() {
    let disk = SmallDisk::up().await;
    let operator = disk.stack.commands_as("operator").with("prefer", "wait=0");
    let (users, ann) = acme(&operator.with("prefer", "wait=30")).await;
    disk.fill();

    let (name, refused_edit) = edits_until_refused(&operator, &ann).await;
    let password = json!({"password": "Tundra-58-quiver"});
    let change = operator.with("idempotency-key", "password");
    let refused = change.put(&format!("{ann}/password"), &password).await;
    assert_eq!(refused.header("idempotency-key"), "password", "so that it can be asked for again");
    is_unavailable(refused);
    is_unavailable(operator.post(&users, &new_user("bob@acme.example")).await);
    until("health is red", async || {
        // A change that is tried keeps the reason fresh.
        is_unavailable(operator.put(&format!("{ann}/password"), &password).await);
        let health = disk.stack.command().get("/readyz").await;
        (health.status == 503 && health.text.contains("disk")).then_some(())
    })
    .await;
    assert_eq!(disk.stack.command().get("/healthz").await.status, 200, "nobody but the disk has to be looked after");
    let old = disk.stack.login("ann@acme.example", PASSWORD).await;
    assert!(matches!(old.status, 200 | 503), "nothing was changed, and nothing is made up: {old:?}");
    let new = disk.stack.login("ann@acme.example", "Tundra-58-quiver").await;
    assert!(matches!(new.status, 401 | 503), "{new:?}");

    disk.free();
    disk.stack.ready().await;
    disk.stack.caught_up().await;
    let again = operator.with("idempotency-key", &refused_edit).with("prefer", "wait=30");
    let edit = again.patch(&ann, &json!({"last_name": refused_edit})).await.receipt(200, &["UserEdited"]);
    assert_eq!(edit["effective"], true);
    let change = change.with("prefer", "wait=30").put(&format!("{ann}/password"), &password).await;
    change.receipt(200, &["PasswordChanged"]);
    let shown = the_user(&disk.stack, &ann).await;
    assert_eq!((&shown["first_name"], &shown["last_name"]), (&json!(name), &json!(refused_edit)));
    let head = disk.stack.head().await;

    let (stack, _folder) = disk.moved().await;
    assert_eq!(the_user(&stack, &ann).await, shown);
    stack.login("ann@acme.example", "Tundra-58-quiver").await.is(200);
    stack.login("ann@acme.example", PASSWORD).await.problem(401, "invalid_credentials");
    assert_eq!(stack.head().await, head);
}

#[tokio::test]
async fn a_kill_on_a_full_disk_loses_nothing_that_was_answered() {
    let disk = SmallDisk::up().await;
    let operator = disk.stack.commands_as("operator").with("prefer", "wait=0");
    let (_, ann) = acme(&operator.with("prefer", "wait=30")).await;
    disk.fill();
    let (name, refused_edit) = edits_until_refused(&operator, &ann).await;
    let SmallDisk { mut stack, seen, folder } = disk;
    let kept = File::open(seen.parent().unwrap()).unwrap();
    stack.processes().iter_mut().for_each(Running::kill);
    let kept_path = format!("/proc/self/fd/{}/data", std::os::fd::AsRawFd::as_raw_fd(&kept));
    copy(&PathBuf::from(kept_path), &folder.data());
    let stack = Stack::up(&folder).await;
    let shown = the_user(&stack, &ann).await;
    assert_eq!(shown["first_name"], json!(name));
    let again = stack.commands_as("operator").with("idempotency-key", &refused_edit);
    again.patch(&ann, &json!({"last_name": refused_edit})).await.receipt(200, &["UserEdited"]);
    stack.login("ann@acme.example", PASSWORD).await.is(200);
}

#[tokio::test]
async fn a_start_on_a_disk_that_is_too_small_says_so_in_one_line() {
    for size in ["4k", "16k", "32k", "48k", "64k", "96k", "112k", "128k"] {
        let folder = Folder::new();
        let disk = folder.beside("disk");
        fs::create_dir(&disk).unwrap();
        let line = stage::run(up_on_small_disk(&disk, &disk.join("data"), size)).await.failed_in_one_line();
        assert!(line.contains("full") || line.contains("No space left"), "on {size}: {line}");
    }
}

/// Edits Ann's names until a change is refused; the first name that was answered last, and the key of what was refused.
async fn edits_until_refused(operator: &Api, ann: &str) -> (String, String) {
    let mut name = "Ann".to_owned();
    for number in 0..5_000 {
        let next = format!("Ann {number}");
        let answer = operator.patch(ann, &json!({"first_name": next})).await;
        if matches!(answer.status, 200 | 202) {
            name = next;
            continue;
        }
        is_unavailable(answer);
        let key = format!("Lee-{number}");
        let edit = json!({"last_name": key});
        is_unavailable(operator.with("idempotency-key", &key).patch(ann, &edit).await);
        return (name, key);
    }
    panic!("the disk is never full");
}

#[track_caller]
fn is_unavailable(answer: stage::Answer) {
    let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
    let code = if code == "keys_unavailable" { "keys_unavailable" } else { "log_unavailable" };
    answer.problem(503, code);
}

async fn the_user(stack: &Stack, user: &str) -> Value {
    stack.queries_as("operator").get(user).await.is(200)
}
