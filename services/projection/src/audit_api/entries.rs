//! Entries in the order of the log, read as they are needed: all, those of services, or those about one user.

use std::collections::{BTreeMap, HashSet};
use std::future;

use domain::{Position, ServiceId, UserId};
use event_log::{EventLog, ReadError, Scope};
use futures::future::try_join_all;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use ledger::leaf_hash;
use postkey_http::{Code, Problem};
use wire::{Link, Stored, Subject};

use crate::queries::log_failed;
use crate::read_model::LedgerRows;

/// So many services are read each by itself. Every one of them costs a page of the store's; beyond that, reading the whole
/// log costs less.
const APART: usize = 16;
/// So many entries about a user are looked for at once.
const LINKS: u32 = 256;
/// So many of them are read at once.
const AT_ONCE: usize = 8;

/// A position that was looked at, and the entry there if it is one of those that are asked for.
pub type Looked = (Position, Option<Stored>);
/// Entries, in the order of the log.
pub type Entries<'a> = BoxStream<'a, Result<Looked, Problem>>;

/// All entries after a position and up to `to`.
pub fn all(log: &EventLog, after: Position, to: Position) -> Entries<'_> {
    looked(up_to(log, Scope::All, after, to), |_| true)
}

/// The entries of `services` after a position and up to `to`, in their order.
pub fn of_services<'a>(log: &'a EventLog, services: &HashSet<ServiceId>, after: Position, to: Position) -> Entries<'a> {
    if services.len() > APART {
        let own: HashSet<Subject> = services.iter().map(|service| Subject::service(*service)).collect();
        return looked(up_to(log, Scope::All, after, to), move |stored| own.contains(&stored.entry.subject));
    }
    let streams = services.iter().map(|service| up_to(log, Scope::service(*service), after, to)).collect();
    let merging = Merging { streams, heads: None };
    looked(stream::try_unfold(merging, Merging::next).boxed(), |_| true)
}

/// The entries about a user after a position and up to `to`, which the ledger has to have come to: found by it, whatever else
/// its service has. Each is held against the leaf hash that it had when it was applied.
pub fn about<'a>(
    log: &'a EventLog,
    ledger: &'a dyn LedgerRows,
    user: UserId,
    after: Position,
    to: Position,
) -> Entries<'a> {
    let links = stream::try_unfold(after, move |after| async move {
        let links = ledger.entries_about(user, after, to, LINKS).await?;
        Ok::<_, Problem>(links.last().map(|last| last.position).map(|last| (links, last)))
    });
    let links = links.map_ok(|links| stream::iter(links.into_iter().map(Ok::<_, Problem>))).try_flatten();
    links.map(move |link| async move { one(log, link?).await }).buffered(AT_ONCE).boxed()
}

async fn one(log: &EventLog, link: Link) -> Result<Looked, Problem> {
    let position = link.position;
    let stored = log.at(position).await.map_err(|error| log_failed(&error))?;
    // It came further a moment ago: whoever answers now may lag.
    let stored = stored.ok_or_else(|| Problem::new(Code::LogUnavailable))?;
    if leaf_hash(&stored.entry.bytes) != link.leaf {
        tracing::error!(%position, "the log holds another entry than the one that was applied, or the ledger's rows were edited");
        return Err(Problem::new(Code::LogCorrupt));
    }
    Ok((position, Some(stored)))
}

fn looked<'a>(
    entries: BoxStream<'a, Result<Stored, ReadError>>,
    asked: impl Fn(&Stored) -> bool + Send + 'a,
) -> Entries<'a> {
    let looked = move |stored: Stored| (stored.position, Some(stored).filter(&asked));
    entries.map_ok(looked).map_err(|error| log_failed(&error)).boxed()
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
