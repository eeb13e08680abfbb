//! Ports that stay ours for as long as this process lives.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

use crate::home;

/// Ports below those that Linux gives to outgoing connections (`ip_local_port_range`, 32768 and up unless it was changed):
/// there a killed server's port stays free until it is started again.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// The locks by which other test processes of this user see that a port is taken.
static TAKEN: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A port of 127.0.0.1 that nobody listens on and that no other test process of this user is given while this one lives.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    let folder = home::shared().join("ports");
    std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let count = u64::from(PORTS.end - PORTS.start);
    let start = RandomState::new().hash_one(std::process::id());
    for step in 0..count {
        let offset = u16::try_from(start.wrapping_add(step) % count).expect("a port");
        let port = PORTS.start + offset;
        let path = folder.join(port.to_string());
        let lock = File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            TAKEN.lock().expect("no panic under this lock").push(lock);
            return port;
        }
    }
    panic!("no port of {PORTS:?} is free");
}
