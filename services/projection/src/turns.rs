//! Costly questions take turns: the cores and the read model's readers are the logins' before they are theirs. Turns go
//! round: a caller holds one at a time, and queues behind itself, so that nobody's questions keep another's from theirs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::Customer;
use postkey_http::{Caller, Code, Problem, Tenancy};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long a call may wait for its turn.
pub const WITHIN: Duration = Duration::from_secs(5);
/// How many calls of one caller may be there at a time, the one whose turn it is included.
const PLACES: usize = 32;

/// Whose call it is: a client, for one customer or for all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Whose(String, Option<Customer>);

impl Whose {
    /// This call's.
    pub fn of(caller: &Caller, tenancy: &Tenancy) -> Self {
        Self(caller.name.clone(), tenancy.only().cloned())
    }

    /// A call that is about no customer's services.
    pub fn client(caller: &Caller) -> Self {
        Self(caller.name.clone(), None)
    }
}

/// The turns of one kind of question. Clones share them.
#[derive(Clone, Debug)]
pub struct Turns {
    all: Arc<Semaphore>,
    queues: Arc<Mutex<HashMap<Whose, Queue>>>,
}

/// The calls of one caller: how many are there, and the one turn that they share.
#[derive(Debug)]
struct Queue {
    there: usize,
    own: Arc<Semaphore>,
}

/// A turn: it is over when this is dropped.
#[derive(Debug)]
#[must_use = "dropped, the turn is over"]
pub struct Turn {
    _of_all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
    _place: Place,
}

/// A place in a caller's queue, until it is dropped.
#[derive(Debug)]
struct Place {
    turns: Turns,
    whose: Whose,
}

impl Turns {
    /// So many at a time.
    pub fn new(at_a_time: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(at_a_time)), queues: Arc::default() }
    }

    /// The caller's next turn: its calls come in their order, and callers by turns.
    ///
    /// # Errors
    /// 503 `overloaded`, where the others take longer than [`WITHIN`], or the caller has as many calls there as it may.
    pub async fn take(&self, whose: &Whose) -> Result<Turn, Problem> {
        let (place, own) = self.enter(whose)?;
        // In this order: whoever waits for one of all has one call in that queue, whatever waits behind it.
        let both = async { Ok((own.acquire_owned().await?, Arc::clone(&self.all).acquire_owned().await?)) };
        let taken = timeout(WITHIN, both).await.map_err(|_| Problem::new(Code::Overloaded))?;
        let (own, of_all) = taken.map_err(|_: tokio::sync::AcquireError| Problem::internal())?;
        Ok(Turn { _of_all: of_all, _own: own, _place: place })
    }

    fn enter(&self, whose: &Whose) -> Result<(Place, Arc<Semaphore>), Problem> {
        let mut queues = self.lock();
        let queue = queues.entry(whose.clone()).or_insert_with(|| Queue { there: 0, own: Arc::new(Semaphore::new(1)) });
        if queue.there == PLACES {
            return Err(Problem::new(Code::Overloaded));
        }
        queue.there += 1;
        Ok((Place { turns: self.clone(), whose: whose.clone() }, Arc::clone(&queue.own)))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Whose, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = self.turns.lock();
        let Some(queue) = queues.get_mut(&self.whose) else { return };
        queue.there -= 1;
        if queue.there == 0 {
            queues.remove(&self.whose);
        }
    }
}

#[cfg(test)]
pub mod tests {
    use futures::future::{join_all, poll_immediate};
    use tokio::task::yield_now;
    use tokio::time::{Instant, advance};

    use super::*;

    /// A client's, for a customer.
    pub fn whose(client: &str, customer: &str) -> Whose {
        Whose(client.to_owned(), Some(Customer::parse(customer).unwrap()))
    }

    fn code(taken: Result<Turn, Problem>) -> Option<Code> {
        taken.err().map(|problem| problem.code)
    }

    #[tokio::test(start_paused = true)]
    async fn one_caller_that_asks_without_end_leaves_the_others_their_turns() {
        let turns = Turns::new(2);
        let (acme, begun) = (whose("panel", "acme"), Instant::now());
        let first = turns.take(&acme).await.unwrap();
        let mut more = Box::pin(join_all((1..PLACES).map(|_| turns.take(&acme))));
        assert!(poll_immediate(&mut more).await.is_none(), "it has its one");
        // Tokio lets a task make so many steps only before it waits.
        yield_now().await;
        for (client, customer) in [("panel", "other"), ("webmail", "acme"), ("panel", "third")] {
            let other = poll_immediate(turns.take(&whose(client, customer))).await;
            assert!(other.expect("nobody else asks").is_ok(), "{client} of {customer}");
        }
        let other = turns.take(&whose("panel", "other")).await.unwrap();
        let third = whose("panel", "third");
        let mut third = Box::pin(turns.take(&third));
        assert!(poll_immediate(&mut third).await.is_none());
        let beyond = poll_immediate(turns.take(&acme)).await;
        assert_eq!(code(beyond.expect("it does not wait")), Some(Code::Overloaded));
        drop(first);
        assert!(poll_immediate(&mut more).await.is_none(), "a second of its calls begins to wait for one of all");
        yield_now().await;
        let third = poll_immediate(&mut third).await.expect("it came before that").unwrap();
        drop((third, other));
        assert_eq!(begun.elapsed(), Duration::ZERO);
        drop(more);
        assert!(turns.lock().is_empty(), "nothing is kept of those who have gone");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_too_long_is_told_to_come_back_and_leaves_its_place() {
        let turns = Turns::new(2);
        let acme = whose("panel", "acme");
        let held = turns.take(&acme).await.unwrap();
        let mut waits = Box::pin(turns.take(&acme));
        assert!(poll_immediate(&mut waits).await.is_none());
        advance(WITHIN).await;
        assert_eq!(code(waits.await), Some(Code::Overloaded));
        let places = turns.lock().get(&acme).map(|queue| queue.there);
        assert_eq!(places, Some(1));
        drop(held);
        assert!(turns.take(&acme).await.is_ok());
        assert!(turns.lock().is_empty());
    }
}
