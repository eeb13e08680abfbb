//! How a run fails: one line that says what to do, and an exit code.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// A failed run.
#[derive(Debug)]
pub struct Failure {
    message: String,
    code: u8,
    /// Whether something was found, and not only failed.
    tampered: bool,
}

impl Failure {
    /// It was tried and failed: exit code 1.
    pub fn failed(message: impl Display) -> Self {
        Self { message: message.to_string(), code: 1, tampered: false }
    }

    /// It was asked for wrongly: exit code 2.
    pub fn usage(message: impl Display) -> Self {
        Self { message: message.to_string(), code: 2, tampered: false }
    }

    /// It was looked at, and is not as it was written: exit code 1, whatever else may come of looking.
    pub fn tampered(message: impl Display) -> Self {
        Self { message: format!("tampered: {message}"), code: 1, tampered: true }
    }

    /// The same as something that could not be looked at: exit code 2, unless it was found to be tampered with.
    #[must_use]
    pub fn could_not_look(self) -> Self {
        if self.tampered { self } else { Self { code: 2, ..self } }
    }

    /// A file or folder could not be used: exit code 1, and what to do about it.
    pub fn io(path: &Path, error: &io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::PermissionDenied => ": postkey must own the folder and be able to write to it",
            io::ErrorKind::NotFound => ": name a file or folder that is there",
            io::ErrorKind::NotADirectory => ": name a folder",
            io::ErrorKind::ReadOnlyFilesystem => ": choose a folder that can be written to",
            io::ErrorKind::StorageFull => ": make room on the disk, then start again",
            _ => "",
        };
        Self::failed(format!("{}: {error}{advice}", path.display()))
    }

    /// Tells the person who started it, in one line.
    pub fn report(self) -> ExitCode {
        let line = self.message.replace(['\n', '\r'], " ");
        // Where nobody can be told, the exit code still tells.
        let _ = writeln!(io::stderr(), "postkey: {line}");
        ExitCode::from(self.code)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_tampered_with_is_not_what_could_not_be_looked_at() {
        let code = |failure: Failure| failure.could_not_look().code;
        assert_eq!([Failure::failed("x"), Failure::usage("x"), Failure::tampered("x")].map(code), [2, 2, 1]);
    }
}
