//! One service's rows beside what its history makes of them.

use std::collections::{BTreeSet, HashMap, HashSet};

use audit::Folding;
use domain::{Position, ServiceId, UserId};
use event_log::Scope;
use futures::{StreamExt, TryStreamExt};
use wire::{Body, Corrupt, OpenError, Opened, Stored, open_events};

use super::{Drift, Ended};
use crate::read_model::{Generation, ReadModelError, RowId, ServiceRow, Standing, Touched, UserQuery, UserRow};

/// How many entries are read and opened as one.
const BATCH: usize = 1_024;
/// So many entries' worth a look costs beside its entries.
pub(super) const COSTS: usize = 8;
/// How many users are asked for at a time.
const USERS: u32 = 500;
/// How often rows that differ, and have moved meanwhile, are looked at.
const LOOKS: u32 = 20;

/// What a look at a service came to.
pub(super) struct Seen {
    /// Rows that differ.
    pub differ: Vec<RowId>,
    /// How many entries it has up to the position that was asked for.
    pub entries: u64,
    /// Whether nothing of it was applied meanwhile.
    stood_still: bool,
}

impl Seen {
    /// Nothing comes of a history that is not what was written: its rows are of another.
    fn corrupt(service: ServiceId, corrupt: &Corrupt) -> Self {
        tracing::error!(%service, %corrupt, "the history of a service is not what was written");
        Self { differ: vec![RowId::Service(service)], entries: 0, stood_still: true }
    }
}

/// The rows of a service, all of the moment when its last entry was this one.
struct RowsOf {
    service: Option<ServiceRow>,
    users: HashMap<UserId, UserRow>,
}

impl Drift {
    /// Looks at a service, and counts its entries up to a position. One that moves all the time is passed over until the
    /// next round.
    pub(super) async fn look(&self, service: ServiceId, count_to: Position) -> Result<Seen, Ended> {
        let mut seen = self.look_once(service, count_to).await?;
        for _ in 1..LOOKS {
            if seen.differ.is_empty() || seen.stood_still {
                break;
            }
            seen = self.look_once(service, count_to).await?;
        }
        self.looked.service();
        if !seen.stood_still {
            seen.differ.clear();
        }
        Ok(seen)
    }

    async fn look_once(&self, service: ServiceId, count_to: Position) -> Result<Seen, Ended> {
        // Asked before the rows: what was applied by now is in them.
        let Standing { live, position: applied, .. } = self.leadership.look().await.map_err(|_| Ended::Later)?;
        let rows = match self.rows_of(service).await {
            Ok(rows) => Some(rows),
            Err(ReadModelError::Damaged(_)) => None,
            Err(_) => return Err(Ended::Later),
        };
        let last = rows.as_ref().and_then(|rows| rows.service.as_ref()).map(|row| row.last);
        // Of rows that can't be read, as far as they may be.
        let stands = rows.as_ref().map_or(applied, |_| last.map_or(Position::START, |last| last.position));
        let (mut folding, mut entries, mut differ) = (Folding::from_nothing(), 0, BTreeSet::new());
        let mut after = Position::START;
        loop {
            let stored = self.entries(service, after).await?;
            let Some(newest) = stored.last() else { break };
            after = newest.position;
            let (read, full) = (stored.len(), stored.len() == BATCH);
            let opened = match open_events(&stored, self.log.id(), &self.vault).await {
                Ok(opened) => opened,
                Err(OpenError::Corrupt(corrupt)) => return Ok(Seen::corrupt(service, &corrupt)),
                Err(OpenError::Keys(_) | OpenError::Lost { .. }) => return Err(Ended::Later),
            };
            for opened in opened {
                let position = opened.link.position;
                entries += u64::from(position <= count_to);
                if position <= stands {
                    if let Err(corrupt) = folding.take(self.log.id(), &opened) {
                        return Ok(Seen::corrupt(service, &corrupt));
                    }
                } else if position <= applied {
                    // It is applied, and the rows have not heard of it.
                    differ.extend(touched(service, &opened));
                }
            }
            self.pace(read).await;
            if !full {
                break;
            }
        }
        let stood_still = match rows {
            Some(rows) => {
                differ.extend(differing(rows, folding, service));
                // Keys go with entries behind these rows, and what they sealed then counts as erased.
                let now = self.queries.service(service).await.map_err(|_| Ended::Later)?;
                now.map(|row| row.last) == last
            }
            None => {
                differ.extend(self.unreadable(live, service, folding).await?);
                true
            }
        };
        Ok(Seen { differ: differ.into_iter().collect(), entries, stood_still })
    }

    /// The rows of a service that hold what we never wrote; the service itself where it is none that its history names.
    async fn unreadable(&self, live: Generation, service: ServiceId, folding: Folding) -> Result<Vec<RowId>, Ended> {
        let folded = folding.into_rows();
        let mut found = Vec::new();
        for user in folded.users.into_keys() {
            let one = Touched { users: HashSet::from([user]), ..Touched::default() };
            match self.rows.touched(live, &one).await {
                Err(ReadModelError::Damaged(_)) => found.push(RowId::User(user)),
                Err(_) => return Err(Ended::Later),
                Ok(_) => {}
            }
        }
        if found.is_empty() {
            found.push(RowId::Service(service));
        }
        Ok(found)
    }

    /// Some of a service's entries.
    async fn entries(&self, service: ServiceId, after: Position) -> Result<Vec<Stored>, Ended> {
        let entries = self.log.read(Scope::service(service), after).take(BATCH);
        entries.try_collect().await.map_err(|_| Ended::Later)
    }

    /// The service's rows of one moment: each entry of the service moves its own row.
    async fn rows_of(&self, service: ServiceId) -> Result<RowsOf, ReadModelError> {
        loop {
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
            let now = self.queries.service(service).await?;
            if now.as_ref().map(|row| row.last) == row.as_ref().map(|row| row.last) {
                return Ok(RowsOf { service: now, users });
            }
        }
    }
}

/// The rows that an entry touches.
fn touched(service: ServiceId, opened: &Opened) -> impl Iterator<Item = RowId> {
    let user = match &opened.change.body {
        Body::Service { user, .. } => *user,
        Body::LogCreated { .. } => None,
    };
    std::iter::once(RowId::Service(service)).chain(user.map(RowId::User))
}

/// Rows that are not the same: of another value, of no history, or missing.
fn differing(rows: RowsOf, folding: Folding, service: ServiceId) -> Vec<RowId> {
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
    differing
}
