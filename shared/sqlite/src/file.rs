//! The file: made for this user only, and told from another program's.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

/// Makes an empty file (mode 0600) where there is none, with its name in the folder safe on the disk. An empty file is
/// an empty database.
///
/// # Errors
/// Where it can't be made. One that is there is left alone.
pub fn make_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// By what a file of ours is known: SQLite's application id and user version (its header, offsets 68 and 60).
#[derive(Clone, Copy, Debug)]
pub struct Application {
    /// What the file is, in words: "a key store".
    pub what: &'static str,
    /// The application id: four ASCII characters.
    pub id: i64,
    /// The statements that make version 1 of an empty file, version 2 of version 1, and so on.
    pub migrations: &'static [&'static str],
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum NotOurs {
    /// Another postkey's.
    #[error("it has schema version {found}, this postkey knows {known}: use the postkey that wrote it, or a newer one")]
    OtherVersion {
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Another program's.
    #[error("it is not {0} of postkey")]
    OtherProgram(&'static str),
    /// It can't be asked.
    #[error(transparent)]
    Sqlite(#[from] sqlx::Error),
}

impl Application {
    /// The version of what is in the file, at most ours; 0 where nothing is in it yet. Changes nothing.
    ///
    /// # Errors
    /// Where what is in it is not ours, or newer.
    pub async fn found(&self, connection: &mut SqliteConnection) -> Result<usize, NotOurs> {
        let row = sqlx::query(
            "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), \
             (SELECT count(*) FROM sqlite_schema)",
        )
        .fetch_one(connection)
        .await?;
        match (row.try_get(0)?, row.try_get(1)?, row.try_get::<i64, _>(2)?) {
            (0, 0, 0) => Ok(0),
            (id, version, _) if id == self.id => match usize::try_from(version) {
                Ok(found) if (1..=self.migrations.len()).contains(&found) => Ok(found),
                _ => Err(NotOurs::OtherVersion { found: version, known: self.known() }),
            },
            _ => Err(NotOurs::OtherProgram(self.what)),
        }
    }

    /// Brings the file to our version and marks it as ours, in one transaction; one that is there is left as it is.
    ///
    /// # Errors
    /// Where what is in it is not ours, or newer, or it can't be written.
    pub async fn prepare(&self, connection: &mut SqliteConnection) -> Result<(), NotOurs> {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let found = self.found(&mut transaction).await?;
        for migration in self.migrations.iter().skip(found) {
            sqlx::raw_sql(AssertSqlSafe(*migration)).execute(&mut *transaction).await?;
        }
        if found < self.migrations.len() {
            let mark = format!("PRAGMA application_id = {}; PRAGMA user_version = {};", self.id, self.known());
            sqlx::raw_sql(AssertSqlSafe(mark)).execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    fn known(&self) -> i64 {
        i64::try_from(self.migrations.len()).unwrap_or(i64::MAX)
    }
}
