//! Where an export goes: a file that is whole or not there, or stdout.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::failure::Failure;

/// An export that is being written. One that is let go before its end leaves no file behind.
pub enum Output {
    /// To a file (0600), under a name of its own until it is whole.
    File {
        /// What is written to; removed with this, unless it is whole.
        out: BufWriter<NamedTempFile>,
        /// The name that it will have.
        path: PathBuf,
        /// Whether a file of that name is replaced.
        force: bool,
    },
    /// To whoever reads our stdout.
    Stdout(BufWriter<Stdout>),
}

impl Output {
    /// Begins one; `-` is stdout. A file that is there is refused, unless `force`.
    pub fn begin(path: &Path, force: bool) -> Result<Self, Failure> {
        if is_stdout(path) {
            return Ok(Self::Stdout(BufWriter::new(io::stdout())));
        }
        if path.symlink_metadata().is_ok() {
            if !force {
                return Err(there(path));
            }
            is_an_export(path)?;
        }
        let name = path.file_name().unwrap_or(OsStr::new("export")).to_owned();
        // Readable and writable by its owner alone, and in the folder in which it will stand.
        let out = Builder::new().prefix(&name).suffix(".new").tempfile_in(folder(path));
        let out = out.map_err(|error| Failure::io(path, &error))?;
        Ok(Self::File { out: BufWriter::new(out), path: path.to_owned(), force })
    }

    /// Makes it stand, durably. Says whether there is a name to tell.
    pub fn end(self) -> Result<Option<PathBuf>, Failure> {
        let (out, path, force) = match self {
            Self::Stdout(mut out) => return out.flush().map(|()| None).map_err(Failure::failed),
            Self::File { out, path, force } => (out, path, force),
        };
        let end = || -> io::Result<()> {
            let out = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            out.as_file().sync_all()?;
            let stands = if force { out.persist(&path) } else { out.persist_noclobber(&path) };
            drop(stands?);
            File::open(folder(&path))?.sync_all()
        };
        end().map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => there(&path),
            _ => Failure::io(&path, &error),
        })?;
        Ok(Some(path))
    }
}

/// Refuses to take the place of anything but an export, or of what was to become one.
fn is_an_export(path: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::io(path, &error);
    let metadata = path.symlink_metadata().map_err(failed)?;
    let is_one =
        metadata.is_file() && (metadata.len() == 0 || audit::export::begins(File::open(path).map_err(failed)?));
    if is_one {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{} is no export, and --force replaces nothing else: choose another name, or remove it yourself",
        path.display()
    )))
}

/// Whether this name is that of our stdout.
pub fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn there(path: &Path) -> Failure {
    Failure::usage(format!("{} is there already: choose another name, or say --force", path.display()))
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File { out, .. } => out.write(bytes),
            Self::Stdout(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File { out, .. } => out.flush(),
            Self::Stdout(out) => out.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn it_is_whole_or_not_there_and_nobody_elses_file_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        // Somebody else's.
        fs::write(folder.path().join("out.new"), "mine").unwrap();
        let mut output = Output::begin(&path, false).unwrap();
        output.write_all(b"half").unwrap();
        assert_eq!(names(folder.path()).len(), 2);
        drop(output);
        assert_eq!(names(folder.path()), ["out.new"]);
        let mut output = Output::begin(&path, false).unwrap();
        output.write_all(b"whole").unwrap();
        assert_eq!(output.end().unwrap(), Some(path.clone()));
        assert_eq!(names(folder.path()), ["out", "out.new"]);
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(folder.path().join("out.new")).unwrap(), b"mine");
    }

    #[test]
    fn only_who_says_so_takes_a_files_place_also_of_one_that_came_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let output = Output::begin(&path, false).unwrap();
        fs::write(&path, "theirs").unwrap();
        assert!(output.end().unwrap_err().to_string().contains("--force"));
        assert!(Output::begin(&path, false).is_err());
        assert_eq!((names(folder.path()).len(), fs::read(&path).unwrap()), (1, b"theirs".to_vec()));
        // Which is no export: a log, or whatever somebody has mistyped.
        assert!(Output::begin(&path, true).is_err());
        fs::write(&path, "{\"postkey_export\":1}").unwrap();
        Output::begin(&path, true).unwrap().end().unwrap();
        assert_eq!((names(folder.path()).len(), fs::read(&path).unwrap()), (1, Vec::new()));
        Output::begin(&path, true).unwrap().end().unwrap();
        // Nor is a link to one, or a folder.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(Output::begin(&link, true).is_err() && Output::begin(folder.path(), true).is_err());
    }
}
