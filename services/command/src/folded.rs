//! What the command side knows of a service: its history, folded, and what has been asked for already.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{EmailService, Moment, Position, evolve};
use wire::{Body, CommandId, Corrupt, Link, Opened};

/// A service's history up to a position, folded.
#[derive(Debug, Default)]
pub struct Folded {
    /// The state.
    pub state: EmailService,
    /// The last entry: what the next one must name, and what an append expects.
    pub last: Option<Link>,
    /// The instant of the last entry; the next one is not before it.
    pub at: Option<DateTime<Utc>>,
    /// Every command that was carried out, by its id: a key holds for ever.
    seen: HashMap<CommandId, Position>,
}

impl Folded {
    /// The position of the last entry.
    pub fn position(&self) -> Position {
        self.last.map_or(Position::START, |link| link.position)
    }

    /// Where a command was carried out, if it was.
    pub fn seen(&self, command: CommandId) -> Option<Position> {
        self.seen.get(&command).copied()
    }

    /// What it takes of memory, in users of some 1 KiB: a command that is remembered takes some 40 bytes.
    pub fn weight(&self) -> usize {
        let users = self.state.provisioned().map_or(0, |found| found.users.len());
        1 + users + self.seen.len() / 24
    }

    /// Folds the next entry of the service.
    ///
    /// # Errors
    /// Where it does not follow what went before. Then this value is empty, and has to be loaded anew.
    pub fn apply(&mut self, opened: &Opened) -> Result<(), Corrupt> {
        let before = std::mem::take(self);
        *self = before.with(opened)?;
        Ok(())
    }

    fn with(self, opened: &Opened) -> Result<Self, Corrupt> {
        let (position, change) = (opened.link.position, &opened.change);
        if matches!(change.body, Body::LogCreated { .. }) {
            return Err(Corrupt::new(position, "a log begins on a service's subject"));
        }
        change.follows(position, self.last)?;
        let moment = Moment { position, at: change.at };
        let state = change.events().iter().try_fold(self.state, |state, event| evolve(state, event, moment))?;
        let mut seen = self.seen;
        seen.insert(change.command, position);
        Ok(Self { state, last: Some(opened.link), at: Some(change.at), seen })
    }
}

#[cfg(test)]
mod tests;
