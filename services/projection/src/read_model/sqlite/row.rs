//! Columns and the types they hold: what a row can't say is named as damage.

use domain::{
    Address, Credential, CredentialHash, Customer, DomainName, Erasable, KeyId, Name, Person, Plan, PolicyVersion,
    Position, Quota, Sealed, Service, ServiceId, Usage, User, UserId, UserState,
};
use ledger::{Frontier, Hash};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;
use wire::{Link, LogId};

use super::super::{Applied, ReadModelError, ServiceRow, UserRow, instant};

/// The columns of `service` in the order in which they are read and written, the generation aside.
pub const SERVICE_COLUMNS: &str = "service, domain, customer, plan_mailboxes, plan_pool_bytes, used_mailboxes, \
     used_bytes, private_key, revision, last_position, last_leaf";
/// The columns of `mailbox_user` likewise.
pub const USER_COLUMNS: &str = "user, service, address, first_name, last_name, profile_key, quota_mib, state, \
     credential_key, password_hash, policy, credential_revision, credential_changed_at, revision";

/// What is wrong, without the value.
pub fn damaged(what: impl std::fmt::Display) -> ReadModelError {
    ReadModelError::Damaged(what.to_string())
}

/// A row whose columns are read one after the other.
struct Reader<'r> {
    row: &'r SqliteRow,
    next: usize,
}

impl<'r> Reader<'r> {
    const fn new(row: &'r SqliteRow) -> Self {
        Self { row, next: 0 }
    }

    fn get<T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>>(&mut self) -> Result<T, ReadModelError> {
        self.next += 1;
        self.row.try_get(self.next - 1).map_err(|_| damaged(format!("column {} of a row has another type", self.next)))
    }

    /// A value parsed from its column; the message never holds the value.
    fn parsed<T, U>(&mut self, parse: impl FnOnce(T) -> Option<U>) -> Result<U, ReadModelError>
    where
        T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    {
        let value = self.get::<T>()?;
        parse(value).ok_or_else(|| damaged(format!("column {} of a row has a value that can't be", self.next)))
    }

    fn uuid(&mut self) -> Result<Uuid, ReadModelError> {
        self.parsed(|bytes: &[u8]| Uuid::from_slice(bytes).ok())
    }

    fn number(&mut self) -> Result<u64, ReadModelError> {
        self.parsed(|number: i64| u64::try_from(number).ok())
    }

    fn position(&mut self) -> Result<Position, ReadModelError> {
        self.number().map(Position::new)
    }
}

fn hash(bytes: &[u8]) -> Option<Hash> {
    bytes.try_into().ok().map(Hash)
}

/// Reads `log, position, leaf, frontier`; `None` where nothing was ever applied.
pub fn applied(row: &SqliteRow) -> Result<Option<Applied>, ReadModelError> {
    let mut row = Reader::new(row);
    let Some(log) = row.parsed(|bytes: Option<&[u8]>| match bytes {
        None => Some(None),
        Some(bytes) => Uuid::from_slice(bytes).ok().map(|id| Some(LogId::new(id))),
    })?
    else {
        return match row.position()? {
            Position::START => Ok(None),
            _ => Err(damaged("a position is applied, but of no log")),
        };
    };
    let position = row.position()?;
    let leaf = row.parsed(|bytes: Option<&[u8]>| match bytes {
        None => Some(None),
        Some(bytes) => hash(bytes).map(Some),
    })?;
    let frontier = row.parsed(|bytes: &[u8]| Frontier::from_bytes(bytes).ok())?;
    if frontier.size() != position.get() {
        return Err(damaged("the applied position is not that of its frontier"));
    }
    Ok(Some(Applied { log, position, leaf, frontier }))
}

/// Reads [`SERVICE_COLUMNS`].
pub fn service(row: &SqliteRow) -> Result<ServiceRow, ReadModelError> {
    let mut row = Reader::new(row);
    let id = ServiceId::new(row.uuid()?);
    let domain = row.parsed(|text: &str| DomainName::parse(text).ok())?;
    let customer = row.parsed(|text: &str| Customer::parse(text).ok())?;
    let (mailboxes, pool) = (row.number()?, row.number()?);
    let plan = Plan::new(mailboxes, pool).map_err(damaged)?;
    let usage =
        Usage { mailboxes: row.parsed(|number: i64| u32::try_from(number).ok())?, allotted_bytes: row.number()? };
    let key = KeyId::new(row.uuid()?);
    let revision = row.position()?;
    let last = Link { position: row.position()?, leaf: row.parsed(hash)? };
    Ok(ServiceRow { id, service: Service { domain, customer, plan, key, usage, revision }, last })
}

/// Reads [`USER_COLUMNS`].
pub fn user(row: &SqliteRow) -> Result<UserRow, ReadModelError> {
    let mut row = Reader::new(row);
    let id = UserId::new(row.uuid()?);
    let service = ServiceId::new(row.uuid()?);
    let (address, first, last) = (row.get::<Option<&str>>()?, row.get::<Option<&str>>()?, row.get::<Option<&str>>()?);
    let value = match (address, first, last) {
        (None, None, None) => Erasable::Erased,
        (Some(address), Some(first), Some(last)) => {
            let person = || {
                let (first_name, last_name) = (Name::parse(first).ok()?, Name::parse(last).ok()?);
                Some(Person { address: Address::parse(address).ok()?, first_name, last_name })
            };
            Erasable::Known(person().ok_or_else(|| damaged(format!("the address or a name of user {id} can't be")))?)
        }
        _ => return Err(damaged(format!("user {id} is half erased"))),
    };
    let person = Sealed { key: KeyId::new(row.uuid()?), value };
    let quota = row.parsed(|mib: i64| Quota::from_mib(u64::try_from(mib).ok()?).ok())?;
    let state = row.parsed(UserState::parse)?;
    let credential = credential(&mut row)?;
    let revision = row.position()?;
    Ok(UserRow { id, service, user: User { person, quota, state, credential, revision } })
}

fn credential(row: &mut Reader<'_>) -> Result<Option<Credential>, ReadModelError> {
    let key = row.get::<Option<&[u8]>>()?;
    let hash = row.get::<Option<String>>()?;
    let (policy, revision, changed_at) =
        (row.get::<Option<&str>>()?, row.get::<Option<i64>>()?, row.get::<Option<i64>>()?);
    let Some(key) = key else {
        let nothing = hash.is_none() && policy.is_none() && revision.is_none() && changed_at.is_none();
        return if nothing { Ok(None) } else { Err(damaged("a credential of a row has no key")) };
    };
    let read = || {
        Some(Credential {
            hash: Sealed {
                key: KeyId::new(Uuid::from_slice(key).ok()?),
                value: match hash {
                    Some(phc) => Erasable::Known(CredentialHash::parse(phc).ok()?),
                    None => Erasable::Erased,
                },
            },
            policy: PolicyVersion::parse(policy?).ok()?,
            revision: Position::new(u64::try_from(revision?).ok()?),
            changed_at: instant(changed_at?)?,
        })
    };
    read().map(Some).ok_or_else(|| damaged("a credential of a row can't be"))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A service's columns as a JSON array, bytes in hexadecimal.
pub fn service_json(row: &ServiceRow) -> Value {
    let service = &row.service;
    json!([
        hex(row.id.as_bytes()),
        service.domain.as_str(),
        service.customer.as_str(),
        service.plan.mailboxes(),
        service.plan.pool_bytes(),
        service.usage.mailboxes,
        service.usage.allotted_bytes,
        hex(service.key.as_bytes()),
        service.revision.get(),
        row.last.position.get(),
        hex(&row.last.leaf.0),
    ])
}

/// A user's columns as a JSON array, bytes in hexadecimal.
pub fn user_json(row: &UserRow) -> Value {
    let user = &row.user;
    let person = user.person.value.known();
    let credential = user.credential.as_ref();
    json!([
        hex(row.id.as_bytes()),
        hex(row.service.as_bytes()),
        person.map(|person| person.address.as_str()),
        person.map(|person| person.first_name.as_str()),
        person.map(|person| person.last_name.as_str()),
        hex(user.person.key.as_bytes()),
        user.quota.mib(),
        user.state.as_str(),
        credential.map(|credential| hex(credential.hash.key.as_bytes())),
        credential.and_then(|credential| credential.hash.value.known()).map(CredentialHash::expose),
        credential.map(|credential| credential.policy.as_str()),
        credential.map(|credential| credential.revision.get()),
        credential.map(|credential| credential.changed_at.timestamp_micros()),
        user.revision.get(),
    ])
}

/// Ids as a JSON array of hexadecimal text.
pub fn ids_json<'a>(ids: impl Iterator<Item = &'a [u8; 16]>) -> String {
    Value::from(ids.map(|id| hex(id)).collect::<Vec<_>>()).to_string()
}
