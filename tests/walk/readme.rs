//! The walk that stands in the README, and what comes of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use stage::run;

/// A file of this tree.
pub fn text_of(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap()
}

/// The `sh` blocks, in their order.
fn walk() -> Vec<String> {
    let readme = text_of("README.md");
    let blocks = readme.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    blocks.map(str::to_owned).collect()
}

async fn said_in(folder: &Path, script: &str) -> String {
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", script]).current_dir(folder);
    run(bash).await.worked().stdout
}

/// Walks, as it stands, in the folder in which postkey was started with its usual data folder.
pub async fn walked_in(folder: &Path) {
    let walked = said_in(folder, &walk().concat()).await;
    for line in ["the first password: 200", "the old password: 401", "the new password: 200"] {
        assert!(walked.contains(line), "{line} is not in {walked:#?}");
    }
    // "Save" answers twice: what was done, and then that it was done already.
    let saves: Vec<_> = walked.lines().filter(|line| line.contains(r#""UserEdited","PasswordChanged""#)).collect();
    assert_eq!(saves.len(), 2, "{walked:#?}");
    assert!(saves.iter().all(|save| save.contains(r#""effective":true"#)), "{saves:?}");
    assert!(saves[0].contains(r#""repeated":false"#) && saves[1].contains(r#""repeated":true"#), "{saves:?}");
    assert!(walked.contains(r#""code":"weak_password""#), "{walked:#?}");
    assert!(walked.contains(r#""last_name":"Yilmaz""#), "{walked:#?}");
    assert!(walked.contains(r#""type":"PasswordChanged""#) && walked.contains(r#""actor":"person-7""#), "{walked:#?}");
}

/// Who has walked there logs in, and with which passwords.
pub async fn logins_in(folder: &Path) {
    let walk = walk();
    let logins = walk.iter().flat_map(|block| block.lines()).filter(|line| line.starts_with("login"));
    let script = [walk[0].clone(), logins.map(|line| format!("{line}\n")).collect()].concat();
    let said = said_in(folder, &script).await;
    for line in ["the first password: 401", "the old password: 401", "the new password: 200"] {
        assert!(said.contains(line), "{line} is not in {said}");
    }
}
