//! The first start, interrupted.

use std::fs;
use std::time::Duration;

use stage::{Folder, Random, Running, Scene, Stack, postkey, run, up};

#[tokio::test]
async fn a_first_start_that_is_killed_at_any_moment_is_finished_by_the_next() {
    let mut random = Random::seeded();
    for _ in 0..20 {
        let folder = Folder::new();
        let mut process = Running::start(up(&folder.data(), &[]), &folder.beside("."));
        let moment = Duration::from_micros(random.of(500..120_000));
        // Not a wait for anything: the moment at which the power goes.
        tokio::time::sleep(moment).await;
        assert_eq!(process.ended(), None, "it ended by itself: {}", process.stderr());
        process.kill();
        let scene = Scene::on(Stack::up(&folder).await, folder).await;
        scene.ann_signs_in(stage::PASSWORD).await.is(200);
        assert_eq!(scene.stack.head().await, 3, "a log begins once");
    }
}

#[tokio::test]
async fn what_a_killed_first_start_has_left_under_temporary_names_is_no_obstacle() {
    let folder = Folder::new();
    fs::create_dir(folder.data()).unwrap();
    fs::write(folder.file("keyring.new"), "half a fi").unwrap();
    run(postkey(["init", folder.data().to_str().unwrap()])).await.worked();
    assert!(!folder.file("keyring.new").exists());

    for (whole, half) in [("ledger/key", "ledger/key.new"), ("clients.json", "clients.json.new")] {
        fs::remove_file(folder.file(whole)).unwrap();
        fs::write(folder.file(half), "half a fi").unwrap();
    }
    let scene = Scene::on(Stack::up(&folder).await, folder).await;
    scene.ann_signs_in(stage::PASSWORD).await.is(200);
    assert!(!scene.folder.file("ledger/key.new").exists() && !scene.folder.file("clients.json.new").exists());
}

#[tokio::test]
async fn a_folder_of_something_else_is_left_alone() {
    let folder = Folder::new();
    fs::create_dir(folder.data()).unwrap();
    fs::write(folder.file("thesis.txt"), "chapter 1").unwrap();
    let line = run(up(&folder.data(), &[])).await.failed_in_one_line();
    assert!(line.contains(folder.data().to_str().unwrap()), "{line}");
    let mut left: Vec<_> =
        fs::read_dir(folder.data()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.retain(|name| !name.ends_with(".lock"));
    assert_eq!(left, ["thesis.txt"]);
}
