//! Who may read what lies in the folder: its owner, and nobody else.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use stage::{Folder, Scene, Separate};

/// Everything in a folder, and the folder itself.
fn all(folder: &Path) -> Vec<PathBuf> {
    let mut paths = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { paths.extend(all(&path)) } else { paths.push(path) }
    }
    paths
}

fn only_the_owner_may_read(folder: &Folder) -> usize {
    let paths = all(&folder.data());
    for path in &paths {
        let metadata = fs::metadata(path).unwrap();
        let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o7777, expected, "{}", path.display());
    }
    paths.len()
}

#[tokio::test]
async fn a_folder_and_all_in_it_is_its_owners_alone() {
    let scene = Scene::set().await;
    // log.db keys.db read-model.db activity.db keyring clients.json endpoints.json, ledger/ with two, and a checkpoint soon, and tokens/ with five
    assert!(only_the_owner_may_read(&scene.folder) >= 1 + 7 + 3 + 6);
    let stopped = scene.stopped().await;
    only_the_owner_may_read(&stopped.folder);
    for role in ["operator", "panel", "webmail", "auditor", "service"] {
        assert!(stopped.folder.file(format!("tokens/{role}.token")).is_file());
    }
}

#[tokio::test]
async fn a_folder_of_separate_services_is_its_owners_alone() {
    let folder = Folder::new();
    let stack = Separate::init(&folder).await.start().await;
    only_the_owner_may_read(&folder);
    stack.stop().await;
    only_the_owner_may_read(&folder);
}

#[tokio::test]
async fn an_empty_folder_that_others_may_read_is_closed_before_anything_is_put_in_it() {
    let folder = Folder::new();
    fs::create_dir(folder.data()).unwrap();
    fs::set_permissions(folder.data(), Permissions::from_mode(0o755)).unwrap();
    let scene = Scene::on(stage::Stack::up(&folder).await, folder).await;
    only_the_owner_may_read(&scene.folder);
}
