//! What a batch of entries makes of the rows that it touches. Pure: rows in, rows out.

use std::collections::{HashMap, HashSet};

use domain::{Address, Erasable, Moment, Parts, Position, ServiceId, User, UserId, evolve_parts};
use wire::{Body, Corrupt, LogId, Opened};

use crate::read_model::{Applied, Batch, Rows, ServiceRow, Touched, UserRow};

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
    let mut touched_services = HashSet::new();
    let mut touched_users = HashSet::new();
    for opened in entries {
        follows_in_log(&to, opened)?;
        match &opened.change.body {
            Body::LogCreated { log: named } => created(log, *named, opened)?,
            Body::Service { service, user, .. } => {
                if opened.link.position == Position::new(1) {
                    return Err(Corrupt::new(opened.link.position, "the log does not begin with its first entry"));
                }
                folding.entry(*service, *user, opened)?;
                touched_services.insert(*service);
                touched_users.extend(*user);
            }
        }
        to.frontier.push(opened.link.leaf);
        to.leaf = Some(opened.link.leaf);
        to.position = opened.link.position;
    }
    let Folding { mut services, mut users, erased, .. } = folding;
    Ok(Batch {
        services: touched_services.iter().filter_map(|id| services.remove(id)).collect(),
        users: touched_users.iter().filter_map(|id| users.remove(id)).collect(),
        erased: erased.into_iter().collect(),
        to,
    })
}

fn follows_in_log(applied: &Applied, opened: &Opened) -> Result<(), Corrupt> {
    if opened.link.position == applied.position.next() && applied.frontier.size() == applied.position.get() {
        Ok(())
    } else {
        Err(Corrupt::new(opened.link.position, format!("it does not follow position {}", applied.position)))
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

struct Folding {
    services: HashMap<ServiceId, ServiceRow>,
    users: HashMap<UserId, UserRow>,
    erased: HashSet<UserId>,
    /// Whose an address is, as far as the rows at hand say. Of the others, the read model knows.
    by_address: HashMap<Address, UserId>,
}

impl Folding {
    fn new(Rows { services, users }: Rows) -> Self {
        let by_address = users.values().filter_map(|row| Some((known_address(&row.user)?.clone(), row.id))).collect();
        Self { services, users, erased: HashSet::new(), by_address }
    }

    fn entry(&mut self, id: ServiceId, user: Option<UserId>, opened: &Opened) -> Result<(), Corrupt> {
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
                // Its key was destroyed since the entries before this were opened: it is erased later in the log.
                if let (Some(address), None) = (had, known_address(&user)) {
                    self.by_address.remove(&address);
                }
                self.address_is_nobody_elses(id_of_user, &user, position)?;
                self.erased.remove(&id_of_user);
                self.users.insert(id_of_user, UserRow { id: id_of_user, service: id, user });
            }
            (Some(id_of_user), None) => {
                had.and_then(|address| self.by_address.remove(&address));
                self.erased.insert(id_of_user);
            }
            (None, _) => {}
        }
        Ok(())
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
