//! What only the operating system can tell or do.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// A command in a mount namespace of its own, after a shell `script` has mounted there; the script takes `arguments`, and
/// then the command, which it runs by `exec "$@"`. Whoever is not root becomes root of a namespace of users.
pub fn in_own_mounts(script: &str, arguments: &[&OsStr], command: &Command) -> Command {
    let flags = if euid_is_root() { "-m" } else { "-rm" };
    let mut outer = Command::new("unshare");
    outer.args([flags, "sh", "-c", script, "sh"]).args(arguments);
    outer.arg(command.get_program()).args(command.get_args());
    outer.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    outer
}

/// Whether this process may do what only root may.
fn euid_is_root() -> bool {
    // SAFETY: takes nothing, touches no memory and can't fail.
    #[expect(unsafe_code, reason = "std has no way to ask")]
    let euid = unsafe { libc::geteuid() };
    euid == 0
}

/// Asks a process to end in order.
pub(crate) fn terminate(pid: u32) {
    signal(pid, libc::SIGTERM);
}

/// Makes a process stand still.
pub(crate) fn pause(pid: u32) {
    signal(pid, libc::SIGSTOP);
}

/// Lets a process that stands still go on.
pub(crate) fn resume(pid: u32) {
    signal(pid, libc::SIGCONT);
}

fn signal(pid: u32, signal: libc::c_int) {
    let pid = libc::pid_t::try_from(pid).unwrap();
    // SAFETY: touches no memory. The process is a child of ours that was not waited for yet, so the id is not reused.
    #[expect(unsafe_code, reason = "std can only kill")]
    let sent = unsafe { libc::kill(pid, signal) };
    assert_eq!(sent, 0, "signal {signal} could not be sent: {}", std::io::Error::last_os_error());
}

/// A file's text, lossily; empty where there is none.
pub fn text_of(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
