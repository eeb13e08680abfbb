//! A browser ends with its value, and with the process that opened it, also when that is killed.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use browsers::{Browser, Person};

/// Set for the process that holds a browser until it is ended; it ends by itself when nobody waits for it any more.
const HOLD: &str = "BROWSERS_TEST_HOLD";

#[tokio::test]
async fn nothing_of_a_browser_is_left_when_its_value_ends() {
    let before = processes(std::process::id());
    let browser = Browser::open(&Person::default()).await;
    assert!(processes(std::process::id()) > before + 1, "a browser and what it started");
    drop(browser);
    until("what a browser started has ended", || processes(std::process::id()) == before);
}

/// Waits until it is so: the system ends what is killed a little later.
fn until(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is() {
        assert!(Instant::now() < deadline, "not within half a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "this test is two processes, and tells itself which one it is")]
fn a_browser_ends_with_a_process_that_is_killed() {
    if std::env::var_os(HOLD).is_some() {
        return hold();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "a_browser_ends_with_a_process_that_is_killed", "--nocapture"]).env(HOLD, "1");
    let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "open"), "it opens a browser");
    assert!(processes(holder.id()) > 1 && folder(holder.id()).is_some());

    holder.kill().unwrap();
    holder.wait().unwrap();
    until("a browser ends with its process", || processes(holder.id()) == 0 && folder(holder.id()).is_none());
}

/// Opens a browser, says so, and waits.
fn hold() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _browser = runtime.block_on(Browser::open(&Person::default()));
    std::io::stdout().write_all(b"\nopen\n").unwrap();
    let mut nothing = String::new();
    std::io::stdin().read_line(&mut nothing).unwrap();
}

/// The folder of a test process.
fn folder(process: u32) -> Option<PathBuf> {
    let own = format!("{process}-");
    let all = std::fs::read_dir(servers::shared().join("processes")).unwrap().flatten();
    all.map(|entry| entry.path()).find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&own))
}

/// How many processes were started on a profile in a test process's folder.
fn processes(process: u32) -> usize {
    let profile = format!("/processes/{process}-");
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let commands = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let browsers = commands.filter(|command| {
        let command = String::from_utf8_lossy(command);
        command.contains("--user-data-dir=") && command.contains(&profile)
    });
    browsers.count()
}
