//! A round: every service that has a row, users that no service has, and services that have none.

use std::collections::HashSet;

use domain::{Position, ServiceId};
use futures::stream::StreamExt;
use postkey_http::HealthCheck;
use tokio::sync::watch;

use super::look::COSTS;
use super::{Drift, Ended, Found, NAMED};
use crate::projector::{Progress, read_up};
use crate::read_model::{Generation, RowId, ServiceQuery};

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
        // What was found before may be mended, and is what a person waits for.
        let suspects: Vec<_> = found.of_services.keys().copied().collect();
        for service in suspects {
            self.look_at(service, to, (found, health)).await?;
        }
        let mut query = ServiceQuery { customer: None, after: None, limit: SERVICES };
        // The log's own entry, the first.
        let mut counted = u64::from(to > Position::START);
        loop {
            let page = self.queries.services(&query).await.map_err(|_| Ended::Later)?;
            if self.live(progress, leads).await? != began {
                // These were made from the log a moment ago; what was found of the others may be mended by that.
                (found.strays, found.missing) = (Vec::new(), Vec::new());
                found.tell(health);
                return Ok(());
            }
            for row in &page.rows {
                counted += self.look_at(row.id, to, (found, health)).await?;
            }
            match page.rows.last() {
                Some(last) if page.more => query.after = Some(last.service.domain.as_str().to_owned()),
                _ => break,
            }
        }
        found.strays = self.strays.strays(NAMED as u32).await.map_err(|_| Ended::Later)?;
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
    ) -> Result<u64, Ended> {
        let seen = self.look(service, to).await?;
        if seen.differ.is_empty() {
            found.of_services.remove(&service);
        } else {
            found.of_services.insert(service, seen.differ);
        }
        found.tell(health);
        self.pace(COSTS).await;
        Ok(seen.entries)
    }

    /// Services that the log has up to a position, and the rows have not.
    async fn without_rows(&self, to: Position) -> Result<Vec<RowId>, Ended> {
        let mut entries = read_up(&self.log, Position::START, to).chunks(BATCH);
        let (mut seen, mut missing) = (HashSet::new(), Vec::new());
        while let Some(batch) = entries.next().await {
            let read = batch.len();
            for stored in batch {
                let stored = stored.map_err(|_| Ended::Later)?;
                let Some(service) = stored.entry.subject.of_service() else { continue };
                if seen.insert(service) && self.queries.service(service).await.map_err(|_| Ended::Later)?.is_none() {
                    missing.push(RowId::Service(service));
                }
            }
            self.pace(read).await;
        }
        Ok(missing)
    }
}
