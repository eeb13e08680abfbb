//! Rows that were read since the log's last entry, so that nobody reads them again before the next.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{Address, Position};
use lru::LruCache;

use crate::read_model::{Generation, LoginRow};

/// How many are kept: some 15 MB. Rows that say that an address is nobody's are kept as others are, or the time of an
/// answer would tell who there is.
const KEPT: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

/// Rows of one generation, read where all of it up to one position was applied.
///
/// A log that has not grown beyond that position holds nothing that they lack: such a row is as good as one that is read
/// now, whatever has happened to the read model since. With the log's next entry all of them are forgotten, so what an
/// erased user's said is not kept in memory beyond the next login of anybody.
pub struct KeptRows {
    rows: Mutex<Kept>,
}

struct Kept {
    live: Option<Generation>,
    applied: Position,
    rows: LruCache<Address, Arc<LoginRow>>,
}

impl Kept {
    fn nothing(live: Option<Generation>, applied: Position) -> Self {
        Self { live, applied, rows: LruCache::sparse(KEPT) }
    }
}

impl KeptRows {
    /// None.
    pub fn new() -> Self {
        Self { rows: Mutex::new(Kept::nothing(None, Position::START)) }
    }

    /// The row of an address, if it is one of the `live` generation and holds all that there is up to `head`.
    pub fn get(&self, address: &Address, live: Option<Generation>, head: Position) -> Option<Arc<LoginRow>> {
        let mut kept = self.lock();
        if kept.live != live || kept.applied < head {
            let old = std::mem::replace(&mut *kept, Kept::nothing(live, head));
            drop(kept);
            // Thousands of rows, for nobody to wait for.
            drop(old);
            return None;
        }
        kept.rows.get(address).map(Arc::clone)
    }

    /// Keeps a row that was read after `live` was the live generation.
    pub fn keep(&self, address: &Address, live: Option<Generation>, row: &Arc<LoginRow>) {
        let mut kept = self.lock();
        // Before the projector has seen the generation nobody knows whose row it is.
        if live.is_none() || kept.live != live || row.applied < kept.applied {
            return;
        }
        if row.applied > kept.applied {
            *kept = Kept::nothing(live, row.applied);
        }
        kept.rows.push(address.clone(), Arc::clone(row));
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
