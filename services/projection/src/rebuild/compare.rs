//! Which of the live rows are not what the log makes of them, also while a projection moves them.

use std::time::Instant;

use super::{Beside, NAMED, RebuildError, foreign};
use crate::read_model::{Applied, Generation, ReadModelError, RowId, Rows, Touched};

/// How many rows that may differ are looked at one by one.
const SUSPECTS: u32 = 1_000;
/// How many first bytes of ids a part of the rows has, which is compared in one statement.
const PART: usize = 4;
/// How often rows that may differ are looked at again, while a running projection moves them.
const LOOKS: u32 = 50;

impl Beside<'_> {
    /// Comes to where the live rows are, `old`, and says which of them differ: at most [`NAMED`].
    pub(super) async fn compare(&mut self, old: Applied) -> Result<Vec<String>, RebuildError> {
        let mut at = old;
        self.stands_at(&at).await?;
        let mut suspects = self.suspects().await?;
        for _ in 0..LOOKS {
            if suspects.is_empty() {
                break;
            }
            // A row that a running projection has moved on meanwhile is alike once it has been caught up with.
            let touched = touched(&suspects);
            let (live, next) = (self.rows(self.live, &touched).await?, self.rows(self.next, &touched).await?);
            suspects.retain(|row| differ(*row, &live, &next));
            match self.ports.writer.applied(self.live).await? {
                Some(now) if now != at => at = now,
                _ => break,
            }
            self.stands_at(&at).await?;
        }
        suspects.sort_unstable();
        Ok(suspects.iter().take(NAMED).map(ToString::to_string).collect())
    }

    /// Comes to a position of the live rows, which must be one of this log's.
    async fn stands_at(&mut self, live: &Applied) -> Result<(), RebuildError> {
        let reached = self.projector.catch_up(live.position, |_| {}).await?;
        // It may have come further before.
        match reached {
            Some(reached) if reached.position > live.position || reached.frontier == live.frontier => Ok(()),
            _ => Err(foreign(live, self.log.id(), self.head)),
        }
    }

    /// Rows that are not the same, part by part, each as it stands when it is looked at.
    async fn suspects(&self) -> Result<Vec<RowId>, RebuildError> {
        let mut found = Vec::new();
        for first in (0..=u8::MAX).step_by(PART) {
            let (part, begun) = (first..=first + (PART as u8 - 1), Instant::now());
            let more = SUSPECTS.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
            found.extend(self.ports.generations.differences(self.live, self.next, part, more).await?);
            self.labour.rest(begun.elapsed()).await;
        }
        Ok(found)
    }

    /// Rows of a generation. One that can't be read is left out, and differs from any.
    async fn rows(&self, generation: Generation, touched: &Touched) -> Result<Rows, ReadModelError> {
        match self.ports.writer.touched(generation, touched).await {
            Err(ReadModelError::Damaged(_)) => {}
            rows => return rows,
        }
        let mut readable = Rows::default();
        for one in each(touched) {
            match self.ports.writer.touched(generation, &one).await {
                Err(ReadModelError::Damaged(_)) => {}
                rows => readable.extend(rows?),
            }
        }
        Ok(readable)
    }
}

fn touched(rows: &[RowId]) -> Touched {
    let mut touched = Touched::default();
    for row in rows {
        match row {
            RowId::Service(id) => touched.services.insert(*id),
            RowId::User(id) => touched.users.insert(*id),
        };
    }
    touched
}

/// Each of them alone.
fn each(touched: &Touched) -> impl Iterator<Item = Touched> {
    let services = touched.services.iter().map(|id| self::touched(&[RowId::Service(*id)]));
    services.chain(touched.users.iter().map(|id| self::touched(&[RowId::User(*id)])))
}

fn differ(row: RowId, live: &Rows, next: &Rows) -> bool {
    match row {
        RowId::Service(id) => live.services.get(&id) != next.services.get(&id),
        RowId::User(id) => live.users.get(&id) != next.users.get(&id),
    }
}
