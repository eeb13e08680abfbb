//! `<target>/servers/how.log`: how the servers of all test processes were started, for whoever reads the end of a run.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};

/// The target folder.
///
/// Cargo marks it by a `CACHEDIR.TAG`; a test that was moved elsewhere has its own folder.
///
/// # Panics
/// When the test's own path can't be told.
pub fn target() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let target = test.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).or(test.parent());
    target.expect("a folder").to_owned()
}

/// The target folder's part that is ours: packages and the record.
pub(crate) fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = target().join("servers");
        std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        folder
    })
}

/// Adds a line to the record, once a process for each text: `NATS 2.15.1 from installed packages`.
///
/// # Panics
/// When it can't be written.
pub fn record(line: &str) {
    static WRITTEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if !WRITTEN.lock().expect("no panic under this lock").insert(line.to_owned()) {
        return;
    }
    let path = folder().join("how.log");
    let file = OpenOptions::new().create(true).append(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
