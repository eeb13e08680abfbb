//! The live rows of a read model, held against what the log makes of them, also while a projection moves them.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Position, ServiceId, UserId};

use super::finding::Kind;
use super::history::History;
use super::log::CouldNotLook;
use crate::rows::{Applied, Rows, ServiceRow, Touched, UserRow};

/// How often rows that differ are looked at again, as long as the projection or the log moves.
const LOOKS: usize = 30;
/// The pause before that.
const PAUSE: Duration = Duration::from_millis(100);
/// So many rows are asked for by their ids at once.
const AT_ONCE: usize = 500;

/// Why rows can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowsUnread {
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
    /// They are none that we ever wrote.
    #[error("{0}")]
    Damaged(String),
}

/// The port to the rows of the live generation. Each answer is of a moment after it was asked for, later ones of later moments.
#[async_trait]
pub trait LiveRows: Send + Sync {
    /// How far the log was applied; none where nothing was.
    async fn applied(&self) -> Result<Option<Applied>, RowsUnread>;

    /// Rows by their ids; what is not there is not in the answer.
    async fn rows(&self, touched: &Touched) -> Result<Rows, RowsUnread>;

    /// Some services behind one, in an order of their own; none where there are no more.
    async fn services(&self, after: Option<&ServiceRow>) -> Result<Vec<ServiceRow>, RowsUnread>;

    /// Some users of a service behind one, in the order of their ids; none where there are no more.
    async fn users(&self, service: ServiceId, after: Option<UserId>) -> Result<Vec<UserRow>, RowsUnread>;

    /// Some users whose service has no row.
    async fn strays(&self) -> Result<Vec<UserId>, RowsUnread>;
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowsSeen {
    /// How many rows there are.
    pub rows: u64,
    /// How far the log was applied.
    pub applied: Position,
    /// How many can't be held against the log, for something before them in their services was altered.
    pub unknown: u64,
    /// How many could not be, for entries that touch them are not applied yet.
    pub behind: u64,
}

/// Which row, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Id {
    Service(ServiceId),
    User(UserId),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(id) => write!(f, "service {id}"),
            Self::User(id) => write!(f, "user {id}"),
        }
    }
}

/// How a row stands to what the log makes of it.
enum Verdict {
    Same,
    /// Its service can't be folded.
    Unknown,
    /// It differs from what it was made by the entry at the first position, which may not be applied yet. It is itself of the
    /// second, where it is there.
    Differs(Position, Option<Position>),
    /// There is one, of this position, and the log makes none.
    Unexplained(Position),
}

/// Holds the rows against `history`, which has read the log to its end and has opened what is sealed. `further` takes in what
/// the log has come to since.
///
/// # Errors
/// Where rows or log can't be asked.
pub async fn compare(
    rows: &dyn LiveRows,
    history: &mut History,
    mut further: impl AsyncFnMut(&mut History) -> Result<(), CouldNotLook>,
) -> Result<RowsSeen, CouldNotLook> {
    let mut seen = RowsSeen::default();
    let mut unread = Vec::new();
    let mut suspects = suspects(rows, history, &mut seen, &mut unread).await?;
    for (at, what) in unread {
        history.findings.add(at, Kind::Row, what);
    }
    for look in 1..=LOOKS {
        let before = applied(rows).await?;
        further(history).await?;
        let found = by_id(rows, &suspects).await?;
        let after = applied(rows).await?;
        let (position, moves) = (position(after.as_ref()), before != after);
        if look == 1 || moves {
            seen.applied = position;
        }
        if !moves {
            stands(after.as_ref(), history);
        }
        let mut open = Vec::new();
        for id in suspects {
            let (at, of, what) = match verdict(history, id, &found) {
                Verdict::Same => continue,
                Verdict::Unknown => {
                    seen.unknown += 1;
                    continue;
                }
                Verdict::Differs(at, of) => (at, of, format!("the row of {id} is not what the log makes of it")),
                Verdict::Unexplained(at) => (at, Some(at), format!("there is a row of {id}, and the log makes none")),
            };
            // Rows and applied position come together: a row is never of an entry behind that.
            let not_yet = at > position && at <= history.last() && of.is_none_or(|of| of <= position);
            if (moves || not_yet) && look < LOOKS {
                open.push(id);
            } else if not_yet {
                seen.behind += 1;
            } else {
                history.findings.add(at, Kind::Row, what);
            }
        }
        suspects = open;
        if suspects.is_empty() && !moves {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(seen)
}

/// Rows that are not what the fold has, or can't be read, in one pass over all of them.
/// What can't be read is told in `unread`.
async fn suspects(
    rows: &dyn LiveRows,
    history: &History,
    seen: &mut RowsSeen,
    unread: &mut Vec<(Position, String)>,
) -> Result<Vec<Id>, CouldNotLook> {
    let fold = history.folding();
    let (mut suspects, mut alike) = (Vec::new(), HashSet::new());
    let mut services: HashSet<ServiceId> = fold.services.keys().copied().collect();
    let mut after: Option<ServiceRow> = None;
    while let Some(page) = told(rows.services(after.as_ref()).await, unread, (Position::START, "services"))? {
        let Some(last) = page.last().cloned() else { break };
        for row in page {
            seen.rows += 1;
            services.insert(row.id);
            sort(Id::Service(row.id), fold.services.get(&row.id) == Some(&row), &mut alike, &mut suspects);
        }
        after = Some(last);
    }
    for service in services {
        let mut after = None;
        let at = fold.services.get(&service).map_or(Position::START, |row| row.last.position);
        let of = format!("users of service {service}");
        while let Some(page) = told(rows.users(service, after).await, unread, (at, &of))? {
            let Some(last) = page.last().map(|row| row.id) else { break };
            for row in page {
                seen.rows += 1;
                sort(Id::User(row.id), fold.users.get(&row.id) == Some(&row), &mut alike, &mut suspects);
            }
            after = Some(last);
        }
    }
    if let Some(strays) = told(rows.strays().await, unread, (Position::START, "users of no service"))? {
        suspects.extend(strays.into_iter().map(Id::User));
    }
    let folded = fold.services.keys().map(|id| Id::Service(*id)).chain(fold.users.keys().map(|id| Id::User(*id)));
    suspects.extend(folded.filter(|id| !alike.contains(id)));
    suspects.sort_unstable();
    suspects.dedup();
    Ok(suspects)
}

fn sort(id: Id, same: bool, alike: &mut HashSet<Id>, suspects: &mut Vec<Id>) {
    if same {
        alike.insert(id);
    } else {
        suspects.push(id);
    }
}

/// None where a row is damaged, which is told: those of it that the log knows are then looked at by their ids, and there may be
/// others.
fn told<T>(
    read: Result<T, RowsUnread>,
    unread: &mut Vec<(Position, String)>,
    (at, of): (Position, &str),
) -> Result<Option<T>, CouldNotLook> {
    if let Err(RowsUnread::Damaged(what)) = &read {
        unread.push((at, format!("the rows of {of} can't all be read: {what}")));
    }
    readable(read)
}

/// None where a row is damaged: all that are not known to be alike are then looked at by their ids.
fn readable<T>(read: Result<T, RowsUnread>) -> Result<Option<T>, CouldNotLook> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(RowsUnread::Damaged(_)) => Ok(None),
        Err(RowsUnread::Unavailable(what)) => Err(CouldNotLook::Rows(what)),
    }
}

/// How far the rows say that the log was applied; none where nothing was.
///
/// # Errors
/// Where they can't be asked.
pub async fn applied(rows: &dyn LiveRows) -> Result<Option<Applied>, CouldNotLook> {
    rows.applied().await.map_err(unread)
}

pub(super) fn unread(unread: RowsUnread) -> CouldNotLook {
    match unread {
        RowsUnread::Unavailable(what) => CouldNotLook::Rows(what),
        RowsUnread::Damaged(what) => CouldNotLook::Damaged(what),
    }
}

fn position(applied: Option<&Applied>) -> Position {
    applied.map_or(Position::START, |applied| applied.position)
}

/// Whether the rows stand where they say, in this log.
fn stands(applied: Option<&Applied>, history: &mut History) {
    let Some(applied) = applied else { return };
    let (at, end) = (applied.position, history.last());
    let what = if applied.log != history.log() {
        format!("the read model was made from log {}", applied.log)
    } else if at > end {
        format!("the read model is at position {at}, and the log ends at {end}: its tail is gone")
    } else if at == end && history.root().is_some_and(|root| root != applied.frontier.root()) {
        "the read model was made from other entries than stand in the log".to_owned()
    } else {
        return;
    };
    if !history.findings.has(at, Kind::Row) {
        history.findings.add(at, Kind::Row, what);
    }
}

/// Rows by their ids. One that can't be read is left out.
async fn by_id(rows: &dyn LiveRows, ids: &[Id]) -> Result<Rows, CouldNotLook> {
    let mut found = Rows::default();
    // Where a piece holds one that is damaged, its halves are asked for, down to that one.
    let mut pieces: Vec<&[Id]> = ids.chunks(AT_ONCE).collect();
    while let Some(piece) = pieces.pop() {
        let mut touched = Touched::default();
        for id in piece {
            match id {
                Id::Service(id) => drop(touched.services.insert(*id)),
                Id::User(id) => drop(touched.users.insert(*id)),
            }
        }
        match readable(rows.rows(&touched).await)? {
            Some(some) => found.extend(some),
            None if piece.len() > 1 => pieces.extend(piece.chunks(piece.len().div_ceil(2))),
            None => {}
        }
    }
    Ok(found)
}

fn verdict(history: &History, id: Id, found: &Rows) -> Verdict {
    let fold = history.folding();
    match id {
        Id::Service(id) if !history.is_sound(id) => Verdict::Unknown,
        Id::Service(id) => match (fold.services.get(&id), found.services.get(&id)) {
            (own, row) if own == row => Verdict::Same,
            (Some(own), row) => Verdict::Differs(own.last.position, row.map(|row| row.last.position)),
            (None, row) => Verdict::Unexplained(row.map_or(Position::START, |row| row.last.position)),
        },
        Id::User(id) => {
            let (own, row) = (fold.users.get(&id), found.users.get(&id));
            let service = own.or(row).map(|row| row.service);
            match (own, row) {
                (own, row) if own == row => Verdict::Same,
                _ if service.is_some_and(|service| !history.is_sound(service)) => Verdict::Unknown,
                (Some(own), row) => Verdict::Differs(own.user.revision, row.map(|row| row.user.revision)),
                // Its erasure may not be applied yet.
                (None, Some(row)) if fold.is_erased(id) => {
                    Verdict::Differs(history.last().max(row.user.revision), Some(row.user.revision))
                }
                (None, row) => Verdict::Unexplained(row.map_or(Position::START, |row| row.user.revision)),
            }
        }
    }
}
