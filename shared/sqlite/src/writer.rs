//! A connection that writes, and is made anew after any failure.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Sqlite, Transaction};

/// The one connection that writes. A transaction that fails takes the connection with it, whatever the failure was: a
/// full disk leaves one behind that begins no more. The next transaction starts on a fresh one, so that there is one way
/// back to health and it is always the same.
pub struct Writer {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
}

impl Writer {
    /// Over a connection that was made with these options.
    pub const fn new(options: SqliteConnectOptions, connection: SqliteConnection) -> Self {
        Self { options, connection: Some(connection) }
    }

    /// Opens a connection with these options once it is needed.
    pub const fn lazy(options: SqliteConnectOptions) -> Self {
        Self { options, connection: None }
    }

    /// Begins a transaction that no other writer runs beside. Whoever fails in it calls [`Writer::failed`].
    ///
    /// # Errors
    /// Where the file can't be opened, or another process does not let go of its lock. Nothing has to be called then.
    pub async fn begin(&mut self) -> Result<Transaction<'_, Sqlite>, sqlx::Error> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => SqliteConnection::connect_with(&self.options).await?,
        };
        self.connection.insert(connection).begin_with("BEGIN IMMEDIATE").await
    }

    /// Lets go of the connection; closing it rolls back what was begun.
    pub async fn failed(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "closing a failed connection");
        }
    }

    /// Moves the write-ahead log into the file and closes the connection.
    pub async fn close(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await {
            tracing::warn!(%error, "a write-ahead log was left beside its file; the next start takes it in");
        }
        if let Err(error) = connection.close().await {
            tracing::debug!(%error, "closing a connection");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_file_takes_nothing_and_is_over_when_there_is_space() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = SqliteConnectOptions::new().filename(folder.path().join("db")).create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&options).await.expect("a connection");
        sqlx::query("CREATE TABLE t (x BLOB)").execute(&mut connection).await.expect("a table");
        sqlx::query("PRAGMA max_page_count = 10").execute(&mut connection).await.expect("a limit");
        let mut writer = Writer::new(options, connection);
        let mut failures = 0;
        for _ in 0..3 {
            // The limit is the connection's own: what follows a failure has room again.
            let written = async {
                let mut transaction = writer.begin().await?;
                sqlx::query("INSERT INTO t VALUES (zeroblob(100000))").execute(&mut *transaction).await?;
                transaction.commit().await
            };
            if written.await.is_err() {
                failures += 1;
                writer.failed().await;
            }
        }
        assert_eq!(failures, 1);
        writer.close().await;
        writer.close().await;
    }
}
