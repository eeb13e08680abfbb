//! What a batch of entries makes of the rows that it touches. Pure: rows in, rows out.

use std::collections::{HashMap, HashSet};

use domain::{Address, Erasable, Moment, Parts, Position, ServiceId, User, UserId, evolve_parts};
use ledger::Node;
use wire::{Body, Corrupt, Link, LogId, Opened};

use crate::rows::{Applied, Batch, Leaf, Rows, ServiceRow, Touched, UserRow};

/// What entries touch.
pub fn touched(entries: &[Opened]) -> Touched {
    let mut touched = Touched::default();
    for opened in entries {
        if let Body::Service { service, user, .. } = &opened.change.body {
            touched.services.insert(*service);
            touched.users.extend(*user);
        }
    }
    touched
}

/// Folds `entries`, which follow `applied`, onto the rows that they touch.
///
/// # Errors
/// At the first entry that does not follow what went before it.
pub fn fold(log: LogId, applied: Option<&Applied>, entries: &[Opened], rows: Rows) -> Result<Batch, Corrupt> {
    let mut to = applied.cloned().unwrap_or_else(|| Applied::nothing(log));
    let mut folding = Folding::new(rows);
    let touched = touched(entries);
    let (mut leaves, mut nodes) = (Vec::with_capacity(entries.len()), Vec::new());
    for opened in entries {
        to.follows(opened.link, &mut nodes)?;
        folding.take(log, opened)?;
        leaves.push(Leaf::of(opened));
    }
    let Folding { mut services, mut users, erased, .. } = folding;
    Ok(Batch {
        services: touched.services.iter().filter_map(|id| services.remove(id)).collect(),
        users: touched.users.iter().filter_map(|id| users.remove(id)).collect(),
        erased: erased.into_iter().flatten().collect(),
        leaves,
        nodes,
        to,
    })
}

impl Applied {
    /// Takes the next entry of the log into account, and adds to `completed` each kept node of the tree that is whole with it.
    ///
    /// # Errors
    /// Where it is not the next one.
    pub fn follows(&mut self, link: Link, completed: &mut Vec<Node>) -> Result<(), Corrupt> {
        if link.position != self.position.next() || self.frontier.size() != self.position.get() {
            return Err(Corrupt::new(link.position, format!("it does not follow position {}", self.position)));
        }
        self.frontier.append(link.leaf, completed);
        self.leaf = Some(link.leaf);
        self.position = link.position;
        Ok(())
    }
}

fn created(log: LogId, named: LogId, opened: &Opened) -> Result<(), Corrupt> {
    if opened.link.position != Position::new(1) {
        return Err(Corrupt::new(opened.link.position, "a log begins twice"));
    }
    if named != log {
        return Err(Corrupt::new(
            opened.link.position,
            format!("the log is {named} by its first entry, and {log} by its store"),
        ));
    }
    opened.change.follows(opened.link.position, None)
}

/// Rows at hand, onto which entries are folded one after the other.
pub struct Folding {
    pub(crate) services: HashMap<ServiceId, ServiceRow>,
    pub(crate) users: HashMap<UserId, UserRow>,
    /// Users who are no more, and whose rows may stand where these came from; none where they came from nowhere.
    erased: Option<HashSet<UserId>>,
    /// Whose an address is, as far as the rows at hand say. Of the others, the read model knows.
    by_address: HashMap<Address, UserId>,
}

impl Folding {
    /// Onto these rows of a read model's.
    pub fn new(Rows { services, users }: Rows) -> Self {
        let by_address = users.values().filter_map(|row| Some((known_address(&row.user)?.clone(), row.id))).collect();
        Self { services, users, erased: Some(HashSet::new()), by_address }
    }

    /// Onto nothing: the entries are all that there ever were of their services.
    pub fn from_nothing() -> Self {
        Self { services: HashMap::new(), users: HashMap::new(), erased: None, by_address: HashMap::new() }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.services.len() + self.users.len()
    }

    /// Forgets whatever is about other services than `kept` ones.
    pub fn retain(&mut self, kept: impl Fn(ServiceId) -> bool) {
        self.services.retain(|id, _| kept(*id));
        let Self { users, by_address, .. } = self;
        users.retain(|_, row| kept(row.service));
        by_address.retain(|_, user| users.contains_key(user));
    }

    /// The service of each row, as often as it has some.
    pub fn services_of_rows(&self) -> impl Iterator<Item = ServiceId> {
        self.services.keys().copied().chain(self.users.values().map(|row| row.service))
    }

    /// What has become of the rows.
    pub fn into_rows(self) -> Rows {
        Rows { services: self.services, users: self.users }
    }

    /// Folds one entry of `log`.
    ///
    /// # Errors
    /// Where it does not follow what went before it in its service, or is impossible after that. Then nothing more can be
    /// folded onto these rows.
    pub fn take(&mut self, log: LogId, opened: &Opened) -> Result<(), Corrupt> {
        match &opened.change.body {
            Body::LogCreated { log: named } => created(log, *named, opened),
            Body::Service { .. } if opened.link.position == Position::new(1) => {
                Err(Corrupt::new(opened.link.position, "the log does not begin with its first entry"))
            }
            Body::Service { service, user, .. } => self.entry(*service, *user, opened),
        }
    }

    /// Folds the next entry of a service. Where it can't follow, the rows that it touches are lost.
    pub(crate) fn entry(&mut self, id: ServiceId, user: Option<UserId>, opened: &Opened) -> Result<(), Corrupt> {
        let position = opened.link.position;
        let before = self.services.remove(&id);
        opened.change.follows(position, before.as_ref().map(|row| row.last))?;
        let mut parts = Parts { service: before.map(|row| row.service), user: None };
        if let Some(user) = user.and_then(|user| self.users.remove(&user)) {
            if user.service != id {
                return Err(Corrupt::new(position, "it is about another service's user"));
            }
            parts.user = Some(user.user);
        }
        let had = parts.user.as_ref().and_then(known_address).cloned();
        let moment = Moment { position, at: opened.change.at };
        for event in opened.change.events() {
            let after = evolve_parts(parts, event, moment)?;
            parts = Parts { service: Some(after.service), user: after.user };
        }
        let Some(service) = parts.service else {
            return Err(Corrupt::new(position, "it leaves no service"));
        };
        self.services.insert(id, ServiceRow { id, service, last: opened.link });
        match (user, parts.user) {
            (Some(id_of_user), Some(user)) => {
                self.address_is_the_services(id, &user, position)?;
                if had.as_ref() != known_address(&user) {
                    // Its key was destroyed since the entries before this were opened: it is erased later in the log.
                    had.and_then(|address| self.by_address.remove(&address));
                    self.address_is_nobody_elses(id_of_user, &user, position)?;
                }
                self.erased.as_mut().map(|erased| erased.remove(&id_of_user));
                self.users.insert(id_of_user, UserRow { id: id_of_user, service: id, user });
            }
            (Some(id_of_user), None) => {
                had.and_then(|address| self.by_address.remove(&address));
                self.erased.as_mut().map(|erased| erased.insert(id_of_user));
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// Whether a user was erased by what was folded here.
    pub(crate) fn is_erased(&self, id: UserId) -> bool {
        self.erased.as_ref().is_some_and(|erased| erased.contains(&id))
    }

    /// Drops a service's row, of which nothing more can be said.
    pub(crate) fn forget(&mut self, id: ServiceId) {
        self.services.remove(&id);
    }

    /// The rows of one service alone could not tell that an address belongs to another's domain.
    fn address_is_the_services(&self, id: ServiceId, user: &User, position: Position) -> Result<(), Corrupt> {
        let domain = self.services.get(&id).map(|row| &row.service.domain);
        match (&user.person.value, domain) {
            (Erasable::Known(person), Some(domain)) if !person.address.is_in(domain) => {
                Err(Corrupt::new(position, "an address outside the service's domain"))
            }
            _ => Ok(()),
        }
    }

    /// Seen here and not only by the read model, for whom it might be past by the end of the batch.
    fn address_is_nobody_elses(&mut self, id: UserId, user: &User, position: Position) -> Result<(), Corrupt> {
        let other = known_address(user).and_then(|address| self.by_address.insert(address.clone(), id));
        if other.is_some_and(|other| other != id) {
            return Err(Corrupt::new(position, "an address that another user has"));
        }
        Ok(())
    }
}

fn known_address(user: &User) -> Option<&Address> {
    user.person.value.known().map(|person| &person.address)
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
