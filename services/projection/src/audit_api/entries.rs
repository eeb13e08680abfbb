//! The entries of services in the order of the log, read as they are needed.

use std::collections::{BTreeMap, HashSet};
use std::future;

use domain::{Position, ServiceId};
use event_log::{EventLog, ReadError, Scope};
use futures::future::try_join_all;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use wire::{Stored, Subject};

/// So many services are read each by itself. Every one of them costs a page of the store's; beyond that, reading the whole
/// log costs less.
const APART: usize = 16;

/// A position that was looked at, and the entry there if it is one of the services'.
pub type Looked = (Position, Option<Stored>);

/// The entries of `services` after a position and up to `to`, in their order.
pub fn of_services<'a>(
    log: &'a EventLog,
    services: &HashSet<ServiceId>,
    after: Position,
    to: Position,
) -> BoxStream<'a, Result<Looked, ReadError>> {
    if services.len() > APART {
        let own: HashSet<Subject> = services.iter().map(|service| Subject::service(*service)).collect();
        let looked = move |stored: Stored| (stored.position, Some(stored).filter(|at| own.contains(&at.entry.subject)));
        return up_to(log, Scope::All, after, to).map_ok(looked).boxed();
    }
    let streams = services.iter().map(|service| up_to(log, Scope::service(*service), after, to)).collect();
    let merging = Merging { streams, heads: None };
    stream::try_unfold(merging, Merging::next).map_ok(|stored| (stored.position, Some(stored))).boxed()
}

fn up_to(log: &EventLog, scope: Scope, after: Position, to: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
    let within = move |stored: &Result<Stored, ReadError>| !matches!(stored, Ok(stored) if stored.position > to);
    log.read(scope, after).take_while(move |stored| future::ready(within(stored))).boxed()
}

/// Streams of which each is in order, as one that is.
struct Merging<'a> {
    streams: Vec<BoxStream<'a, Result<Stored, ReadError>>>,
    heads: Option<Heads>,
}

/// The first entry of each stream that has one, and the stream whose turn it was, which has yet to say what follows.
struct Heads {
    first: BTreeMap<Position, (Stored, usize)>,
    turn: usize,
}

impl Merging<'_> {
    async fn next(mut self) -> Result<Option<(Stored, Self)>, ReadError> {
        let mut heads = match self.heads.take() {
            Some(mut heads) => {
                if let Some(stored) = self.streams[heads.turn].try_next().await? {
                    heads.first.insert(stored.position, (stored, heads.turn));
                }
                heads
            }
            None => {
                let first = try_join_all(self.streams.iter_mut().map(|stream| stream.try_next())).await?;
                let first = first.into_iter().enumerate().filter_map(|(nth, stored)| Some((stored?, nth)));
                Heads { first: first.map(|(stored, nth)| (stored.position, (stored, nth))).collect(), turn: 0 }
            }
        };
        let Some((_, (stored, turn))) = heads.first.pop_first() else { return Ok(None) };
        heads.turn = turn;
        self.heads = Some(heads);
        Ok(Some((stored, self)))
    }
}
