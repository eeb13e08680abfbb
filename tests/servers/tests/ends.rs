//! Servers end with the process that started them, also when they stand in statics and it is killed.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use servers::{Nats, Postgres};

/// Set for the process that holds servers until it is ended; it ends by itself when nobody waits for it any more.
const HOLD: &str = "SERVERS_TEST_HOLD";

#[test]
#[expect(clippy::disallowed_methods, reason = "this test is two processes, and tells itself which one it is")]
fn servers_end_with_a_process_that_is_killed() {
    if std::env::var_os(HOLD).is_some() {
        return hold();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "servers_end_with_a_process_that_is_killed", "--nocapture"]).env(HOLD, "1");
    let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let addresses = announced(&mut holder);
    assert!(addresses.iter().all(|address| TcpStream::connect(address).is_ok()), "{addresses:?} listen");
    let folder = std::env::temp_dir();
    let own = format!("{}-", holder.id());
    let its_folder = || folders(&folder).into_iter().find(|name| name.starts_with(&own));
    assert!(its_folder().is_some(), "no folder {own}");

    holder.kill().unwrap();
    holder.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while addresses.iter().any(|address| TcpStream::connect(address).is_ok()) || its_folder().is_some() {
        assert!(Instant::now() < deadline, "{addresses:?} or {:?} outlive their process", its_folder());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts servers from threads that end, says where they are, and waits.
fn hold() {
    let nats = std::thread::spawn(|| Nats::shared().url());
    let postgres = std::thread::spawn(|| Postgres::shared().url("postgres"));
    let urls = [nats.join().unwrap(), postgres.join().unwrap()];
    let addresses = urls.map(|url| url[url.find("127.0.0.1").unwrap()..].split('/').next().unwrap().to_owned());
    for address in &addresses {
        assert!(TcpStream::connect(address).is_ok(), "{address} outlived the thread that started it");
    }
    let mut out = std::io::stdout();
    std::io::Write::write_all(&mut out, format!("\nat {}\n", addresses.join(" ")).as_bytes()).unwrap();
    let mut nothing = String::new();
    std::io::stdin().read_line(&mut nothing).unwrap();
}

fn announced(holder: &mut Child) -> Vec<String> {
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    let line = lines.map(Result::unwrap).find_map(|line| line.strip_prefix("at ").map(str::to_owned));
    line.expect("the servers' addresses").split(' ').map(str::to_owned).collect()
}

/// The folders of test processes, of whichever user.
fn folders(temporary: &Path) -> Vec<String> {
    let shared = std::fs::read_dir(temporary).unwrap().flatten();
    let shared = shared.filter(|entry| entry.file_name().to_string_lossy().starts_with("postkey-servers-"));
    let processes = shared.filter_map(|entry| std::fs::read_dir(entry.path().join("processes")).ok());
    processes.flatten().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
