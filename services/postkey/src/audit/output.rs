//! Where an export goes: a file that is whole or not there, or stdout.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Stdout, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// An export that is being written.
pub enum Output {
    /// To a file (0600), under a temporary name until it is whole.
    File {
        /// What is written to.
        out: BufWriter<File>,
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
        if path == Path::new("-") {
            return Ok(Self::Stdout(BufWriter::new(io::stdout())));
        }
        if path.exists() && !force {
            return Err(there(path));
        }
        let temporary = temporary(path);
        let begin = || -> io::Result<File> {
            // What a run that was cut off has left there may be anybody's to read.
            match fs::remove_file(&temporary) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)
        };
        let file = begin().map_err(|error| Failure::io(path, &error))?;
        Ok(Self::File { out: BufWriter::new(file), path: path.to_owned(), force })
    }

    /// Makes it stand, durably. Says whether there is a name to tell.
    pub fn end(self) -> Result<Option<PathBuf>, Failure> {
        let (out, path, force) = match self {
            Self::Stdout(mut out) => return out.flush().map(|()| None).map_err(Failure::failed),
            Self::File { out, path, force } => (out, path, force),
        };
        let temporary = temporary(&path);
        let end = || -> io::Result<()> {
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            if force {
                fs::rename(&temporary, &path)?;
            } else {
                // Unlike a rename, it takes no file's place.
                fs::hard_link(&temporary, &path)?;
                fs::remove_file(&temporary)?;
            }
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        end().map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => there(&path),
            _ => Failure::io(&path, &error),
        })?;
        Ok(Some(path))
    }

    /// Leaves nothing behind.
    pub fn abandon(path: &Path) {
        if path != Path::new("-") {
            // What can't be removed has no last record, and is refused by whoever reads it.
            let _ = fs::remove_file(temporary(path));
        }
    }
}

fn temporary(path: &Path) -> PathBuf {
    path.with_added_extension("new")
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
