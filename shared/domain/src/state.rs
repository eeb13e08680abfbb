//! What a history adds up to.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use crate::{
    Address, CredentialHash, Customer, DomainName, KeyId, Person, Plan, PolicyVersion, Position, Quota, Rejection,
    Sealed, Usage, UserId,
};

/// The consistency boundary: one domain, one plan, its users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EmailService {
    /// Nothing has happened yet.
    #[default]
    Unprovisioned,
    /// It exists, for good.
    Provisioned(Provisioned),
}

/// A service that exists, and its users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provisioned {
    /// The service's own part.
    pub service: Service,
    /// Its users, removed ones included, erased ones not.
    pub users: BTreeMap<UserId, User>,
    /// The addresses that are taken, and by whom.
    pub(crate) by_address: HashMap<Address, UserId>,
}

impl EmailService {
    /// The service, or the refusal that there is none.
    pub fn provisioned(&self) -> Result<&Provisioned, Rejection> {
        match self {
            Self::Provisioned(provisioned) => Ok(provisioned),
            Self::Unprovisioned => Err(Rejection::ServiceUnknown),
        }
    }
}

impl Provisioned {
    /// Any user that has not been erased.
    pub fn user(&self, id: UserId) -> Result<&User, Rejection> {
        self.users.get(&id).ok_or(Rejection::UserUnknown)
    }

    /// A user that can be edited: one that has not been removed.
    pub fn present_user(&self, id: UserId) -> Result<&User, Rejection> {
        self.user(id).and_then(|user| match user.state {
            UserState::Removed => Err(Rejection::UserUnknown),
            UserState::Active | UserState::Suspended => Ok(user),
        })
    }

    /// Whose an address is, removed users included.
    pub fn by_address(&self, address: &Address) -> Option<UserId> {
        self.by_address.get(address).copied()
    }

    /// Refuses what would leave the plan.
    pub(crate) fn room(&self, before: Usage, after: Usage) -> Result<(), Rejection> {
        let usage = self.service.usage.replace(before, after).ok_or(Rejection::PoolExceeded { available_bytes: 0 })?;
        let plan = self.service.plan;
        if usage.mailboxes > plan.mailboxes() {
            return Err(Rejection::PlanFull { allowed: plan.mailboxes() });
        }
        if usage.allotted_bytes > plan.pool_bytes() {
            let others = self.service.usage.allotted_bytes - before.allotted_bytes;
            return Err(Rejection::PoolExceeded { available_bytes: plan.pool_bytes().saturating_sub(others) });
        }
        Ok(())
    }
}

/// The service's own part of the state: one row of the read model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The domain that it serves.
    pub domain: DomainName,
    /// Whose it is.
    pub customer: Customer,
    /// What it may use.
    pub plan: Plan,
    /// The key for what is private in entries about the service itself.
    pub key: KeyId,
    /// What its users take of the plan.
    pub usage: Usage,
    /// The position of the last entry about the service itself.
    pub revision: Position,
}

impl Service {
    /// Refuses where the caller insists on another revision than the present one.
    pub(crate) fn expect(&self, given: Option<Position>) -> Result<(), Rejection> {
        expect(self.revision, given)
    }
}

fn expect(current: Position, given: Option<Position>) -> Result<(), Rejection> {
    match given.filter(|given| *given != current) {
        Some(given) => Err(Rejection::StaleRevision { given, current }),
        None => Ok(()),
    }
}

/// A user's part of the state: one row of the read model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Address and names, and the profile key that they are sealed under.
    pub person: Sealed<Person>,
    /// The mailbox's quota.
    pub quota: Quota,
    /// Whether the user can sign in.
    pub state: UserState,
    /// What signs in; none before the first password and after removal.
    pub credential: Option<Credential>,
    /// The position of the user's last entry.
    pub revision: Position,
}

impl User {
    /// Refuses where the caller insists on another revision than the present one.
    pub(crate) fn expect(&self, given: Option<Position>) -> Result<(), Rejection> {
        expect(self.revision, given)
    }

    /// What the user takes of the plan.
    pub fn usage(&self) -> Usage {
        match self.state {
            UserState::Active | UserState::Suspended => Usage { mailboxes: 1, allotted_bytes: self.quota.bytes() },
            UserState::Removed => Usage::default(),
        }
    }
}

/// Where a user stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserState {
    /// Signs in.
    Active,
    /// Does not sign in for now; keeps address, mailbox and quota.
    Suspended,
    /// Does not sign in any more; only the address is kept, so that no stranger inherits it.
    Removed,
}

impl UserState {
    /// The state as the API and the read model spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Removed => "removed",
        }
    }

    /// Reads a state as [`UserState::as_str`] spells it.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Suspended, Self::Removed].into_iter().find(|state| state.as_str() == text)
    }
}

/// The password that signs in, as far as the domain knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The hash, and the key that it is sealed under.
    pub hash: Sealed<CredentialHash>,
    /// The policy by which the password was judged.
    pub policy: PolicyVersion,
    /// The position of the entry that set it: the credential's revision.
    pub revision: Position,
    /// When it was set.
    pub changed_at: DateTime<Utc>,
}
