//! What an error of PostgreSQL means to whoever meets it.

use std::io;

use sqlx::postgres::PgDatabaseError;

/// The kinds of failure that callers act on differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server can't be reached, is starting or stopping, or has no connection left: wait and connect again.
    Away,
    /// Somebody else was in the way (a lock, a serialization conflict, a deadlock), or it took too long: try again.
    Conflict,
    /// The server refuses this role, its password, the database, or writing at all: a person has to grant it; nothing is
    /// damaged.
    Denied,
    /// There is no such table or column, or it is of another type: the schema was never made, is another version's, or was
    /// changed.
    Missing,
    /// The server's disk or memory is full.
    Full,
    /// A key that has to be unique was there already.
    Twice,
    /// What is stored is damaged, or not of its column's type.
    Damaged,
    /// Anything else.
    Other,
}

/// What kind of failure an error is. SQLSTATE codes are those of
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
pub fn fault(error: &sqlx::Error) -> Fault {
    match error {
        sqlx::Error::Database(error) => error.code().map_or(Fault::Other, |code| of_code(&code)),
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            Fault::Away
        }
        sqlx::Error::Tls(_) => Fault::Denied,
        // A column that isn't what the schema says it is, and a row that is always there and is not.
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => Fault::Damaged,
        _ => Fault::Other,
    }
}

fn of_code(code: &str) -> Fault {
    match code {
        // unique_violation
        "23505" => Fault::Twice,
        // insufficient_privilege; read_only_sql_transaction, as on a replica; invalid_catalog_name: no such database.
        "42501" | "25006" | "3D000" => Fault::Denied,
        // undefined_table, undefined_column, undefined_function, undefined_object, datatype_mismatch, invalid_schema_name
        "42P01" | "42703" | "42883" | "42704" | "42804" | "3F000" => Fault::Missing,
        // lock_not_available, query_canceled (a timeout), idle_in_transaction_session_timeout
        // and a statement that was prepared before a migration.
        "55P03" | "57014" | "25P03" | "0A000" | "26000" => Fault::Conflict,
        // too_many_connections
        "53300" => Fault::Away,
        _ => match code.get(..2) {
            // Connection exceptions; operator interventions: shutdown, crash of a backend, "starting up".
            Some("08" | "57") => Fault::Away,
            // serialization_failure, deadlock_detected and the like.
            Some("40") => Fault::Conflict,
            Some("28") => Fault::Denied,
            // disk_full, out_of_memory, configured limits.
            Some("53") => Fault::Full,
            // data_corrupted, index_corrupted; system errors outside PostgreSQL, such as a file that can't be read.
            Some("XX" | "58") => Fault::Damaged,
            _ => Fault::Other,
        },
    }
}

/// Whether the connection is of no more use, and every other one to this server is likely not to be either: the server is
/// gone, or the statements that were prepared are of a schema that has been migrated since.
pub fn is_dead(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // feature_not_supported ("cached plan must not change result type"), invalid_sql_statement_name
            code.starts_with("08") || code.starts_with("57P") || matches!(&*code, "0A000" | "26000")
        }),
        _ => matches!(error, sqlx::Error::Io(_)),
    }
}

/// An error in words for an operator. Of the server's own text only what names tables, roles and databases is repeated:
/// its other messages, and every detail, may hold the value of a column.
pub fn said(error: &sqlx::Error) -> String {
    let (code, text) = match error {
        sqlx::Error::Database(error) => (
            error.code().unwrap_or_default().into_owned(),
            error.try_downcast_ref::<PgDatabaseError>().map_or("", PgDatabaseError::message),
        ),
        sqlx::Error::Io(error) => return of_io(error),
        sqlx::Error::Tls(_) => {
            return "TLS can't be agreed on: look at `sslmode` and `sslrootcert` of the URL, and at the server's certificate"
                .to_owned();
        }
        _ if fault(error) == Fault::Damaged => return "a row is missing, or holds a value of another type".to_owned(),
        _ => return "PostgreSQL's answer can't be understood".to_owned(),
    };
    match code.as_str() {
        "28P01" | "28000" => {
            "PostgreSQL does not let this role in: look at the role, its password file and pg_hba.conf".to_owned()
        }
        "42501" => format!("{text}: this role may not; `postkey postgres setup`, run as the owner, grants it"),
        "25006" => "PostgreSQL takes no writes: it is a replica, or set to read only".to_owned(),
        "53100" => "PostgreSQL's disk is full: make room on it".to_owned(),
        "53300" => "PostgreSQL has no connection left: raise max_connections, or stop what holds them".to_owned(),
        "57P01" | "57P02" => "PostgreSQL is stopping".to_owned(),
        "57P03" => "PostgreSQL is starting or stopping".to_owned(),
        "57014" => "PostgreSQL took too long".to_owned(),
        "55P03" => "a lock was not let go of in time".to_owned(),
        "25P03" => "a transaction stood still for too long, and PostgreSQL ended it".to_owned(),
        "3D000" | "42P01" | "42703" | "42804" | "3F000" => format!("{text} (SQLSTATE {code})"),
        "XX001" | "XX002" => format!("PostgreSQL says that its data are corrupted (SQLSTATE {code}): see its log"),
        "" => "PostgreSQL failed, and does not say why".to_owned(),
        _ if code.starts_with("53") => format!("PostgreSQL has run out of a resource (SQLSTATE {code})"),
        _ => format!("PostgreSQL refused a statement (SQLSTATE {code}); its log says more"),
    }
}

fn of_io(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "PostgreSQL does not listen there (connection refused)".to_owned(),
        io::ErrorKind::TimedOut => "PostgreSQL does not answer".to_owned(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "PostgreSQL has closed the connection".to_owned()
        }
        _ => error.to_string(),
    }
}
