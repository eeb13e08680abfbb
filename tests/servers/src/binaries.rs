//! Servers that are on this machine already.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{children, home};

/// A version as its numbers: `2.15.1` is `[2, 15, 1]`, `18.6` is `[18, 6]`.
pub type Version = Vec<u32>;

/// A program's file or a folder of programs that someone named for us in the environment.
#[expect(clippy::disallowed_methods, reason = "tests are the outermost shell, and have no command line of their own")]
pub(crate) fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// The first program in `PATH`, and in the folders behind it, that is of a version or newer, with its version. Links are
/// followed: a program looks for what belongs to it beside its file.
pub fn find(program: &str, least: &[u32], behind: &[&str]) -> Option<(PathBuf, Version)> {
    let path = named("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(behind.iter().map(PathBuf::from));
    folders.filter_map(|folder| folder.join(program).canonicalize().ok()).find_map(|file| {
        let version = version(&file)?;
        (version.as_slice() >= least).then_some((file, version))
    })
}

/// The version that a program prints: `nats-server: v2.15.1`, `postgres (PostgreSQL) 18.6`.
pub(crate) fn version(file: &Path) -> Option<Version> {
    let output = Command::new(file).arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().find_map(|word| {
        let word = word.strip_prefix('v').unwrap_or(word);
        let numbers: Option<Version> = word.split('.').map(|part| part.parse().ok()).collect();
        numbers.filter(|numbers| numbers.len() > 1)
    })
}

/// A version as people write it.
pub fn written(version: &[u32]) -> String {
    version.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

/// Whether the user that PostgreSQL runs as may run programs of a folder.
pub(crate) fn open_to_postgres(folder: &Path) -> bool {
    children::euid() != 0 || home::enterable(folder)
}
