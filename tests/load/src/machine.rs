//! Where and with what it was measured.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

/// The machine, the versions, and the code that was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// How many cores.
    pub cores: usize,
    /// The processor's name.
    pub model: String,
    /// The kernel's version.
    pub kernel: String,
    /// What file system the stores lie on: on `tmpfs` nothing is durable, and ratios to durable writes say nothing.
    pub file_system: String,
    /// Whether the kernel schedules each session as one (`kernel.sched_autogroup_enabled`): some then let the worker that
    /// ends ext4's writes wait for seconds behind threads that hash.
    pub autogroup: bool,
    /// The product's version.
    pub postkey: String,
    /// The commit, with `+` where files differ from it; empty outside of a repository.
    pub commit: String,
    /// When the run began, UTC.
    pub date: String,
}

impl Machine {
    /// This one; `postkey`: the binary under test, `scratch`: where stores lie.
    #[expect(clippy::disallowed_methods, reason = "a bench is an outermost shell")]
    pub fn here(postkey: &Path, scratch: &Path) -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model =
            cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
        let differs = !said("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
        let commit = said("git", &["rev-parse", "--short=12", "HEAD"]);
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            model: model.unwrap_or("unknown").to_owned(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            file_system: file_system(&fs::read_to_string("/proc/mounts").unwrap_or_default(), scratch),
            autogroup: fs::read_to_string("/proc/sys/kernel/sched_autogroup_enabled").is_ok_and(|on| on.trim() == "1"),
            postkey: said(&postkey.to_string_lossy(), &["version"]),
            commit: if differs { format!("{commit}+") } else { commit },
            date: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        }
    }
}

/// The load average of the last minute.
pub fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// What a program says, trimmed; nothing where there is none, or where it fails.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.ok().filter(|output| output.status.success());
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// The type of the file system that a folder is on, by `/proc/mounts`: the longest mount point above it.
fn file_system(mounts: &str, folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mount = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((Path::new(fields.next()?), fields.next()?))
    });
    let above = mount.filter(|(point, _)| folder.starts_with(point));
    above.max_by_key(|(point, _)| point.components().count()).map_or_else(String::new, |(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_on_the_nearest_mount_above_it() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n/dev/b /run/deep xfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/nowhere/at/all")), "ext4");
        assert_eq!(file_system(mounts, Path::new("/run/none")), "tmpfs");
        assert_eq!(file_system(mounts, Path::new("/run/deep/er")), "xfs");
        assert_eq!(file_system(mounts, Path::new("/running")), "ext4");
    }

    #[test]
    fn this_machine_says_what_it_is() {
        let machine = Machine::here(Path::new("/nonexistent"), Path::new("/"));
        assert!(machine.cores > 0 && !machine.kernel.is_empty() && !machine.file_system.is_empty(), "{machine:?}");
        assert_eq!(machine.postkey, "", "a binary that is not there says nothing");
    }
}
