//! Where a store is, as the command line names it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use event_log::NatsConfig;
use postkey_postgres::{Location, LocationError};

use crate::failure::Failure;

/// A file on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteFile(PathBuf);

impl SqliteFile {
    /// A file by its path.
    pub const fn of(path: PathBuf) -> Self {
        Self(path)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder that the file is in.
    pub fn folder(&self) -> &Path {
        self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    fn read(text: &str) -> Option<Self> {
        let path = text.strip_prefix("sqlite:").filter(|path| !path.is_empty())?;
        Some(Self(path.trim_start_matches("//").into()))
    }
}

/// Where the log is.
#[derive(Clone, PartialEq, Eq)]
pub enum LogUrl {
    /// In a file.
    Sqlite(SqliteFile),
    /// In JetStream, at any of these servers.
    Nats(Vec<String>),
}

impl FromStr for LogUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(file) = SqliteFile::read(text) {
            return Ok(Self::Sqlite(file));
        }
        // The scheme may stand once, before the first server, or before each.
        let scheme = ["nats://", "tls://"].into_iter().find(|scheme| text.starts_with(scheme));
        let servers = scheme.map(|scheme| {
            let named = text.split(',').map(|server| match server.split_once("://") {
                Some((own, rest)) if own == scheme.trim_end_matches("://") && !rest.is_empty() => {
                    Some(server.to_owned())
                }
                Some(_) => None,
                None if server.is_empty() => None,
                None => Some(format!("{scheme}{server}")),
            });
            named.collect::<Option<Vec<_>>>()
        });
        match servers {
            Some(Some(servers)) => Ok(Self::Nats(servers)),
            _ => Err("write it as sqlite:PATH, or nats://HOST:PORT[,HOST:PORT…] (tls:// for TLS)"),
        }
    }
}

impl LogUrl {
    /// Where it is, without what a URL may hold of secrets.
    pub fn shown(&self) -> String {
        match self {
            Self::Sqlite(file) => file.path().display().to_string(),
            Self::Nats(servers) => NatsConfig::new(servers.clone()).shown(),
        }
    }

    /// The file, where it is one.
    pub const fn file(&self) -> Option<&SqliteFile> {
        match self {
            Self::Sqlite(file) => Some(file),
            Self::Nats(_) => None,
        }
    }
}

impl fmt::Debug for LogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => f.debug_tuple("Sqlite").field(file).finish(),
            // A URL may hold a password.
            Self::Nats(_) => f.write_str("Nats(..)"),
        }
    }
}

/// Where the read model, or the key store, is.
#[derive(Clone, Debug)]
pub enum StoreUrl {
    /// In a file.
    Sqlite(SqliteFile),
    /// In a PostgreSQL database.
    Postgres(Box<Location>),
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(file) = SqliteFile::read(text) {
            return Ok(Self::Sqlite(file));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return text.parse().map(Box::new).map(Self::Postgres).map_err(|error: LocationError| error.to_string());
        }
        Err("write it as sqlite:PATH, or postgres://ROLE@HOST:PORT/DATABASE".to_owned())
    }
}

impl StoreUrl {
    /// A file.
    pub const fn file(path: PathBuf) -> Self {
        Self::Sqlite(SqliteFile::of(path))
    }

    /// The same, for a database, with the password that a file holds.
    pub fn with_password_file(self, path: Option<&Path>) -> Result<Self, Failure> {
        match (self, path) {
            (Self::Postgres(location), Some(path)) => Ok(Self::Postgres(Box::new(location.with_password_file(path)?))),
            (url, _) => Ok(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_named_by_a_file_or_by_servers() {
        let nats = |servers: &[&str]| Ok(LogUrl::Nats(servers.iter().map(|&server| server.to_owned()).collect()));
        assert_eq!("sqlite:a/log.db".parse(), Ok(LogUrl::Sqlite(SqliteFile::of("a/log.db".into()))));
        assert_eq!("nats://a:4222".parse(), nats(&["nats://a:4222"]));
        assert_eq!("nats://a:1,b:2".parse(), nats(&["nats://a:1", "nats://b:2"]));
        assert_eq!("tls://a:1,tls://b:2".parse(), nats(&["tls://a:1", "tls://b:2"]));
        for wrong in ["", "sqlite:", "a:4222", "nats://a,tls://b", "nats://a,,b", "postgres://a/b"] {
            assert!(wrong.parse::<LogUrl>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_url_is_not_printed_for_it_may_hold_a_password() {
        let log: LogUrl = "nats://a:s3cret@b".parse().unwrap();
        let store: StoreUrl = "postgres://a:s3cret@b/c".parse().unwrap();
        assert!(!format!("{log:?} {store:?}").contains("s3cret"));
    }
}
