//! What a service was at a moment: the fold of its entries up to there.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use domain::{EmailService, Moment, Position, ServiceId, UserId, evolve};
use wire::{Body, Corrupt, Link, Opened};

use crate::rows::{ServiceRow, UserRow};

/// A moment that history is told up to, what happened at it included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// A position of the log.
    Position(Position),
    /// An instant. Instants never go back within a service; those of two services come from clocks of their own.
    Time(DateTime<Utc>),
}

/// The text names no moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a moment is a position (4711), an instant (2026-11-30T12:03:04Z) or the end of a day in UTC (2026-11-30)")]
pub struct NoMoment;

impl FromStr for AsOf {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, NoMoment> {
        if let Ok(position) = text.parse::<u64>() {
            return Ok(Self::Position(Position::new(position)));
        }
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::Time(at.to_utc()));
        }
        let day = text.parse::<NaiveDate>().map_err(|_| NoMoment)?;
        // The last instant that entries can name.
        let end = NaiveTime::from_hms_micro_opt(23, 59, 59, 999_999).ok_or(NoMoment)?;
        Ok(Self::Time(day.and_time(end).and_utc()))
    }
}

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position(position) => write!(f, "position {position}"),
            Self::Time(at) => f.write_str(&at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
        }
    }
}

impl AsOf {
    /// Whether an entry stands at the moment or before it.
    pub fn covers(self, opened: &Opened) -> bool {
        match self {
            Self::Position(position) => opened.link.position <= position,
            Self::Time(at) => opened.change.at <= at,
        }
    }
}

/// One service, as its entries make it, from the first one on.
#[derive(Debug)]
pub struct Replay {
    id: ServiceId,
    state: EmailService,
    last: Option<Link>,
}

impl Replay {
    /// A service before anything happened.
    pub fn new(id: ServiceId) -> Self {
        Self { id, state: EmailService::default(), last: None }
    }

    /// Takes in the service's next entry.
    ///
    /// # Errors
    /// Where it does not follow what stood before. Then this value is of no use any more.
    pub fn take(&mut self, opened: &Opened) -> Result<(), Corrupt> {
        let position = opened.link.position;
        match &opened.change.body {
            Body::Service { service, .. } if *service == self.id => {}
            _ => return Err(Corrupt::new(position, "it is not about the service whose entries it stands among")),
        }
        opened.change.follows(position, self.last)?;
        let moment = Moment { position, at: opened.change.at };
        let state = std::mem::take(&mut self.state);
        self.state = opened.change.events().iter().try_fold(state, |state, event| evolve(state, event, moment))?;
        self.last = Some(opened.link);
        Ok(())
    }

    /// The last entry that was taken in; [`Position::START`] before the first.
    pub fn position(&self) -> Position {
        self.last.map_or(Position::START, |last| last.position)
    }

    /// The service; none before it was provisioned.
    pub fn service(&self) -> Option<ServiceRow> {
        let service = self.state.provisioned().ok()?.service.clone();
        Some(ServiceRow { id: self.id, service, last: self.last? })
    }

    /// Its users, removed ones included, erased ones not, in the order of their ids.
    pub fn users(&self) -> impl Iterator<Item = UserRow> {
        let users = self.state.provisioned().ok().into_iter().flat_map(|found| &found.users);
        users.map(|(id, user)| UserRow { id: *id, service: self.id, user: user.clone() })
    }

    /// One of them.
    pub fn user(&self, id: UserId) -> Option<UserRow> {
        let user = self.state.provisioned().ok()?.user(id).ok()?;
        Some(UserRow { id, service: self.id, user: user.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::staged::{Act, Author, id_of, leaf};

    #[test]
    fn a_moment_is_a_position_an_instant_or_a_day() {
        assert_eq!("4711".parse(), Ok(AsOf::Position(Position::new(4711))));
        let at = |text: &str| AsOf::Time(DateTime::parse_from_rfc3339(text).unwrap().to_utc());
        assert_eq!("2026-11-30T13:03:04+01:00".parse(), Ok(at("2026-11-30T12:03:04Z")));
        assert_eq!("2026-11-30".parse(), Ok(at("2026-11-30T23:59:59.999999Z")));
        for text in ["", "-1", "yesterday", "2026-11-31", "2026-11-30T25:00:00Z", "18446744073709551616"] {
            assert_eq!(text.parse::<AsOf>(), Err(NoMoment), "{text:?}");
        }
    }

    #[test]
    fn each_prefix_of_a_history_is_what_stood_then() {
        let mut author = Author::default();
        let first = author.first();
        author.stands(first, leaf(Position::new(1)));
        let acts = [
            Act::Provision,
            Act::Add(1, 1),
            Act::Add(2, 2),
            Act::Edit(1, "Anna".to_owned(), 9),
            Act::Suspend(2),
            Act::Plan(3),
            Act::Remove(1),
            Act::Erase(1),
            Act::Add(3, 1),
        ];
        let mut replay = Replay::new(id_of(1));
        for act in acts {
            let change = author.change(1, &act).expect("each of these is allowed");
            let position = author.position().next();
            let opened = author.stands(change, leaf(position));
            replay.take(&opened).unwrap();
            let (services, users) = author.rows();
            assert_eq!(replay.service().into_iter().collect::<Vec<_>>(), services, "after {act:?}");
            assert_eq!(replay.users().collect::<Vec<_>>(), users, "after {act:?}");
            assert!(AsOf::Position(position).covers(&opened) && !AsOf::Position(Position::new(1)).covers(&opened));
            assert!(AsOf::Time(opened.change.at).covers(&opened));
        }
    }

    #[test]
    fn an_entry_that_does_not_follow_is_corrupt() {
        let mut author = Author::default();
        let mut log = Vec::new();
        for act in [Act::Provision, Act::Add(1, 1), Act::Suspend(1)] {
            let change = author.change(1, &act).unwrap();
            let position = author.position().next();
            log.push(author.stands(change, leaf(position)));
        }
        let mut replay = Replay::new(id_of(1));
        replay.take(&log[0]).unwrap();
        assert_eq!(replay.take(&log[2]).map_err(|corrupt| corrupt.position), Err(Position::new(3)));
        assert!(Replay::new(id_of(2)).take(&log[0]).is_err(), "another service's");
    }
}
