//! What happened, and by whom, in numbers.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use wire::Opened;

/// So many clients are told apart; the others are counted together, so that memory stays what it is.
const CLIENTS: usize = 200;
/// Who stands for the clients beyond those.
const OTHERS: &str = "(others)";

/// What entries came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// When the earliest was made.
    pub first_at: Option<DateTime<Utc>>,
    /// When the latest was made.
    pub last_at: Option<DateTime<Utc>>,
    /// How many events of each type each client has made.
    pub clients: BTreeMap<String, BTreeMap<&'static str, u64>>,
}

impl Tally {
    /// Counts an entry.
    pub fn count(&mut self, opened: &Opened) {
        let change = &opened.change;
        self.first_at = Some(self.first_at.map_or(change.at, |first| first.min(change.at)));
        self.last_at = Some(self.last_at.map_or(change.at, |last| last.max(change.at)));
        let known = self.clients.contains_key(&change.by.client);
        let name = if known || self.clients.len() < CLIENTS { &change.by.client } else { OTHERS };
        if !self.clients.contains_key(name) {
            self.clients.insert(name.to_owned(), BTreeMap::new());
        }
        let Some(events) = self.clients.get_mut(name) else { return };
        if change.events().is_empty() {
            *events.entry("LogCreated").or_default() += 1;
        }
        for event in change.events() {
            *events.entry(event.name()).or_default() += 1;
        }
    }

    /// How many events of each type there are.
    pub fn events(&self) -> BTreeMap<&'static str, u64> {
        let mut events = BTreeMap::new();
        for (name, count) in self.clients.values().flatten() {
            *events.entry(*name).or_default() += count;
        }
        events
    }
}
