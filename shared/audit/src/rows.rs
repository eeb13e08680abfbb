//! Rows: a lossless image of the state, one for each service and each user.

use std::collections::{HashMap, HashSet};

use domain::{Position, Service, ServiceId, User, UserId};
use ledger::{Frontier, Hash, Node};
use wire::{Body, Link, LogId, Opened};

/// How far the log has been applied to a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The log that it was built from.
    pub log: LogId,
    /// The last position that was applied.
    pub position: Position,
    /// The leaf hash of the entry there; none before the first.
    pub leaf: Option<Hash>,
    /// The frontier of the log's Merkle tree up to there.
    pub frontier: Frontier,
}

impl Applied {
    /// Nothing of `log` yet.
    pub fn nothing(log: LogId) -> Self {
        Self { log, position: Position::START, leaf: None, frontier: Frontier::default() }
    }
}

/// A service's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRow {
    /// Its id.
    pub id: ServiceId,
    /// Its part of the state.
    pub service: Service,
    /// The last entry on its subject, which the next one must name.
    pub last: Link,
}

/// A user's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    /// Its id.
    pub id: UserId,
    /// The service that it belongs to.
    pub service: ServiceId,
    /// Its part of the state.
    pub user: User,
}

/// What a batch of entries touches.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    /// Services.
    pub services: HashSet<ServiceId>,
    /// Users.
    pub users: HashSet<UserId>,
}

/// Rows that were there, by id.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Services.
    pub services: HashMap<ServiceId, ServiceRow>,
    /// Users.
    pub users: HashMap<UserId, UserRow>,
}

impl Rows {
    /// Adds others.
    pub fn extend(&mut self, others: Self) {
        self.services.extend(others.services);
        self.users.extend(others.users);
    }
}

/// An entry as a leaf of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Where it stands in the log: it is leaf `position - 1` of the tree.
    pub position: Position,
    /// The hash of its stored bytes.
    pub hash: Hash,
    /// The user whom it is about, if it is about one: so that one user's history is found by its id.
    pub user: Option<UserId>,
}

impl Leaf {
    /// An entry's.
    pub fn of(opened: &Opened) -> Self {
        let user = match &opened.change.body {
            Body::Service { user, .. } => *user,
            Body::LogCreated { .. } => None,
        };
        Self { position: opened.link.position, hash: opened.link.leaf, user }
    }
}

/// What a batch of entries makes of the rows that it touches.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Services as they are now.
    pub services: Vec<ServiceRow>,
    /// Users as they are now.
    pub users: Vec<UserRow>,
    /// Users that are no more.
    pub erased: Vec<UserId>,
    /// The entries as leaves of the ledger, in their order: all of them, or none where the ledger is not written.
    pub leaves: Vec<Leaf>,
    /// The nodes above the leaves that are whole with them.
    pub nodes: Vec<Node>,
    /// How far the log is applied with this batch.
    pub to: Applied,
}
