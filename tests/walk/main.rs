//! The README's walk, run as it stands: what a new user reads is what happens.

#![allow(clippy::unwrap_used, reason = "a walk that can't be set up says where it broke")]

use std::fs;
use std::path::Path;
use std::process::Command;

use stage::{Running, endpoints, run, until, up};

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap()
}

/// The lines of the `sh` blocks, in their order.
fn walk() -> String {
    let readme = readme();
    let blocks = readme.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    blocks.collect()
}

#[tokio::test]
async fn the_walk_leads_to_a_login_with_the_changed_password() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("postkey-data");
    let mut postkey = Running::start(up(&data, &["--demo"]), folder.path());
    endpoints(&mut postkey, &data).await;
    until("the demo is there", async || postkey.stdout().contains("chen@acme.example").then_some(())).await;

    let mut script = Command::new("bash");
    script.args(["-euo", "pipefail", "-c", &walk()]).current_dir(folder.path());
    let walked = run(script).await.worked();
    for line in ["the first password: 200", "the old password: 401", "the new password: 200"] {
        assert!(walked.stdout.contains(line), "{line} is not in {walked:#?}");
    }
    // "Save" answers twice: what was done, and then that it was done already.
    let saves: Vec<_> =
        walked.stdout.lines().filter(|line| line.contains(r#""UserEdited","PasswordChanged""#)).collect();
    assert_eq!(saves.len(), 2, "{walked:#?}");
    assert!(saves.iter().all(|save| save.contains(r#""effective":true"#)), "{saves:?}");
    assert!(saves[0].contains(r#""repeated":false"#) && saves[1].contains(r#""repeated":true"#), "{saves:?}");
    assert!(walked.stdout.contains(r#""code":"weak_password""#), "{walked:#?}");
    assert!(walked.stdout.contains(r#""last_name":"Yilmaz""#), "{walked:#?}");
    postkey.stop().await;
}

#[test]
fn every_make_target_that_the_readme_names_is_there() {
    let makefile = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Makefile")).unwrap();
    let readme = readme();
    let named: Vec<_> = readme.split("make ").skip(1).filter_map(|rest| rest.split([' ', '`', '\n']).next()).collect();
    for target in ["run", "test", "soak", "bench", "lint", "up", "down"] {
        assert!(named.contains(&target), "the README does not name make {target}");
        assert!(makefile.contains(&format!("\n{target}:")), "there is no make {target}");
    }
}
