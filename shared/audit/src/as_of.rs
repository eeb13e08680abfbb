//! One user at a moment: the fold of the entries about it alone, however many others its service has.
//!
//! What an entry about a user makes of the service, and whether an address was taken, is not seen here.

use domain::{Event, Moment, ServiceId, User, UserId};
use wire::{Body, Corrupt, Opened};

use crate::rows::UserRow;

/// A user, as the entries about it make it, from the first one on.
#[derive(Debug)]
pub struct UserReplay {
    id: UserId,
    stands: Option<Stands>,
}

#[derive(Debug)]
struct Stands {
    service: ServiceId,
    /// None once it was erased.
    user: Option<User>,
    last: Moment,
}

impl UserReplay {
    /// A user before it was added.
    pub fn new(id: UserId) -> Self {
        Self { id, stands: None }
    }

    /// Takes in the next entry about the user.
    ///
    /// # Errors
    /// Where it is about another, or can't have followed what stood before. Then this value is of no use any more.
    pub fn take(&mut self, opened: &Opened) -> Result<(), Corrupt> {
        let position = opened.link.position;
        let service = match &opened.change.body {
            Body::Service { service, user: Some(user), .. } if *user == self.id => *service,
            _ => return Err(Corrupt::new(position, "it is not about the user whose entries it stands among")),
        };
        let before = match self.stands.take() {
            Some(before) if before.service != service || before.last.position >= position => {
                return Err(Corrupt::new(position, "it does not follow the entry before it about its user"));
            }
            Some(Stands { user: None, .. }) => {
                return Err(Corrupt::new(position, "it is about a user who was erased"));
            }
            before => before.and_then(|before| before.user),
        };
        let moment = Moment { position, at: opened.change.at };
        let user = opened.change.events().iter().try_fold(before, |user, event| match event {
            Event::User(_, event) => User::evolve(user, event, moment),
            Event::Service(_) => Ok(user),
        })?;
        self.stands = Some(Stands { service, user, last: moment });
        Ok(())
    }

    /// The service that it is of; none before it was added.
    pub fn service(&self) -> Option<ServiceId> {
        self.stands.as_ref().map(|stands| stands.service)
    }

    /// Where and when the last entry about it that was taken in stands.
    pub fn last(&self) -> Option<Moment> {
        self.stands.as_ref().map(|stands| stands.last)
    }

    /// How it stood; none before it was added and after it was erased.
    pub fn row(&self) -> Option<UserRow> {
        let Stands { service, user, .. } = self.stands.as_ref()?;
        Some(UserRow { id: self.id, service: *service, user: user.clone()? })
    }
}

#[cfg(test)]
mod tests {
    use domain::Position;

    use super::*;
    use crate::staged::{Act, Author, id_of, leaf, user_of};

    /// A history of two users, and how the first one stood after each of its entries.
    fn history() -> Vec<(Opened, Option<UserRow>)> {
        let mut author = Author::default();
        let first = author.first();
        author.stands(first, leaf(Position::new(1)));
        let acts = [
            Act::Provision,
            Act::Add(1, 1),
            Act::Add(2, 2),
            Act::Edit(1, "Anna".to_owned(), 9),
            Act::Password(1),
            Act::Suspend(2),
            Act::Suspend(1),
            Act::Plan(3),
            Act::Reactivate(1),
            Act::Remove(1),
            Act::Remove(2),
            Act::Erase(1),
        ];
        let mut told = Vec::new();
        for act in acts {
            let change = author.change(1, &act).expect("each of these is allowed");
            let position = author.position().next();
            let opened = author.stands(change, leaf(position));
            let row = author.rows().1.into_iter().find(|row| row.id == user_of(1, 1));
            if matches!(opened.change.body, Body::Service { user: Some(user), .. } if user == user_of(1, 1)) {
                told.push((opened, row));
            }
        }
        told
    }

    #[test]
    fn the_entries_about_a_user_alone_say_how_it_stood_after_each() {
        let mut replay = UserReplay::new(user_of(1, 1));
        assert_eq!((replay.row(), replay.service(), replay.last()), (None, None, None));
        let history = history();
        assert_eq!(history.len(), 7);
        for (opened, row) in &history {
            replay.take(opened).unwrap();
            assert_eq!(replay.row(), *row, "at position {}", opened.link.position);
            let moment = Moment { position: opened.link.position, at: opened.change.at };
            assert_eq!((replay.service(), replay.last()), (Some(id_of(1)), Some(moment)));
        }
        assert_eq!(replay.row(), None, "it was erased");
    }

    #[test]
    fn entries_that_are_missing_repeated_or_anothers_are_corrupt() {
        let history: Vec<_> = history().into_iter().map(|(opened, _)| opened).collect();
        let refused = |id, taken: &[usize]| {
            let mut replay = UserReplay::new(id);
            let (last, before) = taken.split_last().unwrap();
            before.iter().for_each(|nth| replay.take(&history[*nth]).unwrap());
            let at = history[*last].link.position;
            assert_eq!(replay.take(&history[*last]).map_err(|corrupt| corrupt.position), Err(at), "{taken:?}");
        };
        let user = user_of(1, 1);
        refused(user, &[1]);
        refused(user, &[0, 4]);
        refused(user, &[0, 1, 1]);
        refused(user, &[0, 2, 1]);
        refused(user, &[0, 1, 2, 3, 4, 5, 6, 0]);
        refused(user_of(1, 2), &[0]);
    }
}
