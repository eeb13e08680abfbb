//! A round: every service that has a row, users that no service has, and services that have none.

use std::collections::HashSet;
use std::future::ready;

use domain::{Position, ServiceId};
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use postkey_http::HealthCheck;
use tokio::sync::watch;

use super::found::{Found, NAMED};
use super::look::COSTS;
use super::{Drift, Ended};
use crate::projector::{Progress, read_up};
use crate::read_model::{Generation, ReadModelError, RowId, ServiceQuery};

/// How many services are asked for at a time.
const SERVICES: u32 = 100;
/// How many entries are read for their subjects between two pauses.
const BATCH: usize = 1_024;

impl Drift {
    /// Looks at everything once, and says what it finds as soon as it does.
    pub(super) async fn round(
        &self,
        found: &mut Found,
        progress: &watch::Receiver<Progress>,
        leads: &watch::Receiver<bool>,
        health: &HealthCheck,
    ) -> Result<(), Ended> {
        let began = self.live(progress, leads).await?;
        let to = progress.borrow().position;
        found.tables = damage(self.strays.schema().await)?.err();
        found.tell(health);
        // What was found before may be mended, and is what a person waits for.
        for service in found.suspects() {
            self.look_at(service, to, (found, health)).await?;
        }
        let mut query = ServiceQuery { customer: None, after: None, limit: SERVICES };
        // The log's own entry, the first.
        let mut counted = u64::from(to > Position::START);
        loop {
            let page = match damage(self.queries.services(&query).await)? {
                Ok(page) => page,
                Err(what) => return self.by_the_log(to, what, (found, health)).await,
            };
            if self.live(progress, leads).await? != began {
                // These were made from the log a moment ago; what was found of the others may be mended by that.
                (found.strays, found.missing) = (Vec::new(), Vec::new());
                found.tell(health);
                return Ok(());
            }
            for row in &page.rows {
                counted += match self.look_at(row.id, to, (found, health)).await? {
                    Some(entries) => entries,
                    None => self.count(row.id, to).await?,
                };
            }
            match page.rows.last() {
                Some(last) if page.more => query.after = Some(last.service.domain.as_str().to_owned()),
                _ => break,
            }
        }
        match damage(self.strays.strays(NAMED as u32).await)? {
            Ok(strays) => (found.strays, found.lists) = (strays, None),
            Err(what) => found.lists = Some(what),
        }
        // Every entry is one of a service's that was looked at, unless a service has no row.
        found.missing = if counted < to.get() { self.without_rows(to).await? } else { Vec::new() };
        found.tell(health);
        self.looked.round();
        Ok(())
    }

    /// Which rows are looked up, while this projection leads and applies what comes.
    async fn live(
        &self,
        progress: &watch::Receiver<Progress>,
        leads: &watch::Receiver<bool>,
    ) -> Result<Generation, Ended> {
        if !*leads.borrow() {
            return Err(Ended::Deposed);
        }
        if progress.borrow().halted.is_some() {
            return Err(Ended::Later);
        }
        Ok(self.leadership.look().await.map_err(|_| Ended::Later)?.live)
    }

    async fn look_at(
        &self,
        service: ServiceId,
        to: Position,
        (found, health): (&mut Found, &HealthCheck),
    ) -> Result<Option<u64>, Ended> {
        let (outcome, entries) = self.look(service, to).await?;
        found.take(service, outcome);
        found.tell(health);
        self.pace(COSTS).await;
        Ok(entries)
    }

    /// Looks at every service that the log has up to a position: the row of one can't be read, and so nor can the list of them.
    async fn by_the_log(
        &self,
        to: Position,
        what: String,
        (found, health): (&mut Found, &HealthCheck),
    ) -> Result<(), Ended> {
        found.lists = Some(what);
        found.tell(health);
        let mut services = std::pin::pin!(self.services_of_the_log(to));
        while let Some(service) = services.try_next().await? {
            self.look_at(service, to, (found, health)).await?;
        }
        Ok(())
    }

    /// Services that the log has up to a position, and the rows have not.
    async fn without_rows(&self, to: Position) -> Result<Vec<RowId>, Ended> {
        let (mut services, mut missing) = (std::pin::pin!(self.services_of_the_log(to)), Vec::new());
        while let Some(service) = services.try_next().await? {
            // One that can't be read is there.
            if let Ok(None) = damage(self.queries.service(service).await)? {
                missing.push(RowId::Service(service));
            }
        }
        Ok(missing)
    }

    /// Each service that the log has up to a position, once.
    fn services_of_the_log(&self, to: Position) -> impl Stream<Item = Result<ServiceId, Ended>> {
        let mut seen = HashSet::new();
        let batches = read_up(&self.log, Position::START, to).chunks(BATCH).then(move |batch| async move {
            self.pace(batch.len()).await;
            batch
        });
        batches.flat_map(stream::iter).filter_map(move |stored| {
            let service = stored.map(|stored| stored.entry.subject.of_service()).map_err(|_| Ended::Later).transpose();
            ready(service.filter(|service| service.as_ref().map_or(true, |service| seen.insert(*service))))
        })
    }
}

/// What can't be read is damage, in words; what can't be had now ends the round.
fn damage<T>(answer: Result<T, ReadModelError>) -> Result<Result<T, String>, Ended> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(error @ ReadModelError::Damaged(_)) => Ok(Err(error.to_string())),
        Err(_) => Err(Ended::Later),
    }
}
