//! A bench that is told to stop leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::path::Path;
use std::process::{Command, Stdio};

use stage::until;

fn entries(folder: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn what_it_has_started_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Command::new(env!("CARGO_BIN_EXE_load"));
    bench.args(["bench", "--quick", "--only", "edits-sqlite", "--seconds", "600", "--postkey"]).arg(stage::binary());
    bench.arg("--out").arg(folder.path().join("bench.json")).env("TMPDIR", folder.path());
    let bench = bench.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Its second start there: the first one made the stores.
    let endpoints = until("services that are measured", async || {
        let data = entries(folder.path()).into_iter().map(|entry| entry.join("data")).find(|data| data.exists())?;
        let filled = data.join("log.db").metadata().ok()?.len() > 1 << 20;
        if filled { std::fs::read_to_string(data.join("endpoints.json")).ok() } else { None }
    });
    let endpoints: serde_json::Value = serde_json::from_str(&endpoints.await).unwrap();
    let address = endpoints["command"].as_str().unwrap().trim_start_matches("http://").to_owned();
    assert!(std::net::TcpStream::connect(&address).is_ok());

    let told = Command::new("sh").args(["-c", &format!("kill -TERM {}", bench.id())]).status().unwrap();
    assert!(told.success());
    let ended = tokio::task::spawn_blocking(|| bench.wait_with_output().unwrap()).await.unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("told to stop"), "{said}");
    assert!(std::net::TcpStream::connect(&address).is_err(), "the service goes on");
    assert_eq!(entries(folder.path()), Vec::<std::path::PathBuf>::new());
}
