//! One service's rows beside what its history makes of them.

use std::collections::{BTreeSet, HashMap, HashSet};

use audit::Folding;
use domain::{Position, ServiceId, UserId};
use event_log::Scope;
use futures::{StreamExt, TryStreamExt};
use keys::VaultError;
use wire::{Body, Corrupt, Link, OpenError, Opened, Stored, open_events};

use super::found::Differing;
use super::{Drift, Ended};
use crate::read_model::{Generation, ReadModelError, RowId, ServiceRow, Standing, Touched, UserQuery, UserRow};

/// How many entries are read and opened as one.
const BATCH: usize = 1_024;
/// So many entries' worth a look costs beside its entries.
pub(super) const COSTS: usize = 8;
/// How many users are asked for at a time.
const USERS: u32 = 500;
/// How often a service that has moved meanwhile is looked at, before it is left to the next round.
const LOOKS: u32 = 20;

/// What a look at a service came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Its rows were compared, and these differ.
    Compared(Vec<Differing>),
    /// Keys of its entries are lost, so nothing can be compared.
    Locked,
    /// It moved at each look.
    Moving,
}

impl Outcome {
    /// Nothing comes of a history that is not what was written: its rows are of another.
    fn corrupt(service: ServiceId, corrupt: &Corrupt) -> Self {
        tracing::error!(%service, %corrupt, "the history of a service is not what was written");
        Self::Compared(vec![Differing::Row(RowId::Service(service))])
    }
}

/// What one look has seen.
struct Seen {
    outcome: Outcome,
    /// How many rows were read.
    rows: usize,
    /// How many entries the service has up to the position that was asked for; none where not all were read.
    entries: Option<u64>,
}

/// The rows of a service, all of the moment when its last entry was this one.
struct RowsOf {
    service: Option<ServiceRow>,
    users: HashMap<UserId, UserRow>,
}

impl Drift {
    /// Looks at a service, and counts its entries up to a position where it reads them all. One that moves all the time is left to
    /// the next round.
    pub(super) async fn look(&self, service: ServiceId, to: Position) -> Result<(Outcome, Option<u64>), Ended> {
        let mut seen = self.look_once(service, to).await?;
        for _ in 1..LOOKS {
            if !matches!(seen.outcome, Outcome::Moving) {
                break;
            }
            seen = self.look_once(service, to).await?;
        }
        self.looked.service();
        Ok((seen.outcome, seen.entries))
    }

    /// How many entries a service has up to a position.
    pub(super) async fn count(&self, service: ServiceId, to: Position) -> Result<u64, Ended> {
        let (mut entries, mut after) = (0, Position::START);
        loop {
            let stored = self.entries(service, after).await?;
            entries += stored.iter().filter(|stored| stored.position <= to).count() as u64;
            self.pace(stored.len()).await;
            match stored.last() {
                Some(newest) if stored.len() == BATCH && newest.position < to => after = newest.position,
                _ => return Ok(entries),
            }
        }
    }

    /// Rows are read as fast as they come, so that the service has little time to move meanwhile, and paced behind.
    async fn look_once(&self, service: ServiceId, to: Position) -> Result<Seen, Ended> {
        let seen = self.compared(service, to).await?;
        self.pace(seen.rows).await;
        Ok(seen)
    }

    async fn compared(&self, service: ServiceId, to: Position) -> Result<Seen, Ended> {
        // Asked before the rows: what was applied by now is in them.
        let Standing { live, position: applied, .. } = self.leadership.look().await.map_err(|_| Ended::Later)?;
        let (rows, read) = match self.rows_of(service).await {
            Ok((Some(rows), read)) => (Some(rows), read),
            Ok((None, rows)) => return Ok(Seen { outcome: Outcome::Moving, rows, entries: None }),
            Err(ReadModelError::Damaged(_)) => (None, 0),
            Err(_) => return Err(Ended::Later),
        };
        let ended = |outcome| Seen { outcome, rows: read, entries: None };
        let last = rows.as_ref().and_then(|rows| rows.service.as_ref()).map(|row| row.last);
        // Of rows that can't be read, as far as they may be.
        let stands = rows.as_ref().map_or(applied, |_| last.map_or(Position::START, |last| last.position));
        let (mut folding, mut counted, mut differ) = (Folding::from_nothing(), 0, BTreeSet::new());
        let mut after = Position::START;
        loop {
            let stored = self.entries(service, after).await?;
            let Some(newest) = stored.last() else { break };
            after = newest.position;
            let (entries, full) = (stored.len(), stored.len() == BATCH);
            let opened = match open_events(&stored, self.log.id(), &self.vault).await {
                Ok(opened) => opened,
                Err(OpenError::Corrupt(corrupt)) => return Ok(ended(Outcome::corrupt(service, &corrupt))),
                Err(OpenError::Keys(VaultError::Unavailable(_))) => return Err(Ended::Later),
                Err(error @ (OpenError::Keys(_) | OpenError::Lost { .. })) => {
                    tracing::warn!(%service, %error, "the rows of a service can't be held against its history");
                    self.pace(entries).await;
                    return Ok(ended(Outcome::Locked));
                }
            };
            for opened in opened {
                let position = opened.link.position;
                counted += u64::from(position <= to);
                if position <= stands {
                    if let Err(corrupt) = folding.take(self.log.id(), &opened) {
                        return Ok(ended(Outcome::corrupt(service, &corrupt)));
                    }
                } else if position <= applied {
                    // It is applied, and the rows have not heard of it.
                    differ.extend(touched(service, &opened));
                }
            }
            self.pace(entries).await;
            if !full {
                break;
            }
        }
        let outcome = match rows {
            None => {
                differ.extend(self.unreadable(live, service, folding).await?);
                Outcome::Compared(differ.into_iter().collect())
            }
            Some(rows) => {
                differ.extend(differing(rows, folding, service));
                // Keys go with entries behind these rows, and what they sealed then counts as erased.
                if !differ.is_empty() && self.last(service).await? != last {
                    Outcome::Moving
                } else {
                    Outcome::Compared(differ.into_iter().collect())
                }
            }
        };
        Ok(Seen { outcome, rows: read, entries: Some(counted) })
    }

    /// The last entry of a service that its rows know.
    async fn last(&self, service: ServiceId) -> Result<Option<Link>, Ended> {
        let row = self.queries.service(service).await.map_err(|_| Ended::Later)?;
        Ok(row.map(|row| row.last))
    }

    /// The rows of a service that hold what we never wrote, as far as its history names them; where it names none of those, a
    /// stranger's.
    async fn unreadable(
        &self,
        live: Generation,
        service: ServiceId,
        folding: Folding,
    ) -> Result<Vec<Differing>, Ended> {
        let named = |users: HashSet<UserId>, services: HashSet<ServiceId>| Touched { users, services };
        let its_own = (RowId::Service(service), named(HashSet::new(), HashSet::from([service])));
        let of_users = folding.into_rows().users.into_keys();
        let of_users = of_users.map(|user| (RowId::User(user), named(HashSet::from([user]), HashSet::new())));
        let mut found = Vec::new();
        for (row, touched) in std::iter::once(its_own).chain(of_users) {
            match self.rows.touched(live, &touched).await {
                Err(ReadModelError::Damaged(_)) => found.push(Differing::Row(row)),
                Err(_) => return Err(Ended::Later),
                Ok(_) => {}
            }
            self.pace(1).await;
        }
        if found.is_empty() {
            found.push(Differing::Stranger(service));
        }
        Ok(found)
    }

    /// Some of a service's entries.
    async fn entries(&self, service: ServiceId, after: Position) -> Result<Vec<Stored>, Ended> {
        let entries = self.log.read(Scope::service(service), after).take(BATCH);
        entries.try_collect().await.map_err(|_| Ended::Later)
    }

    /// The service's rows of one moment, each of whose entries moves its own row; none where it moved while they were read. And how
    /// many rows were read.
    async fn rows_of(&self, service: ServiceId) -> Result<(Option<RowsOf>, usize), ReadModelError> {
        let row = self.queries.service(service).await?;
        let mut users = HashMap::new();
        let mut query = UserQuery { service, search: None, after: None, limit: USERS };
        loop {
            let page = self.queries.users(&query).await?;
            query.after = page.rows.last().map(|row| row.id);
            users.extend(page.rows.into_iter().map(|row| (row.id, row)));
            if !page.more {
                break;
            }
        }
        let (now, read) = (self.queries.service(service).await?, users.len() + 1);
        let stood_still = now.as_ref().map(|row| row.last) == row.map(|row| row.last);
        Ok((stood_still.then_some(RowsOf { service: now, users }), read))
    }
}

/// The rows that an entry touches.
fn touched(service: ServiceId, opened: &Opened) -> impl Iterator<Item = Differing> {
    let user = match &opened.change.body {
        Body::Service { user, .. } => *user,
        Body::LogCreated { .. } => None,
    };
    std::iter::once(RowId::Service(service)).chain(user.map(RowId::User)).map(Differing::Row)
}

/// Rows that are not the same: of another value, of no history, or missing.
fn differing(rows: RowsOf, folding: Folding, service: ServiceId) -> Vec<Differing> {
    let mut folded = folding.into_rows();
    let mut differing = Vec::new();
    if folded.services.remove(&service) != rows.service {
        differing.push(RowId::Service(service));
    }
    for (id, row) in rows.users {
        if folded.users.remove(&id) != Some(row) {
            differing.push(RowId::User(id));
        }
    }
    differing.extend(folded.users.into_keys().map(RowId::User));
    differing.into_iter().map(Differing::Row).collect()
}
