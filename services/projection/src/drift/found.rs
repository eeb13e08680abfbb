//! What was found, and how it is said.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use domain::ServiceId;
use postkey_http::HealthCheck;

use super::look::Outcome;
use crate::read_model::RowId;

/// How many rows, and how many services, health names.
pub(super) const NAMED: usize = 20;
/// In so many rounds running a service may move at each look before that is said: nobody knows how its rows are.
const MOVES: u32 = 10;

/// A row that is not what the log makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Differing {
    /// This one.
    Row(RowId),
    /// One of a service whose history knows no such user, and which can't be read: so not even the user can be named.
    Stranger(ServiceId),
}

impl fmt::Display for Differing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row(row) => row.fmt(f),
            Self::Stranger(service) => {
                write!(f, "service {service} (a row that can't be read, of a user whom its history does not know)")
            }
        }
    }
}

/// Rows that are not what the log makes of them, by the service by whose history that was found; those of none by themselves.
/// And what could not be looked at.
#[derive(Debug, Default)]
pub(super) struct Found {
    of_services: BTreeMap<ServiceId, Vec<Differing>>,
    /// Users of no service.
    pub strays: Vec<RowId>,
    /// Services that have no row.
    pub missing: Vec<RowId>,
    /// What is wrong with the tables, or with rows that can't be listed.
    pub tables: Option<String>,
    pub lists: Option<String>,
    /// Services whose histories can't be opened, since keys of theirs are lost.
    locked: BTreeSet<ServiceId>,
    /// In how many rounds running a service moved at each look.
    moving: BTreeMap<ServiceId, u32>,
}

impl Found {
    /// Takes what a look at a service came to. What was found before stays where this one could not tell.
    pub fn take(&mut self, service: ServiceId, outcome: Outcome) {
        if !matches!(outcome, Outcome::Moving) {
            self.moving.remove(&service);
        }
        match outcome {
            Outcome::Compared(differ) => {
                self.locked.remove(&service);
                if differ.is_empty() {
                    self.of_services.remove(&service);
                } else {
                    self.of_services.insert(service, differ);
                }
            }
            Outcome::Locked => {
                self.locked.insert(service);
            }
            Outcome::Moving => *self.moving.entry(service).or_default() += 1,
        }
    }

    /// The services that something was said of, which may be mended by now.
    pub fn suspects(&self) -> BTreeSet<ServiceId> {
        self.of_services.keys().chain(&self.locked).copied().collect()
    }

    fn rows(&self) -> impl Iterator<Item = Differing> {
        let alone = self.strays.iter().chain(&self.missing).map(|row| Differing::Row(*row));
        self.of_services.values().flatten().copied().chain(alone)
    }

    /// Says it in words that name ids and no value.
    pub fn tell(&self, health: &HealthCheck) {
        let mut said = Vec::new();
        if let Some(rows) = named(self.rows()) {
            said.push(format!(
                "rows are not what the log makes of them: {rows}; somebody changed them, or the read model is faulty. Find out \
                 which, then let `postkey rebuild --accept-differences` replace them"
            ));
        }
        said.extend(self.tables.iter().chain(&self.lists).cloned());
        let calls_a_person = !said.is_empty();
        if let Some(services) = named(&self.locked) {
            said.push(format!(
                "the key store lacks keys of old entries, so nobody can tell whether these rows are what the log makes of them: \
                 services {services}. Restore the key store that belongs to the log"
            ));
        }
        let moving = self.moving.iter().filter(|(_, rounds)| **rounds >= MOVES).map(|(service, _)| service);
        if let Some(services) = named(moving) {
            said.push(format!(
                "these services change so often that their rows were never compared: services {services}; `postkey audit \
                 verify` with keys and --read-model compares them"
            ));
        }
        let said = said.join("; ");
        if calls_a_person {
            // Nobody else is sent away: those rows are looked up as they are.
            health.impaired(said);
        } else if said.is_empty() {
            health.green();
        } else {
            health.yellow(said);
        }
    }
}

/// Some of them by name, and whether there are more; none where there is nothing.
fn named<T: fmt::Display>(all: impl IntoIterator<Item = T>) -> Option<String> {
    let mut all = all.into_iter();
    let named: Vec<_> = all.by_ref().take(NAMED).map(|one| one.to_string()).collect();
    let more = if all.next().is_some() { " and others" } else { "" };
    (!named.is_empty()).then(|| format!("{}{more}", named.join(", ")))
}
