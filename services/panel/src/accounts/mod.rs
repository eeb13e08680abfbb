//! Panel accounts and their sessions, in a SQLite file of the panel's own.
//!
//! An account belongs to one customer. What it may see and change is what the services let that customer: this file knows
//! nothing of mailboxes. A session is a random token that only its cookie holds; the file has its SHA-256. Whoever is disabled or
//! gets another password loses every session in the same transaction.

mod account;
mod sessions;
mod sqlite;

pub use account::{Account, AccountName, AccountNameError, ListedAccount};
pub use sessions::{Limits, SessionToken};
pub use sqlite::{Accounts, AccountsError};
