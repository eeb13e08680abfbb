//! The lead: a row with who holds it and until when, by the database's clock.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use domain::Position;
use sqlx::Row;
use uuid::Uuid;
use wire::LogId;

use super::super::row::damaged;
use super::super::{Generation, Lead, Leadership, ReadModelError, Standing};
use super::{PostgresReadModel, failed, statement};

/// How long a question about the lead may take: less than a lease, so that whoever can't ask knows in time.
pub const WITHIN: Duration = Duration::from_secs(2);

/// Claims the lead for three seconds. One that is held for longer than that was written before the clock went back.
const CLAIM: &str = "UPDATE leader SET holder = $1, expires = clock_timestamp() + interval '3 s' \
     WHERE holder IS NULL OR holder = $1 \
        OR NOT (expires > clock_timestamp() AND expires <= clock_timestamp() + interval '3 s')";
const LOOK: &str = "SELECT generation.generation, generation.log, generation.position, leader.holder, \
     leader.expires > clock_timestamp() AND leader.expires <= clock_timestamp() + interval '3 s' \
     FROM generation CROSS JOIN leader WHERE generation.live";

#[async_trait]
impl Leadership for PostgresReadModel {
    async fn look(&self) -> Result<Standing, ReadModelError> {
        let row = self.lease.row(|| statement(LOOK));
        let row = row.await.map_err(failed)?;
        let read = || -> Result<_, sqlx::Error> {
            let (live, log, position) =
                (row.try_get(0)?, row.try_get::<Option<Uuid>, _>(1)?, row.try_get::<i64, _>(2)?);
            let (holder, valid) = (row.try_get::<Option<Uuid>, _>(3)?, row.try_get::<bool, _>(4)?);
            Ok((Generation(live), log.map(LogId::new), position, holder.map(|holder| (holder, valid))))
        };
        let (live, log, position, holder) = read().map_err(failed)?;
        let position = u64::try_from(position).map_err(|_| damaged("a position below zero"))?;
        let lead = match holder {
            None => Lead::Free,
            Some((holder, _)) if holder == self.holder => Lead::Ours,
            Some((_, true)) => Lead::Anothers,
            Some((_, false)) => Lead::Left,
        };
        Ok(Standing { live, log, position: Position::new(position), lead })
    }

    async fn claim(&self) -> Result<bool, ReadModelError> {
        // Before it is ours, so that nothing is ever applied between this and that without it.
        self.fenced.store(true, Ordering::SeqCst);
        let claimed = self.lease.changed(|| statement(CLAIM).bind(self.holder));
        Ok(claimed.await.map_err(failed)? == 1)
    }

    async fn release(&self) -> Result<(), ReadModelError> {
        let sql = "UPDATE leader SET holder = NULL WHERE holder = $1";
        let released = self.lease.changed(|| statement(sql).bind(self.holder));
        released.await.map(|_| ()).map_err(failed)
    }
}
