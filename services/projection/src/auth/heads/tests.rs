//! Many askers, few questions, and nobody is given an answer that is older than what they asked.

use async_trait::async_trait;
use event_log::{Appended, FaultyStore, Head, LogStore, MemoryStore, ReadFault};
use futures::future::{join_all, poll_immediate};
use futures::stream::BoxStream;
use tokio::sync::{Semaphore, watch};
use wire::{Entry, Stored};

use super::*;
use crate::staged::{LIMIT, LOG, scribble};

/// A log that takes its time: the answer is found at once, and handed over once it is let go.
struct Slow {
    inner: MemoryStore,
    asked: watch::Sender<u64>,
    let_go: Semaphore,
}

#[async_trait]
impl LogStore for Slow {
    async fn try_append(&self, entry: &Entry, expected: Position) -> Appended {
        self.inner.try_append(entry, expected).await
    }

    fn read(&self, scope: Scope, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        self.inner.read(scope, after)
    }

    fn follow(&self, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        self.inner.follow(after)
    }

    async fn head(&self, scope: Scope) -> Result<Head, ReadError> {
        let head = self.inner.head(scope).await;
        self.asked.send_modify(|asked| *asked += 1);
        self.let_go.acquire().await.expect("never closed").forget();
        head
    }
}

fn slow() -> (Arc<Slow>, Heads) {
    let store =
        Arc::new(Slow { inner: MemoryStore::new(LOG), asked: watch::Sender::default(), let_go: Semaphore::new(0) });
    let log = Arc::new(EventLog::new(Arc::clone(&store) as Arc<dyn LogStore>, LOG));
    (store, Heads::new(log))
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_while_a_question_is_under_way_shares_the_next_one() {
    let (store, heads) = slow();
    let first = tokio::spawn({
        let heads = heads.clone();
        async move { heads.head().await }
    });
    store.asked.subscribe().wait_for(|asked| *asked == 1).await.unwrap();

    // The first question has its answer; then the log grows, and a hundred ask.
    assert_eq!(store.try_append(&scribble(1), Position::START).await, Appended::At(Position::new(1)));
    let mut many = Box::pin(join_all((0..100).map(|_| heads.head())));
    assert!(poll_immediate(&mut many).await.is_none(), "all of them have asked, none is answered");
    store.let_go.add_permits(1);
    assert_eq!(first.await.unwrap(), Ok(Position::START));
    assert!(poll_immediate(&mut many).await.is_none(), "that answer was older than their question");

    store.let_go.add_permits(100);
    let answers = tokio::time::timeout(LIMIT, many).await.unwrap();
    assert_eq!(answers, vec![Ok(Position::new(1)); 100]);
    assert_eq!(*store.asked.borrow(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_asker_who_goes_away_is_in_nobodys_way() {
    let (store, heads) = slow();
    {
        let mut gone = Box::pin(heads.head());
        assert!(poll_immediate(&mut gone).await.is_none());
    }
    store.let_go.add_permits(2);
    assert_eq!(heads.head().await, Ok(Position::START));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_never_answers_is_unavailable_and_asked_again() {
    let faulty = FaultyStore::new(Arc::new(MemoryStore::new(LOG))).on_read(1, ReadFault::Hangs);
    let heads = Heads::new(Arc::new(EventLog::new(Arc::new(faulty), LOG)));
    let unanswered = tokio::time::timeout(LIMIT, heads.head()).await.expect("a login hangs with it");
    assert!(matches!(unanswered, Err(ReadError::Unavailable(_))), "{unanswered:?}");
    assert_eq!(heads.head().await, Ok(Position::START));
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_hear_that_the_log_is_not_there() {
    let faulty = FaultyStore::new(Arc::new(MemoryStore::new(LOG))).on_read(1, ReadFault::Unavailable);
    let heads = Heads::new(Arc::new(EventLog::new(Arc::new(faulty), LOG)));
    let answers = join_all((0..3).map(|_| heads.head())).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(ReadError::Unavailable(_)))), "{answers:?}");
    assert_eq!(heads.head().await, Ok(Position::START));
}
