//! The walk that stands in the README, and what comes of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use stage::run;

/// A file of this tree.
pub fn text_of(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap()
}

/// The blocks of a kind, in their order.
fn blocks(kind: &str) -> Vec<String> {
    let (readme, begun) = (text_of("README.md"), format!("```{kind}\n"));
    let blocks = readme.split(&begun).skip(1).map(|rest| rest.split_once("```").unwrap().0);
    blocks.map(str::to_owned).collect()
}

/// What is typed where postkey runs, whatever it was brought up by.
fn walk() -> Vec<String> {
    blocks("sh")
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

/// Proves it, where postkey runs on one data folder: the untouched export is sound, the other one is not.
pub async fn proved_in(folder: &Path) {
    let [proof] = blocks("bash").try_into().unwrap();
    let postkey = format!("POSTKEY={}\n", stage::postkey([]).get_program().to_str().unwrap());
    let said = said_in(folder, &[postkey, walk()[0].clone(), proof].concat()).await;
    assert_eq!(said.matches("sound: nothing was found").count(), 2, "{said}");
    assert!(said.contains("TAMPERED") && said.contains("found out\n"), "{said}");
    assert!(said.contains("PasswordChanged") && said.contains("panel"), "what happened, and by whom: {said}");
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
