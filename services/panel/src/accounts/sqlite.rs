//! The file: accounts and sessions.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{CredentialHash, Customer};
use postkey_sqlite::{Application, NotOurs, make_private, said};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Connection, Row, SqliteConnection};
use uuid::Uuid;

use super::account::{Account, AccountName, ListedAccount};
use super::sessions::{Limits, SessionToken};

/// What the file is known by: `pkpn`. A session goes with its account, or when that may no longer sign in.
const FILE: Application = Application {
    what: "a panel's accounts",
    id: 0x706b_706e,
    migrations: &["
        CREATE TABLE account (
            id BLOB PRIMARY KEY CHECK (length(id) = 16), name TEXT NOT NULL UNIQUE, customer TEXT NOT NULL,
            hash TEXT NOT NULL, disabled INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
        CREATE TABLE session (
            digest BLOB PRIMARY KEY CHECK (length(digest) = 32), account BLOB NOT NULL REFERENCES account (id),
            made INTEGER NOT NULL, seen INTEGER NOT NULL) WITHOUT ROWID;
        CREATE INDEX session_account ON session (account);"],
};
/// A session's last request is written down at most this often: a click is no write.
const SEEN_EVERY: i64 = 30;

/// Panel accounts and sessions in a SQLite file. The panel and the command that adds accounts may have it open at once.
#[derive(Clone, Debug)]
pub struct Accounts(SqlitePool);

/// Why there is no answer; no value of the file is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountsError {
    /// The file can't be used now, or is another program's.
    #[error("{0}")]
    Unavailable(String),
    /// The name is taken.
    #[error("there is an account {0} already: `passwd` gives it another password")]
    NameTaken(AccountName),
    /// There is none of this name.
    #[error("there is no account {0}: `add` makes one")]
    Unknown(AccountName),
}

impl From<sqlx::Error> for AccountsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(said(&error))
    }
}

impl Accounts {
    /// Opens the file, and makes it (mode 0600) where there is none.
    ///
    /// # Errors
    /// Where it can't be read or written, or is another program's.
    pub async fn open(path: &Path) -> Result<Self, AccountsError> {
        let named = |what: String| AccountsError::Unavailable(format!("{}: {what}", path.display()));
        make_private(path).map_err(|error| named(error.to_string()))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Delete)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("secure_delete", "ON")
            .busy_timeout(Duration::from_secs(5));
        let connected = SqliteConnection::connect_with(&options).await;
        let mut connection = connected.map_err(|error| named(said(&error)))?;
        FILE.prepare(&mut connection).await.map_err(|error| match error {
            NotOurs::Sqlite(error) => named(said(&error)),
            other => named(other.to_string()),
        })?;
        connection.close().await?;
        Ok(Self(SqlitePoolOptions::new().max_connections(4).test_before_acquire(false).connect_lazy_with(options)))
    }

    /// Closes the file.
    pub async fn close(&self) {
        self.0.close().await;
    }

    /// Whether there is any account.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub async fn any(&self) -> Result<bool, AccountsError> {
        Ok(sqlx::query("SELECT 1 FROM account LIMIT 1").fetch_optional(&self.0).await?.is_some())
    }

    /// Adds an account.
    ///
    /// # Errors
    /// [`AccountsError::NameTaken`], also by one that is disabled.
    pub async fn add(&self, account: &Account) -> Result<(), AccountsError> {
        let added = sqlx::query(
            "INSERT INTO account (id, name, customer, hash) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(account.id)
        .bind(account.name.as_str())
        .bind(account.customer.as_str())
        .bind(account.hash.expose())
        .execute(&self.0)
        .await?;
        if added.rows_affected() == 1 { Ok(()) } else { Err(AccountsError::NameTaken(account.name.clone())) }
    }

    /// Gives an account another password, lets it sign in, and ends its sessions.
    ///
    /// # Errors
    /// [`AccountsError::Unknown`].
    pub async fn set_password(&self, name: &AccountName, hash: &CredentialHash) -> Result<(), AccountsError> {
        self.change(name, Some(hash.expose()), false).await
    }

    /// Lets an account sign in no more, and ends its sessions.
    ///
    /// # Errors
    /// [`AccountsError::Unknown`].
    pub async fn disable(&self, name: &AccountName) -> Result<(), AccountsError> {
        self.change(name, None, true).await
    }

    async fn change(&self, name: &AccountName, hash: Option<&str>, disabled: bool) -> Result<(), AccountsError> {
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        let changed =
            sqlx::query("UPDATE account SET hash = coalesce($2, hash), disabled = $3 WHERE name = $1 RETURNING id")
                .bind(name.as_str())
                .bind(hash)
                .bind(disabled)
                .fetch_optional(&mut *transaction)
                .await?;
        let Some(row) = changed else { return Err(AccountsError::Unknown(name.clone())) };
        let id: Uuid = row.try_get(0)?;
        sqlx::query("DELETE FROM session WHERE account = $1").bind(id).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// The account of a name, if it may sign in.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub async fn by_name(&self, name: &AccountName) -> Result<Option<Account>, AccountsError> {
        let row = sqlx::query("SELECT id, name, customer, hash FROM account WHERE name = $1 AND disabled = 0")
            .bind(name.as_str())
            .fetch_optional(&self.0)
            .await?;
        row.map(|row| account(&row)).transpose()
    }

    /// Every account, by name; disabled ones too.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub async fn list(&self) -> Result<Vec<ListedAccount>, AccountsError> {
        let rows = sqlx::query("SELECT name, customer, disabled FROM account ORDER BY name").fetch_all(&self.0).await?;
        let listed = |row: &SqliteRow| {
            Ok(ListedAccount { name: name(row, 0)?, customer: customer(row, 1)?, disabled: row.try_get(2)? })
        };
        rows.iter().map(listed).collect()
    }

    /// The names of a customer's accounts, by their ids; disabled ones too, for they have acted once.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub async fn names_of(&self, customer: &Customer) -> Result<Vec<(Uuid, String)>, AccountsError> {
        let rows = sqlx::query("SELECT id, name FROM account WHERE customer = $1").bind(customer.as_str());
        let rows = rows.fetch_all(&self.0).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// Begins a session of an account at `now`, if that may still sign in with this very password, and forgets those that have
    /// ended. `false` where the account was changed meanwhile.
    ///
    /// # Errors
    /// Where the file can't be written.
    pub async fn begin(
        &self,
        account: &Account,
        token: &SessionToken,
        limits: Limits,
        now: DateTime<Utc>,
    ) -> Result<bool, AccountsError> {
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        let (idle, whole) = oldest(limits, now);
        sqlx::query("DELETE FROM session WHERE seen <= $1 OR made <= $2")
            .bind(idle)
            .bind(whole)
            .execute(&mut *transaction)
            .await?;
        let begun = sqlx::query(
            "INSERT INTO session (digest, account, made, seen) SELECT $1, id, $2, $2 FROM account \
             WHERE id = $3 AND hash = $4 AND disabled = 0",
        )
        .bind(token.digest().as_slice())
        .bind(now.timestamp())
        .bind(account.id)
        .bind(account.hash.expose())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(begun.rows_affected() == 1)
    }

    /// Whose session this is at `now`; that it was used is noted, if it can be. `None` where it has ended, or never was.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub async fn of_session(
        &self,
        token: &SessionToken,
        limits: Limits,
        now: DateTime<Utc>,
    ) -> Result<Option<Account>, AccountsError> {
        let (idle, whole) = oldest(limits, now);
        let digest = token.digest();
        let row = sqlx::query(
            "SELECT a.id, a.name, a.customer, a.hash, s.seen FROM session s JOIN account a ON a.id = s.account \
             WHERE s.digest = $1 AND s.seen > $2 AND s.made > $3 AND a.disabled = 0",
        )
        .bind(digest.as_slice())
        .bind(idle)
        .bind(whole)
        .fetch_optional(&self.0)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let step = SEEN_EVERY.min(i64::try_from(limits.idle.as_secs() / 4).unwrap_or(SEEN_EVERY));
        if row.try_get::<i64, _>(4)? + step <= now.timestamp() {
            let noted = sqlx::query("UPDATE session SET seen = $2 WHERE digest = $1")
                .bind(digest.as_slice())
                .bind(now.timestamp())
                .execute(&self.0)
                .await;
            // On a full disk the session may end early; who has signed in can go on until then.
            if let Err(error) = noted {
                tracing::warn!(error = said(&error), "that a session was used can't be noted");
            }
        }
        account(&row).map(Some)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// Where the file can't be written.
    pub async fn end(&self, token: &SessionToken) -> Result<(), AccountsError> {
        let digest = token.digest();
        sqlx::query("DELETE FROM session WHERE digest = $1").bind(digest.as_slice()).execute(&self.0).await?;
        Ok(())
    }
}

/// Sessions that were seen last, or made, at these instants or earlier have ended.
fn oldest(limits: Limits, now: DateTime<Utc>) -> (i64, i64) {
    let before = |limit: Duration| now.timestamp().saturating_sub(i64::try_from(limit.as_secs()).unwrap_or(i64::MAX));
    (before(limits.idle), before(limits.whole))
}

fn account(row: &SqliteRow) -> Result<Account, AccountsError> {
    let hash = CredentialHash::parse(row.try_get(3)?).map_err(|_| nonsense())?;
    Ok(Account { id: row.try_get(0)?, name: name(row, 1)?, customer: customer(row, 2)?, hash })
}

fn name(row: &SqliteRow, at: usize) -> Result<AccountName, AccountsError> {
    AccountName::parse(row.try_get(at)?).map_err(|_| nonsense())
}

fn customer(row: &SqliteRow, at: usize) -> Result<Customer, AccountsError> {
    Customer::parse(row.try_get(at)?).map_err(|_| nonsense())
}

fn nonsense() -> AccountsError {
    AccountsError::Unavailable("it holds an account that was never stored".to_owned())
}

#[cfg(test)]
mod tests;
