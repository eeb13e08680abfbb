//! Folders: what all test processes of this user share, and what this one keeps for its servers.
//!
//! A process's own folder is held by a lock on a file in it. A shell that was started with it waits for the process to end,
//! by whatever signal, and then removes the folder and the process's containers; should that shell be killed too, the next
//! process sees that nobody holds the lock, and does it.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{children, container};

/// What the process that holds a folder holds its lock on.
const LOCK: &str = "lock";

/// Removes folder `$1`, all containers that it labels by `$2`, and all containers, networks, volumes and images whose names
/// begin with `$3`, when standard input ends: when its owner does.
const REMOVE_AFTER: &str = r#"
trap '' HUP INT TERM
cat > /dev/null
for again in 1 2 3 4 5; do
  if [ -e "$1/containers" ]; then
    docker ps -aq --filter "label=$2=$1" | xargs -r docker rm -fv
    docker ps -aq --filter "name=^$3" | xargs -r docker rm -fv
    docker network ls -q --filter "name=^$3" | xargs -r docker network rm
    docker volume ls -q --filter "name=^$3" | xargs -r docker volume rm
    docker image ls --format '{{.Repository}}:{{.Tag}}' --filter "reference=$3*" | xargs -r docker image rm
  fi
  rm -rf "$1" && exit
  sleep 1
done
"#;

/// The folder that all test processes of this user share: outside of homes, since PostgreSQL runs as another user where
/// tests run as root.
///
/// # Panics
/// When it can't be made, or is another user's.
pub fn shared() -> &'static Path {
    static SHARED: OnceLock<PathBuf> = OnceLock::new();
    SHARED.get_or_init(|| {
        let uid = children::euid();
        let below = [std::env::temp_dir(), PathBuf::from("/tmp")].into_iter().find(|folder| enterable(folder));
        let folder = below.expect("a temporary folder that everybody may enter").join(format!("postkey-servers-{uid}"));
        let made = DirBuilder::new().recursive(true).mode(0o755).create(&folder);
        made.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let owner = fs::symlink_metadata(&folder).map(|metadata| metadata.uid());
        assert_eq!(owner.ok(), Some(uid), "{} is another user's", folder.display());
        folder
    })
}

/// Whether every user may enter a folder and all that it stands in.
pub(crate) fn enterable(folder: &Path) -> bool {
    folder.is_absolute() && folder.ancestors().all(|part| part.metadata().is_ok_and(|data| data.mode() & 0o001 != 0))
}

/// This process's own folder.
pub(crate) fn own() -> &'static Path {
    static OWN: OnceLock<(PathBuf, File)> = OnceLock::new();
    let (folder, _) = OWN.get_or_init(|| {
        let processes = shared().join("processes");
        fs::create_dir_all(&processes).unwrap_or_else(|error| panic!("{}: {error}", processes.display()));
        let turn = lock(&shared().join("processes.lock"));
        sweep(&processes);
        let folder = (0..)
            .map(|n| processes.join(format!("{}-{n}", std::process::id())))
            .find(|folder| !folder.exists())
            .expect("numbers don't end");
        DirBuilder::new().mode(0o711).create(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let held = lock(&folder.join(LOCK));
        drop(turn);
        remove_after_us(&folder);
        (folder, held)
    });
    folder
}

/// A new, empty folder in this process's own, which every user may enter.
///
/// # Panics
/// When it can't be made.
pub fn folder(of: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let folder = own().join(format!("{of}-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    DirBuilder::new().mode(0o755).create(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    folder
}

/// Waits for its turn with a lock, which ends with the file that it returns, or with this process.
///
/// # Panics
/// When the file can't be made or locked.
pub fn lock(path: &Path) -> File {
    let file = File::create(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.lock().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file
}

/// Removes what processes left that are gone, and the containers of folders that are gone.
fn sweep(processes: &Path) {
    for entry in fs::read_dir(processes).into_iter().flatten().flatten() {
        let held = File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err());
        if !held {
            if entry.path().join("containers").exists() {
                container::remove_of(&entry.path());
            }
            // Its servers may be dying still: the next process tries again.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[expect(clippy::zombie_processes, reason = "it ends after this process")]
fn remove_after_us(folder: &Path) {
    let mut command = Command::new("sh");
    command.args(["-c", REMOVE_AFTER, "sh"]).arg(folder).arg(container::LABEL);
    command.arg(container::names_of(folder));
    command.current_dir("/").process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut shell = command.spawn().expect("sh");
    // The pipe stays open until this process ends.
    std::mem::forget(shell.stdin.take());
}
