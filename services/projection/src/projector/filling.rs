//! An empty generation filled from the log: whole services are folded in memory, from their first entries on, and each row
//! is written once. Where that is more than memory is to hold, the log is read several times, for some services each time.

use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use audit::Folding;
use domain::Position;
use futures::stream::{self, StreamExt, TryStreamExt};
use wire::{Body, Corrupt, Link, LogId};

use super::ahead::{Ahead, Chosen, open_chosen, place};
use super::{Broken, Halt, Projector, read_up};
use crate::labour::Labour;
use crate::read_model::{Applied, ApplyError, Batch, Filling, Rows, ServiceRow, UserRow};

/// So many rows, some 1 KiB of memory each with all that is kept for them, are folded at a time: of fewer services, where one
/// comes to be too many. One service is always held as a whole, as the command side holds it too.
const FULL: usize = 131_072;
/// So many keys are kept at hand, as one key seals the names of a user again and again.
const KEYS: NonZeroUsize = NonZeroUsize::new(131_072).expect("not zero");
/// So many rows are written as one: for as long, some ten milliseconds, batches of the projector's may have to wait.
const WRITTEN: usize = 1_024;
/// So many such writes are under way: while a store takes one, the next is made ready.
const WRITING: usize = 2;

impl Projector {
    /// Fills the generation, to which nothing was ever applied, with everything up to `to`, which the log has reached, and
    /// calls `step` with how far that has come, in entries. The position moves last: until then, and where this fails, the
    /// rows are of no use.
    ///
    /// # Errors
    /// See [`Halt`].
    pub async fn fill(
        &self,
        filling: &dyn Filling,
        labour: &Labour,
        to: Position,
        step: impl FnMut(Position),
    ) -> Result<(), Halt> {
        self.fill_by(filling, labour, (to, FULL), step).await
    }

    async fn fill_by(
        &self,
        filling: &dyn Filling,
        labour: &Labour,
        (to, full): (Position, usize),
        mut step: impl FnMut(Position),
    ) -> Result<(), Halt> {
        if to == Position::START {
            return Ok(());
        }
        let vault = labour.vault(&self.vault.remembering(KEYS));
        let mut to_apply = None;
        let (mut from, mut told) = (Some(0), Position::START);
        while let Some(first) = from {
            let through = Arc::new(AtomicU64::new(u64::MAX));
            let chosen = Chosen { from: first, through: Arc::clone(&through), counts: to_apply.is_none() };
            let mut pass = Pass::new(self, chosen.clone(), full);
            let entries = read_up(&self.log, Position::START, to);
            let mut batches = pin!(open_chosen(entries, self.log.id(), vault.clone(), chosen, labour));
            let mut next = batches.next().await;
            while let Some(batch) = next {
                // The next ones are read meanwhile.
                let folding = labour.spawn(async move { pass.take(batch) });
                let (folded, following) = tokio::join!(folding, batches.next());
                (pass, next) = (folded.map_err(|_| panicked())??, following);
                let done = share_done(first, through.load(Ordering::Relaxed), pass.reached, to);
                told = told.max(done);
                step(told);
            }
            if pass.reached < to {
                return Err(Halt::Later(format!("the log ends before position {to}")));
            }
            to_apply = pass.counted.take().or(to_apply);
            self.write_out(filling, labour, pass.folding.into_rows()).await?;
            from = through.load(Ordering::Relaxed).checked_add(1);
        }
        let to_apply = to_apply.unwrap_or_else(|| Applied::nothing(self.log.id()));
        let batch = rows_of(Vec::new(), Vec::new(), to_apply);
        self.model.apply(self.generation, &batch, None).await.map_err(not_filled)?;
        step(to);
        Ok(())
    }

    async fn write_out(&self, filling: &dyn Filling, labour: &Labour, rows: Rows) -> Result<(), Halt> {
        let nothing = Applied::nothing(self.log.id());
        let mut users: Vec<_> = rows.users.into_values().collect();
        // New rows at the end of what is ordered by id cost the store least.
        users.sort_unstable_by_key(|row| row.id);
        let services = portions(rows.services.into_values()).map(|some| rows_of(some, Vec::new(), nothing.clone()));
        let users = portions(users.into_iter()).map(|some| rows_of(Vec::new(), some, nothing.clone()));
        let writing = stream::iter(services.chain(users)).map(|batch| async move {
            let begun = Instant::now();
            filling.fill(self.generation, &batch).await.map_err(not_filled)?;
            labour.rest(begun.elapsed()).await;
            Ok::<_, Halt>(())
        });
        writing.buffered(labour.at_a_time(WRITING)).try_collect().await
    }
}

/// A batch of rows alone: the ledger is not a rebuild's.
fn rows_of(services: Vec<ServiceRow>, users: Vec<UserRow>, to: Applied) -> Batch {
    Batch { services, users, erased: Vec::new(), leaves: Vec::new(), nodes: Vec::new(), to }
}

/// Rows in portions of as many as are written as one.
fn portions<T>(mut rows: impl Iterator<Item = T>) -> impl Iterator<Item = Vec<T>> {
    std::iter::from_fn(move || {
        let portion: Vec<_> = rows.by_ref().take(WRITTEN).collect();
        if portion.is_empty() { None } else { Some(portion) }
    })
}

/// The services whose ids are in one stretch, folded from their first entries on.
struct Pass {
    folding: Folding,
    chosen: Chosen,
    log: LogId,
    /// How many rows are too many.
    full: usize,
    /// The position of the last entry that was seen.
    reached: Position,
    /// How far the log was followed with all its entries; only by the first pass.
    counted: Option<Applied>,
}

impl Pass {
    fn new(projector: &Projector, chosen: Chosen, full: usize) -> Self {
        let log = projector.log.id();
        let counted = chosen.counts.then(|| Applied::nothing(log));
        Self { folding: Folding::from_nothing(), chosen, log, full, reached: Position::START, counted }
    }

    fn take(mut self, batch: Ahead) -> Result<Self, Halt> {
        let corrupt = |error: Corrupt| Halt::Broken(Broken::Corrupt(error.to_string()));
        if let Some(counted) = &mut self.counted {
            // The ledger has its nodes, or gets them from the live rows' projector.
            let nodes = &mut Vec::new();
            links(&batch).into_iter().try_for_each(|link| counted.follows(link, nodes)).map_err(corrupt)?;
        }
        for opened in &batch.opened {
            // Fewer may be chosen than when it was opened.
            let service = match &opened.change.body {
                Body::Service { service, .. } => Some(*service),
                Body::LogCreated { .. } => None,
            };
            if self.chosen.takes(service) {
                self.folding.take(self.log, opened).map_err(corrupt)?;
            }
        }
        self.reached = self.reached.max(batch.reached);
        if let Some(halt) = batch.then {
            return Err(halt);
        }
        while self.folding.rows() > self.full && self.narrow() {}
        Ok(self)
    }

    /// Leaves half of the rows to a later pass; says whether that is possible.
    fn narrow(&mut self) -> bool {
        let mut places: Vec<_> = self.folding.services_of_rows().map(place).collect();
        let middle = places.len() / 2;
        let (before, median, _) = places.select_nth_unstable(middle);
        let (first, median) = (before.iter().copied().min().unwrap_or(*median), *median);
        // Where one service has the half of them, it comes alone.
        let through = if first < median { median - 1 } else { median };
        if through == self.chosen.through.swap(through, Ordering::Relaxed) {
            return false;
        }
        let before = self.folding.rows();
        self.folding.retain(|id| place(id) <= through);
        self.folding.rows() < before
    }
}

/// Where all entries of a batch stand, in their order.
fn links(batch: &Ahead) -> Vec<Link> {
    let mut links: Vec<_> = batch.opened.iter().map(|opened| opened.link).chain(batch.passed.iter().copied()).collect();
    if !batch.passed.is_empty() {
        links.sort_unstable_by_key(|link| link.position);
    }
    links
}

/// How many entries' worth of `to` are done, where the services up to `from` are, and those through `through` up to `reached`.
fn share_done(from: u64, through: u64, reached: Position, to: Position) -> Position {
    let part = |place: u64| u128::from(place) * u128::from(to.get()) / u128::from(u64::MAX);
    let (before, with) = (part(from), part(through));
    let done = before + (with - before.min(with)) * u128::from(reached.get()) / u128::from(to.get().max(1));
    Position::new(u64::try_from(done).unwrap_or(u64::MAX))
}

fn panicked() -> Halt {
    let what = "a task that folded entries has panicked; this is a bug of postkey's, please report it";
    Halt::Broken(Broken::Corrupt(what.to_owned()))
}

fn not_filled(error: ApplyError) -> Halt {
    match error {
        ApplyError::Moved | ApplyError::NotLeading => Halt::Moved,
        // Domains and addresses are unique by what was folded.
        ApplyError::AddressTwice => Halt::Broken(Broken::Damaged(error.to_string())),
        ApplyError::ReadModel(error) => error.into(),
    }
}

#[cfg(test)]
mod tests;
