//! Starts that can't be: one line that says what to do, an exit code that is not zero, and nothing touched.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use stage::{Folder, PASSWORD, Running, Scene, Separate, Stack, in_own_mounts, listening, run, up};

/// `postkey up` on the folder must fail; the line that it says.
async fn refused(folder: &Folder) -> String {
    run(up(&folder.data(), &[])).await.failed_in_one_line()
}

/// A folder that was used and stopped in order, with Ann in it.
async fn used() -> Folder {
    Scene::set().await.stopped().await.folder
}

/// What a data folder holds, but for locks and what SQLite needs beside its files.
fn content(folder: &Folder) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder.data()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_file() && !name.ends_with(".lock") && !name.ends_with("-shm") {
            let bytes = fs::read(entry.path()).unwrap();
            if !(name.ends_with("-wal") && bytes.is_empty()) {
                files.push((name, bytes));
            }
        }
    }
    files.sort();
    files
}

#[tokio::test]
async fn a_missing_keyring_is_said_and_none_is_made_in_its_place() {
    let folder = used().await;
    let keyring = folder.bytes("keyring");
    fs::remove_file(folder.file("keyring")).unwrap();
    let before = content(&folder);
    let line = refused(&folder).await;
    assert!(line.contains("keyring") && line.contains("backup"), "{line}");
    assert_eq!(content(&folder), before);

    fs::write(folder.file("keyring"), keyring).unwrap();
    fs::set_permissions(folder.file("keyring"), Permissions::from_mode(0o600)).unwrap();
    Stack::up(&folder).await.login("ann@acme.example", PASSWORD).await.is(200);
}

#[tokio::test]
async fn a_keyring_that_is_not_ours_is_refused() {
    let (folder, other) = (used().await, used().await);
    fs::copy(other.file("keyring"), folder.file("keyring")).unwrap();
    let before = content(&folder);
    let line = refused(&folder).await;
    assert!(line.contains("keyring"), "{line}");
    assert_eq!(content(&folder), before);
}

#[tokio::test]
async fn a_key_store_that_is_missing_is_said_and_none_is_made_in_its_place() {
    let folder = used().await;
    folder.remove_database("keys.db");
    let before = content(&folder);
    let line = refused(&folder).await;
    assert!(line.contains("keys.db") && line.contains("restore"), "{line}");
    assert_eq!(content(&folder), before);
}

#[tokio::test]
async fn a_keyring_that_is_damaged_or_open_to_others_is_refused() {
    let folder = used().await;
    fs::set_permissions(folder.file("keyring"), Permissions::from_mode(0o644)).unwrap();
    let line = refused(&folder).await;
    assert!(line.contains("chmod 600"), "{line}");
    fs::set_permissions(folder.file("keyring"), Permissions::from_mode(0o600)).unwrap();
    fs::write(folder.file("keyring"), "{}").unwrap();
    let line = refused(&folder).await;
    assert!(line.contains("not a keyring"), "{line}");
}

#[tokio::test]
async fn a_folder_in_use_is_refused_and_its_user_is_not_disturbed() {
    let scene = Scene::set().await;
    for _ in 0..2 {
        let line = refused(&scene.folder).await;
        assert!(line.contains("in use") && line.contains("stop"), "{line}");
    }
    scene.ann_signs_in(PASSWORD).await.is(200);
    assert!(scene.folder.file("endpoints.json").exists(), "it still says where the first one listens");
    let scene = scene.restarted().await;
    scene.ann_signs_in(PASSWORD).await.is(200);
}

#[tokio::test]
async fn stores_have_one_command_service_and_one_projection_at_a_time() {
    let folder = Folder::new();
    let separate = Separate::init(&folder).await;
    let stack = separate.start().await;
    for second in [separate.command("http://127.0.0.1:1"), separate.projection("127.0.0.1:0")] {
        let line = second.finished().await.failed_in_one_line();
        assert!(line.contains("in use"), "{line}");
    }
    assert!(refused(&folder).await.contains("in use"));
    stack.stop().await;
    let up = Stack::up(&folder).await;
    let line = separate.command("http://127.0.0.1:1").finished().await.failed_in_one_line();
    assert!(line.contains("in use"), "{line}");
    up.stop().await;
    let mut again = separate.projection("127.0.0.1:0");
    listening(&mut again).await;
    again.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_said_with_its_address() {
    let scene = Scene::set().await;
    let folder = Folder::new();
    let taken = scene.stack.command().address();
    let (_, port) = taken.split_once(':').unwrap();
    for option in ["--panel-listen", "--command-listen", "--projection-listen"] {
        let mut command = stage::postkey(["up", "--data", folder.data().to_str().unwrap()]);
        let others = stage::FREE_PORTS.chunks(2).filter(|other| other[0] != option);
        command.args(others.flatten()).args([option, taken]);
        let line = run(command).await.failed_in_one_line();
        assert!(line.contains(port) && line.contains("in use") && line.contains(option), "{line}");
    }
}

#[tokio::test]
async fn other_addresses_than_loopback_need_a_word_of_consent() {
    let folder = Folder::new();
    let mut command = stage::postkey(["up", "--data", folder.data().to_str().unwrap()]);
    command.args(stage::FREE_PORTS.map(|argument| if argument == "127.0.0.1:0" { "0.0.0.0:0" } else { argument }));
    let line = run(command).await.failed_in_one_line();
    assert!(line.contains("--insecure-listen"), "{line}");
}

/// `postkey up` on `data`, where nobody may write to the folder: it is mounted read-only in a namespace of the process's own.
fn up_on_read_only(folder: &Folder, data: &Path) -> Command {
    let script = r#"mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@""#;
    in_own_mounts(script, &[folder.data().as_os_str()], &up(data, &[]))
}

#[tokio::test]
async fn a_folder_that_may_only_be_read_is_refused() {
    let folder = used().await;
    let before = content(&folder);
    let line = run(up_on_read_only(&folder, &folder.data())).await.failed_in_one_line();
    assert!(line.contains(folder.data().to_str().unwrap()), "{line}");
    assert!(line.contains("writable") || line.to_lowercase().contains("read-only"), "{line}");
    assert_eq!(content(&folder), before);
    Stack::up(&folder).await.login("ann@acme.example", PASSWORD).await.is(200);
}

#[tokio::test]
async fn a_folder_that_may_not_be_made_is_said_with_its_path() {
    let folder = used().await;
    let nowhere = folder.file("deeper");
    let line = run(up_on_read_only(&folder, &nowhere)).await.failed_in_one_line();
    assert!(line.contains(nowhere.to_str().unwrap()), "{line}");
}

#[tokio::test]
async fn a_file_in_the_place_of_the_folder_is_said_with_its_path() {
    let folder = Folder::new();
    fs::write(folder.data(), "not a folder").unwrap();
    let line = refused(&folder).await;
    assert!(line.contains(folder.data().to_str().unwrap()), "{line}");
    assert_eq!(fs::read(folder.data()).unwrap(), b"not a folder");
}

#[tokio::test]
async fn stores_that_are_no_stores_are_refused_and_not_touched() {
    for (name, said) in [("log.db", "log.db"), ("keys.db", "keys.db"), ("read-model.db", "postkey rebuild")] {
        let folder = used().await;
        fs::write(folder.file(name), "this is a shopping list\n".repeat(1_000)).unwrap();
        let before = content(&folder);
        let line = refused(&folder).await;
        assert!(line.contains(said), "{line}");
        assert_eq!(content(&folder), before);
    }
}

#[tokio::test]
async fn a_clients_file_that_is_none_is_refused_at_the_start_and_kept_out_while_running() {
    let folder = used().await;
    let good = folder.bytes("clients.json");
    fs::write(folder.file("clients.json"), "{").unwrap();
    let line = refused(&folder).await;
    assert!(line.contains("clients.json"), "{line}");
    fs::write(folder.file("clients.json"), &good).unwrap();

    let stack = Stack::up(&folder).await;
    fs::write(folder.file("clients.json.test"), "{").unwrap();
    fs::rename(folder.file("clients.json.test"), folder.file("clients.json")).unwrap();
    for service in [stack.command(), stack.projection()] {
        stage::until("health is red", async || (service.get("/readyz").await.status == 503).then_some(())).await;
    }
    stack.login("ann@acme.example", PASSWORD).await.is(200);
    fs::write(folder.file("clients.json.test"), &good).unwrap();
    fs::rename(folder.file("clients.json.test"), folder.file("clients.json")).unwrap();
    stack.ready().await;
}

#[tokio::test]
async fn separate_services_say_which_file_is_missing() {
    let folder = Folder::new();
    let separate = Separate::init(&folder).await;
    for name in ["keyring", "clients.json", "tokens/service.token"] {
        let away = folder.file(format!("{name}.away"));
        fs::rename(folder.file(name), &away).unwrap();
        let line = separate.command("http://127.0.0.1:1").finished().await.failed_in_one_line();
        assert!(line.contains(name), "{line}");
        fs::rename(&away, folder.file(name)).unwrap();
    }
    let mut command: Running = separate.command("http://127.0.0.1:1");
    listening(&mut command).await;
    command.stop().await;
}
