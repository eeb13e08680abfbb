//! The rows that the projector had in hand last, so that a change of a user who has just changed reads nothing.

use std::num::NonZeroUsize;

use domain::{ServiceId, UserId};
use lru::LruCache;

use crate::read_model::{Batch, Rows, ServiceRow, Touched, UserRow};

/// Some 10 MiB of rows.
const SERVICES: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");
const USERS: NonZeroUsize = NonZeroUsize::new(8_192).expect("not zero");

/// Rows as the generation holds them, absent ones too. Valid as long as nobody else moves the generation: whoever was not
/// alone with it begins with an empty one.
pub struct RowCache {
    services: LruCache<ServiceId, Option<ServiceRow>>,
    users: LruCache<UserId, Option<UserRow>>,
}

impl RowCache {
    pub fn new() -> Self {
        Self { services: LruCache::new(SERVICES), users: LruCache::new(USERS) }
    }

    /// What is known of the touched rows, and what has to be read.
    pub fn split(&mut self, touched: &Touched) -> (Rows, Touched) {
        let (mut rows, mut missing) = (Rows::default(), Touched::default());
        for id in &touched.services {
            match self.services.get(id) {
                Some(Some(row)) => drop(rows.services.insert(*id, row.clone())),
                Some(None) => {}
                None => drop(missing.services.insert(*id)),
            }
        }
        for id in &touched.users {
            match self.users.get(id) {
                Some(Some(row)) => drop(rows.users.insert(*id, row.clone())),
                Some(None) => {}
                None => drop(missing.users.insert(*id)),
            }
        }
        (rows, missing)
    }

    /// Takes over what a batch that was applied made of the rows.
    pub fn keep(&mut self, batch: Batch) {
        for row in batch.services {
            self.services.put(row.id, Some(row));
        }
        for row in batch.users {
            self.users.put(row.id, Some(row));
        }
        for id in batch.erased {
            self.users.put(id, None);
        }
    }
}
