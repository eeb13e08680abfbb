//! Where a database is, and as whom it is used.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// A database and a role of it: `postgres://ROLE@HOST:PORT/DATABASE`. Its password comes from a file; it is printed by
/// nothing, also where the URL held one.
#[derive(Clone)]
pub struct Location {
    options: PgConnectOptions,
}

/// Why there is no location.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// It is no such URL. The URL is not repeated: it may hold a password.
    #[error("write it as postgres://ROLE@HOST:PORT/DATABASE")]
    Url,
    /// A parameter that means nothing here. Its value is not repeated.
    #[error(
        "the URL's parameter {0:?} means nothing here: sslmode, sslrootcert, sslcert, sslkey, host and application_name do"
    )]
    Parameter(String),
    /// The password file can't be read.
    #[error("{}: {error}", path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// What may stand behind the question mark. `host=/folder` names the folder of a Unix socket.
const PARAMETERS: [&str; 6] = ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "application_name"];

impl FromStr for Location {
    type Err = LocationError;

    /// Role, host and database must be named; what else is left out, libpq's variables (`PGSSLMODE`, `PGPASSFILE` …) say,
    /// as for every client of PostgreSQL.
    fn from_str(text: &str) -> Result<Self, LocationError> {
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
        let (address, parameters) =
            rest.map(|rest| rest.split_once('?').unwrap_or((rest, ""))).ok_or(LocationError::Url)?;
        let names = parameters.split('&').filter(|pair| !pair.is_empty());
        for name in names.map(|pair| pair.split('=').next().unwrap_or_default()) {
            if !PARAMETERS.contains(&name) {
                return Err(LocationError::Parameter(name.to_owned()));
            }
        }
        let complete = address.split_once('@').and_then(|(role, place)| {
            let (_, database) = place.rsplit_once('/')?;
            (!role.is_empty() && !role.starts_with(':') && !database.is_empty()).then_some(())
        });
        complete.ok_or(LocationError::Url)?;
        Ok(Self { options: text.parse().map_err(|_| LocationError::Url)? })
    }
}

impl Location {
    /// The same with the password that a file holds; the end of its last line is no part of it.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub fn with_password_file(self, path: &Path) -> Result<Self, LocationError> {
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| LocationError::PasswordFile { path: path.to_owned(), error })?;
        Ok(Self { options: self.options.password(text.trim_end_matches(['\r', '\n'])) })
    }

    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.options
    }
}

/// Without a password, whatever it was made from.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (role, host, port) = (self.options.get_username(), self.options.get_host(), self.options.get_port());
        match self.options.get_socket() {
            Some(folder) => write!(f, "postgres://{role}@[{}]:{port}/", folder.display())?,
            None => write!(f, "postgres://{role}@{host}:{port}/")?,
        }
        f.write_str(self.options.get_database().unwrap_or_default())
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_said() {
        let mut said = Vec::new();
        for text in [
            "postgres://ann:s3cret-w0rd@db.example:5433/postkey?sslmode=require",
            "postgres://ann:s3cret-w0rd@localhost/postkey?host=/run/postgresql",
            "postgresql://ann:s3cret-w0rd@[::1]/postkey",
        ] {
            let location: Location = text.parse().unwrap();
            said.extend([format!("{location}"), format!("{location:?}")]);
        }
        for text in [
            "postgres://ann:s3cret-w0rd@db.example:x/postkey",
            "postgres://ann:s3cret-w0rd@db.example:5433/",
            "postgres://:s3cret-w0rd@db.example/postkey",
            "postgres://db.example/s3cret-w0rd",
            "mysql://ann:s3cret-w0rd@db.example/postkey",
            "postgres://ann@db.example/postkey?password=s3cret-w0rd",
            "postgres://ann@db.example/postkey?sslmode=s3cret-w0rd",
        ] {
            let refused = text.parse::<Location>().unwrap_err();
            said.extend([format!("{refused}"), format!("{refused:?}")]);
        }
        assert!(said.iter().all(|text| !text.contains("s3cret")), "{said:?}");
        assert_eq!(said[0], "postgres://ann@db.example:5433/postkey");
    }

    #[test]
    fn a_password_file_that_is_not_there_is_named() {
        let location: Location = "postgres://ann@db.example/postkey".parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let refused = location.clone().with_password_file(&path).unwrap_err().to_string();
        assert!(refused.starts_with(&path.display().to_string()), "{refused}");
        fs::write(&path, "s3cret-w0rd\n").unwrap();
        let location = location.with_password_file(&path).unwrap();
        assert_eq!(format!("{location:?}"), "postgres://ann@db.example:5432/postkey");
    }
}
