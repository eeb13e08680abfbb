//! Rows that were folded and are not written yet. A rebuild writes a row that changes often once for all of its changes
//! that lie near each other, which is most of what a rebuild costs the database.

use std::collections::{HashMap, HashSet};

use domain::{ServiceId, UserId};

use crate::read_model::{Applied, Batch, Rows, ServiceRow, Touched, UserRow};

/// So many rows are written at once: some 80 MiB of them. Where users take turns, and there are more of them than this, each
/// entry writes its row.
const FULL: usize = 131_072;

/// What entries after an applied position have made of the rows.
pub struct Gathered {
    services: HashMap<ServiceId, ServiceRow>,
    users: HashMap<UserId, UserRow>,
    erased: HashSet<UserId>,
    to: Option<Applied>,
}

impl Gathered {
    /// Nothing yet, after `from`.
    pub fn after(from: Option<Applied>) -> Self {
        Self { services: HashMap::new(), users: HashMap::new(), erased: HashSet::new(), to: from }
    }

    /// How far it goes.
    pub const fn to(&self) -> Option<&Applied> {
        self.to.as_ref()
    }

    /// Whether it is time to write.
    pub fn is_full(&self) -> bool {
        self.services.len() + self.users.len() + self.erased.len() >= FULL
    }

    /// What is known of the touched rows, and what has to be looked for elsewhere.
    pub fn split(&self, touched: &Touched) -> (Rows, Touched) {
        let (mut rows, mut missing) = (Rows::default(), Touched::default());
        for id in &touched.services {
            match self.services.get(id) {
                Some(row) => drop(rows.services.insert(*id, row.clone())),
                None => drop(missing.services.insert(*id)),
            }
        }
        for id in &touched.users {
            match self.users.get(id) {
                Some(row) => drop(rows.users.insert(*id, row.clone())),
                None if self.erased.contains(id) => {}
                None => drop(missing.users.insert(*id)),
            }
        }
        (rows, missing)
    }

    /// Takes in what the next entries make of it.
    pub fn take_in(&mut self, next: Batch) {
        self.services.extend(next.services.into_iter().map(|row| (row.id, row)));
        for id in next.erased {
            self.users.remove(&id);
            self.erased.insert(id);
        }
        for row in next.users {
            self.erased.remove(&row.id);
            self.users.insert(row.id, row);
        }
        self.to = Some(next.to);
    }

    /// All of it as one batch, without leaves of the ledger, which a rebuild does not write; and nothing yet after it; `None` where nothing was taken in since `from`.
    pub fn empty_into(&mut self, from: Option<&Applied>) -> Option<Batch> {
        let to = self.to.clone().filter(|to| Some(to) != from)?;
        let all = std::mem::replace(self, Self::after(Some(to.clone())));
        Some(Batch {
            services: all.services.into_values().collect(),
            users: all.users.into_values().collect(),
            erased: all.erased.into_iter().collect(),
            leaves: Vec::new(),
            nodes: Vec::new(),
            to,
        })
    }
}
