//! What could not be looked at is said in one line, with exit code 2; and what is running can be looked at.

use std::fs;
use std::process::Command;

use stage::{Finished, Scene, postkey, run};

use crate::site::{Site, signed, sound};

/// Expects that it could not be looked at, and that what is said of it has a word in it.
#[track_caller]
pub fn could_not_look(finished: Finished, word: &str) {
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:#?}");
    let line = finished.failed_in_one_line();
    assert!(line.contains(word), "{word}: {line}");
}

#[tokio::test]
async fn what_is_not_there_or_can_not_be_read_is_named() {
    let site = Site::new().await;
    let data = site.folder.data();
    let data = data.to_str().unwrap();
    let beside = |name: &str, text: &str| {
        fs::write(site.folder.beside(name), text).unwrap();
        site.folder.beside(name).to_str().unwrap().to_owned()
    };
    let (empty, text) = (beside("empty", ""), beside("text", "no key and no checkpoint\n"));
    for (arguments, word) in [
        (&["--data", "/nonexistent"][..], "checkpoint"),
        (&["--data", data, "--checkpoint", "/nonexistent"], "/nonexistent"),
        (&["--data", data, "--checkpoint", &text], "signed note"),
        (&["--data", data, "--public-key", &text], "key"),
        (&["--data", data, "--public-key", &empty], "key"),
        (&["--data", data, "--pin", &text], "--pin"),
        (&["--data", data, "--keyring-file", &text], "keyring"),
        (&["--data", data, "--checkpoint", "http://127.0.0.1:1/ledger/checkpoint"], "http://127.0.0.1:1"),
        (&["--log", "sqlite:/nonexistent", "--checkpoint", &text, "--public-key", &text], "key"),
        (&["--export", &text, "--public-key", "/nonexistent"], "/nonexistent"),
        (&["--export", "/nonexistent", "--public-key", &text], "key"),
    ] {
        let finished = run(postkey(["audit", "verify"].into_iter().chain(arguments.iter().copied()))).await;
        could_not_look(finished, word);
    }
    let key = site.folder.file("ledger/public-key");
    let finished = run(postkey(["audit", "verify", "--export", &text, "--public-key", key.to_str().unwrap()])).await;
    could_not_look(finished, "export");
    fs::remove_file(site.folder.file("ledger/checkpoint")).unwrap();
    could_not_look(run(postkey(["audit", "verify", "--data", data])).await, "--checkpoint");
}

#[tokio::test]
async fn help_teaches_by_example_and_usage_exits_with_2() {
    let help = run(postkey(["audit", "verify", "--help"])).await.worked();
    for word in ["Examples:", "--pin", "--export", "Exit codes: 0 sound, 1 tampered, 2 could not look"] {
        assert!(help.stdout.contains(word), "{word}: {}", help.stdout);
    }
    let finished = run(postkey(["audit", "verify", "--nonsense"])).await;
    assert_eq!(finished.code, Some(2));
}

#[tokio::test]
async fn what_is_told_to_a_person_names_what_was_checked_and_what_was_not() {
    let site = Site::new().await;
    let finished = run(postkey(["audit", "verify", "--data", site.folder.data().to_str().unwrap()])).await.worked();
    for word in
        ["entries of 2 services", "signed by postkey/", "what happened, by whom:", "operator:", "not checked:", "sound"]
    {
        assert!(finished.stdout.contains(word), "{word}: {}", finished.stdout);
    }
}

#[tokio::test]
async fn a_folder_is_verified_while_it_is_served_and_written() {
    let scene = Scene::set().await;
    let folder = &scene.folder;
    // What stands now is signed; what comes is behind it.
    let signed = signed(folder).await;
    let edits = async {
        for n in 0..10 {
            let edit = serde_json::json!({"first_name": format!("Ann{n}")});
            scene.operator().patch(&scene.ann(), &edit).await.receipt(200, &["UserEdited"]);
        }
    };
    let verify = async {
        for _ in 0..3 {
            let data = folder.data();
            let finished = run(postkey(["audit", "verify", "--json", "--data", data.to_str().unwrap()])).await;
            let report = sound(finished);
            assert!(report["entries"].as_u64().unwrap() >= signed as u64, "{report}");
        }
    };
    tokio::join!(edits, verify);
    scene.ann_signs_in(stage::PASSWORD).await.is(200);
}

#[tokio::test]
async fn what_can_not_be_told_is_not_told_as_tampered() {
    let site = Site::new().await;
    let mut bash = Command::new("bash");
    let binary = postkey([]).get_program().to_owned();
    let script = format!("{} audit verify --data {} > /dev/full", binary.display(), site.folder.data().display());
    bash.args(["-c", &script]);
    let finished = run(bash).await;
    assert_eq!(finished.code, Some(2), "{finished:#?}");
}

#[tokio::test]
async fn a_folder_that_lacks_what_is_looked_at_with_is_not_told_as_sound() {
    let site = Site::new().await;
    for name in ["keyring", "keys.db"] {
        fs::rename(site.folder.file(name), site.folder.beside("away")).unwrap();
        could_not_look(site.verified(&[]).await, name);
        fs::rename(site.folder.beside("away"), site.folder.file(name)).unwrap();
    }
    sound(site.verified(&[]).await);
    // One that was emptied is not made anew by whoever only looks.
    fs::write(site.folder.file("keys.db"), "").unwrap();
    could_not_look(site.verified(&[]).await, "empty");
    assert_eq!(site.folder.bytes("keys.db"), Vec::<u8>::new());
}
