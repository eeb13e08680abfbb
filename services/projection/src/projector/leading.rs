//! What a projector has done as the one that leads; for metrics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use domain::Position;

/// Whether it leads, and how much it has applied. Who stands by applies nothing.
#[derive(Debug, Default)]
pub struct Leading {
    leads: AtomicBool,
    entries: AtomicU64,
}

/// One time of leading; it ends when this is dropped.
pub(super) struct Led<'l> {
    leading: &'l Leading,
    at: Position,
}

impl Leading {
    /// Whether it leads, and nothing keeps it from applying entries.
    pub fn leads(&self) -> bool {
        self.leads.load(Ordering::Relaxed)
    }

    /// How many entries it has applied since its process began.
    pub fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// It leads from now on, the rows being at `from`.
    pub(super) fn begin(&self, from: Position) -> Led<'_> {
        self.leads.store(true, Ordering::Relaxed);
        Led { leading: self, at: from }
    }
}

impl Led<'_> {
    /// It has applied everything up to `to`.
    pub(super) fn applied(&mut self, to: Position) {
        self.leading.entries.fetch_add(to.get().saturating_sub(self.at.get()), Ordering::Relaxed);
        self.at = to;
    }
}

impl Drop for Led<'_> {
    fn drop(&mut self) {
        self.leading.leads.store(false, Ordering::Relaxed);
    }
}
