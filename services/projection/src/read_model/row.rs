//! Columns and the types they hold, the same in every database: what a row can't say is named as damage.

use chrono::{DateTime, Utc};
use domain::{
    Address, Credential, CredentialHash, Customer, DomainName, Erasable, KeyId, Name, Person, Plan, PolicyVersion,
    Position, Quota, Sealed, Service, ServiceId, Usage, User, UserId, UserState,
};
use ledger::{Frontier, Hash, Node};
use uuid::Uuid;
use wire::{Link, LogId};

use super::{Applied, LedgerState, LiveRows, LoginRow, ReadModelError, ServiceRow, UserRow};

/// The columns of `service` in the order in which they are read and written, the generation aside.
pub const SERVICE_COLUMNS: [&str; 11] = [
    "service",
    "domain",
    "customer",
    "plan_mailboxes",
    "plan_pool_bytes",
    "used_mailboxes",
    "used_bytes",
    "private_key",
    "revision",
    "last_position",
    "last_leaf",
];
/// The columns of `mailbox_user` in the order in which they are read.
pub const USER_COLUMNS: [&str; 14] = [
    "user",
    "service",
    "address",
    "first_name",
    "last_name",
    "profile_key",
    "quota_mib",
    "state",
    "credential_key",
    "password_hash",
    "policy",
    "credential_revision",
    "credential_changed_at",
    "revision",
];
/// The columns of `mailbox_user` in the order in which they are written: behind the others the one that follows from them,
/// and is not compared nor read back.
pub const WRITTEN_USER_COLUMNS: [&str; USER_COLUMNS.len() + 1] = {
    let mut all = ["search_text"; USER_COLUMNS.len() + 1];
    let mut at = 0;
    while at < USER_COLUMNS.len() {
        all[at] = USER_COLUMNS[at];
        at += 1;
    }
    all
};

/// What is wrong, without the value.
pub fn damaged(what: impl std::fmt::Display) -> ReadModelError {
    ReadModelError::Damaged(what.to_string())
}

/// A column holds a value of another type, or one that its type can't be.
pub struct WrongType;

/// A column as it stands in a row; `None` where it is null.
pub type Column<T> = Result<Option<T>, WrongType>;

/// How the columns of a database's row are read, by their place.
pub trait Columns {
    /// Bytes.
    fn bytes(&self, at: usize) -> Column<&[u8]>;
    /// Text.
    fn text(&self, at: usize) -> Column<&str>;
    /// A whole number.
    fn number(&self, at: usize) -> Column<i64>;
    /// Whether something is so.
    fn truth(&self, at: usize) -> Column<bool>;
    /// An id.
    fn uuid(&self, at: usize) -> Column<Uuid>;
    /// An instant, to the microsecond.
    fn instant(&self, at: usize) -> Column<DateTime<Utc>>;
}

/// A row whose columns are read one after the other.
struct Reader<'r, C> {
    row: &'r C,
    next: usize,
}

impl<'r, C: Columns> Reader<'r, C> {
    const fn new(row: &'r C) -> Self {
        Self { row, next: 0 }
    }

    /// The next column, which may be null.
    fn may<T>(&mut self, read: impl FnOnce(&'r C, usize) -> Column<T>) -> Result<Option<T>, ReadModelError> {
        self.next += 1;
        read(self.row, self.next - 1)
            .map_err(|WrongType| damaged(format!("column {} of a row has another type", self.next)))
    }

    fn must<T>(&mut self, read: impl FnOnce(&'r C, usize) -> Column<T>) -> Result<T, ReadModelError> {
        self.may(read)?.ok_or_else(|| damaged(format!("column {} of a row is empty", self.next)))
    }

    /// A value parsed from its column; the message never holds the value.
    fn parsed<T, U>(
        &mut self,
        read: impl FnOnce(&'r C, usize) -> Column<T>,
        parse: impl FnOnce(T) -> Option<U>,
    ) -> Result<U, ReadModelError> {
        let value = self.must(read)?;
        parse(value).ok_or_else(|| damaged(format!("column {} of a row has a value that can't be", self.next)))
    }

    fn number(&mut self) -> Result<u64, ReadModelError> {
        self.parsed(C::number, |number| u64::try_from(number).ok())
    }

    fn position(&mut self) -> Result<Position, ReadModelError> {
        self.number().map(Position::new)
    }
}

fn hash(bytes: &[u8]) -> Option<Hash> {
    bytes.try_into().ok().map(Hash)
}

/// Reads `log, position, leaf, frontier`; `None` where nothing was ever applied.
pub fn applied<C: Columns>(row: &C) -> Result<Option<Applied>, ReadModelError> {
    let mut row = Reader::new(row);
    let Some(log) = row.may(C::uuid)?.map(LogId::new) else {
        return match row.position()? {
            Position::START => Ok(None),
            _ => Err(damaged("a position is applied, but of no log")),
        };
    };
    let position = row.position()?;
    let leaf = match row.may(C::bytes)? {
        None => None,
        Some(bytes) => Some(hash(bytes).ok_or_else(|| damaged("the leaf of an applied position can't be"))?),
    };
    let frontier = row.parsed(C::bytes, |bytes| Frontier::from_bytes(bytes).ok())?;
    if frontier.size() != position.get() {
        return Err(damaged("the applied position is not that of its frontier"));
    }
    Ok(Some(Applied { log, position, leaf, frontier }))
}

/// Reads `log, position, leaf, frontier` of the live generation, and `position, leaf` of the ledger's end, both null where it
/// is empty.
pub fn ledger<C: Columns>(row: &C) -> Result<LedgerState, ReadModelError> {
    let applied = applied(row)?;
    let mut end = Reader { row, next: 4 };
    let (size, last) = match (end.may(C::number)?, end.may(C::bytes)?) {
        (None, None) => (Position::START, None),
        (Some(size), Some(last)) => {
            let size = u64::try_from(size).ok().filter(|size| *size > 0);
            let size = size.ok_or_else(|| damaged("a leaf of the ledger at a position below one"))?;
            let last = hash(last)
                .ok_or_else(|| damaged(format!("the hash of the ledger's leaf at position {size} can't be")))?;
            (Position::new(size), Some(last))
        }
        _ => return Err(damaged("a leaf of the ledger without its hash")),
    };
    Ok(LedgerState { applied, size, last })
}

/// Reads `index, hash` of a node of a level.
pub fn node<C: Columns>(level: u8, row: &C) -> Result<Node, ReadModelError> {
    let mut row = Reader::new(row);
    let index = row.number()?;
    let hash = row.may(C::bytes)?.and_then(hash);
    let hash =
        hash.ok_or_else(|| damaged(format!("node {index} of level {level} of the ledger has a hash that can't be")))?;
    Ok(Node { level, index, hash })
}

/// A number as databases count: none is beyond the largest that they count to.
pub fn counted(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads `position, leaf`.
pub fn link<C: Columns>(row: &C) -> Result<Link, ReadModelError> {
    let mut row = Reader::new(row);
    Ok(Link { position: row.position()?, leaf: row.parsed(C::bytes, hash)? })
}

/// Reads whom the entry at a position is about.
pub fn about<C: Columns>(row: &C) -> Result<(Position, Option<UserId>), ReadModelError> {
    let mut row = Reader::new(row);
    Ok((row.position()?, row.may(C::uuid)?.map(UserId::new)))
}

/// Reads the applied position, and whether there are rows that no search finds.
pub fn live_rows<C: Columns>(row: &C) -> Result<LiveRows, ReadModelError> {
    let mut row = Reader::new(row);
    Ok(LiveRows { applied: row.position()?, searchable: !row.must(C::truth)? })
}

/// Reads [`USER_COLUMNS`], all of them null where there is no user, and the applied position behind them.
pub fn login<C: Columns>(row: &C) -> Result<LoginRow, ReadModelError> {
    let mut behind = Reader { row, next: USER_COLUMNS.len() };
    let applied = behind.position()?;
    let user = match Reader::new(row).may(C::uuid)? {
        None => None,
        Some(_) => Some(user(row)?),
    };
    Ok(LoginRow { applied, user })
}

/// Reads [`SERVICE_COLUMNS`].
pub fn service<C: Columns>(row: &C) -> Result<ServiceRow, ReadModelError> {
    let mut row = Reader::new(row);
    let id = ServiceId::new(row.must(C::uuid)?);
    let domain = row.parsed(C::text, |text| DomainName::parse(text).ok())?;
    let customer = row.parsed(C::text, |text| Customer::parse(text).ok())?;
    let (mailboxes, pool) = (row.number()?, row.number()?);
    let plan = Plan::new(mailboxes, pool).map_err(damaged)?;
    let used = row.parsed(C::number, |number| u32::try_from(number).ok())?;
    let usage = Usage { mailboxes: used, allotted_bytes: row.number()? };
    let key = KeyId::new(row.must(C::uuid)?);
    let revision = row.position()?;
    let last = Link { position: row.position()?, leaf: row.parsed(C::bytes, hash)? };
    Ok(ServiceRow { id, service: Service { domain, customer, plan, key, usage, revision }, last })
}

/// Reads [`USER_COLUMNS`].
pub fn user<C: Columns>(row: &C) -> Result<UserRow, ReadModelError> {
    let mut row = Reader::new(row);
    let id = UserId::new(row.must(C::uuid)?);
    let service = ServiceId::new(row.must(C::uuid)?);
    let value = match (row.may(C::text)?, row.may(C::text)?, row.may(C::text)?) {
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
    let person = Sealed { key: KeyId::new(row.must(C::uuid)?), value };
    let quota = row.parsed(C::number, |mib| Quota::from_mib(u64::try_from(mib).ok()?).ok())?;
    let state = row.parsed(C::text, UserState::parse)?;
    let credential = credential(&mut row)?;
    let revision = row.position()?;
    Ok(UserRow { id, service, user: User { person, quota, state, credential, revision } })
}

fn credential<C: Columns>(row: &mut Reader<'_, C>) -> Result<Option<Credential>, ReadModelError> {
    let (key, hash) = (row.may(C::uuid)?, row.may(C::text)?);
    let (policy, revision, changed_at) = (row.may(C::text)?, row.may(C::number)?, row.may(C::instant)?);
    let Some(key) = key else {
        let nothing = hash.is_none() && policy.is_none() && revision.is_none() && changed_at.is_none();
        return if nothing { Ok(None) } else { Err(damaged("a credential of a row has no key")) };
    };
    let read = || {
        Some(Credential {
            hash: Sealed {
                key: KeyId::new(key),
                value: match hash {
                    Some(phc) => Erasable::Known(CredentialHash::parse(phc.to_owned()).ok()?),
                    None => Erasable::Erased,
                },
            },
            policy: PolicyVersion::parse(policy?).ok()?,
            revision: Position::new(u64::try_from(revision?).ok()?),
            changed_at: changed_at?,
        })
    };
    read().map(Some).ok_or_else(|| damaged("a credential of a row can't be"))
}
