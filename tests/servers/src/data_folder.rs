//! PostgreSQL's data folder: made once a process by `initdb`, then copied.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::{children, home};

/// Who PostgreSQL runs as where tests run as root, which it refuses: `nobody` of Debian, Fedora and Alpine.
const NOBODY: u32 = 65534;

/// UTF-8 that sorts by code points on every machine, as initdb's arguments (PostgreSQL 17, `--builtin-locale`).
pub(crate) const LOCALE: &str = " --encoding=UTF8 --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C";

/// The user that PostgreSQL runs as, where it isn't ours.
pub(crate) fn user() -> Option<u32> {
    (children::euid() == 0).then_some(NOBODY)
}

/// Makes a data folder of its own for one server.
pub(crate) fn make(programs: &Path, data: &Path) {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| initdb(programs));
    // The copy keeps the owner and the mode, which PostgreSQL insists on.
    run(Command::new("cp").arg("-a").arg(template).arg(data));
}

fn initdb(programs: &Path) -> PathBuf {
    let folder = home::folder("template");
    let data = folder.join("data");
    if let Some(user) = user() {
        std::os::unix::fs::chown(&folder, Some(user), Some(user)).unwrap_or_else(|error| panic!("chown: {error}"));
    }
    let mut command = Command::new(programs.join("initdb"));
    command.arg("-D").arg(&data).args(["-U", "postgres", "--auth=trust", "--no-sync", "--no-instructions"]);
    command
        .args(LOCALE.split_whitespace())
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", "/usr/bin:/bin")
        .current_dir("/");
    if let Some(user) = user() {
        command.uid(user).gid(user);
    }
    run(&mut command);
    data
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
