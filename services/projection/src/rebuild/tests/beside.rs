//! Rebuilds beside a running projection, which moves rows and log on between two steps of theirs.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use event_log::{Appended, Head};
use futures::StreamExt;
use futures::future;
use futures::stream::BoxStream;
use wire::{Entry, Stored};

use super::*;
use crate::read_model::{Batch, Claim, Part, RowId, Rows, Touched, UserRow};
use crate::staged::LOG;

/// A log that ends, as it says, where it has been shown to.
struct Shown {
    inner: Arc<dyn LogStore>,
    end: AtomicU64,
}

#[async_trait]
impl LogStore for Shown {
    async fn try_append(&self, entry: &Entry, expected: Position) -> Appended {
        self.inner.try_append(entry, expected).await
    }

    fn read(&self, scope: Scope, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        let end = self.end.load(Ordering::SeqCst);
        let shown = move |entry: &Result<Stored, ReadError>| !matches!(entry, Ok(entry) if entry.position.get() > end);
        self.inner.read(scope, after).take_while(move |entry| future::ready(shown(entry))).boxed()
    }

    fn follow(&self, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        self.inner.follow(after)
    }

    async fn head(&self, scope: Scope) -> Result<Head, ReadError> {
        let head = self.inner.head(scope).await?;
        Ok(Head { position: head.position.min(Position::new(self.end.load(Ordering::SeqCst))), ..head })
    }
}

/// A step of the rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// It asks how far the live rows are.
    Look,
    /// It compares them.
    Compare,
}

/// Rows that a running projection moves on, to these positions, right before these steps.
struct Moving {
    model: Arc<SqliteReadModel>,
    log: Arc<Shown>,
    projector: tokio::sync::Mutex<Projector>,
    moves: Mutex<VecDeque<(Move, Position)>>,
}

impl Moving {
    async fn before(&self, step: Move) {
        let to = {
            let mut moves = self.moves.lock().unwrap();
            if moves.front().is_none_or(|(next, _)| *next != step) {
                return;
            }
            moves.pop_front().unwrap().1
        };
        self.log.end.store(to.get(), Ordering::SeqCst);
        self.projector.lock().await.catch_up(to, |_| {}).await.unwrap();
    }
}

#[async_trait]
impl ReadModelWriter for Moving {
    async fn applied(&self, generation: Generation) -> Result<Option<Applied>, ReadModelError> {
        self.before(Move::Look).await;
        self.model.applied(generation).await
    }

    async fn touched(&self, generation: Generation, touched: &Touched) -> Result<Rows, ReadModelError> {
        self.model.touched(generation, touched).await
    }

    async fn apply(&self, generation: Generation, batch: &Batch, from: Option<&Applied>) -> Result<(), ApplyError> {
        self.model.apply(generation, batch, from).await
    }

    async fn not_searchable(&self, generation: Generation, limit: u32) -> Result<Vec<UserRow>, ReadModelError> {
        self.model.not_searchable(generation, limit).await
    }

    async fn forget(&self) -> Result<(), ReadModelError> {
        self.model.forget().await
    }
}

#[async_trait]
impl Generations for Moving {
    async fn mend(&self) -> Result<(), ReadModelError> {
        self.model.mend().await
    }

    async fn live(&self) -> Result<Generation, ReadModelError> {
        self.model.live().await
    }

    async fn begin(&self) -> Result<Generation, ApplyError> {
        self.model.begin().await
    }

    async fn differences(
        &self,
        one: Generation,
        other: Generation,
        part: Part,
        limit: u32,
    ) -> Result<Vec<RowId>, ReadModelError> {
        self.before(Move::Compare).await;
        self.model.differences(one, other, part, limit).await
    }

    async fn swap(&self, live: Generation, next: Generation, force: bool) -> Result<(), ApplyError> {
        self.model.swap(live, next, force).await
    }
}

#[async_trait]
impl Filling for Moving {
    async fn claim_rebuild(&self) -> Result<Option<Claim>, ReadModelError> {
        self.model.claim_rebuild().await
    }

    async fn fill(&self, generation: Generation, rows: &Batch) -> Result<(), ApplyError> {
        self.model.fill(generation, rows).await
    }

    async fn drop_unfinished(&self) -> Result<(), ReadModelError> {
        self.model.drop_unfinished().await
    }
}

/// A rebuild beside a projection that moves on before each of these steps by an entry about one user.
async fn beside(steps: &[Move], edited: Option<&'static str>) -> (World, Arc<SqliteReadModel>, RebuildReport) {
    let (mut world, model) = applied().await;
    let end = world.author.position();
    if let Some(sql) = edited {
        edit(&world, sql).await;
    }
    let projector = tokio::sync::Mutex::new(world.projector(&model).await);
    let mut moves = VecDeque::new();
    for step in steps {
        world.act(1, Act::Password(2)).await;
        moves.push_back((*step, world.author.position()));
    }
    let log = Arc::new(Shown { inner: Arc::clone(&world.store), end: AtomicU64::new(end.get()) });
    let moves = Mutex::new(moves);
    let moving = Arc::new(Moving { model: Arc::clone(&model), log: Arc::clone(&log), projector, moves });
    let log = Arc::new(EventLog::new(log, LOG));
    let report = rebuild(log, world.vault(), RebuildPorts::of(&moving), Differences::Accepted, |_| {}).await;
    (world, model, report.unwrap())
}

#[tokio::test]
async fn rows_that_move_on_while_they_are_looked_at_differ_from_nothing() {
    for steps in [&[Move::Look][..], &[Move::Compare], &[Move::Look, Move::Compare, Move::Compare, Move::Look]] {
        let (world, model, report) = beside(steps, None).await;
        let expected = RebuildReport { position: world.author.position(), differences: Some(vec![]) };
        assert_eq!(report, expected, "{steps:?}");
        world.expect_rows(&model).await;
    }
}

#[tokio::test]
async fn a_row_that_was_edited_is_named_also_where_others_move_on() {
    let edited = "UPDATE mailbox_user SET quota_mib = 77 WHERE address = 'user2@s2.example'";
    let (world, model, report) = beside(&[Move::Look, Move::Compare, Move::Compare], Some(edited)).await;
    assert_eq!(report.differences, Some(vec![format!("user {}", user_of(2, 2))]));
    world.expect_rows(&model).await;
}
