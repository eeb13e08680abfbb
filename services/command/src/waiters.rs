//! Those who wait for a position. Each is woken once, when it is reached: with hundreds waiting, waking all of them for every
//! step of the position costs more than their commands do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Position;
use tokio::sync::oneshot;

/// A position that moves forward, and who waits for it.
#[derive(Clone, Default)]
pub struct Waiters(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    reached: Position,
    /// Whether it will never move again.
    closed: bool,
    /// By the position that they wait for, and a number that tells them apart.
    waiting: BTreeMap<(Position, u64), oneshot::Sender<()>>,
    next: u64,
}

impl Waiters {
    /// How far it has come.
    pub fn position(&self) -> Position {
        self.lock().reached
    }

    /// Moves it to `position`, unless it is there or further, and wakes who waited for that.
    pub fn reach(&self, position: Position) {
        let woken = {
            let mut all = self.lock();
            all.reached = all.reached.max(position);
            let first_later = (all.reached.next(), 0);
            let later = all.waiting.split_off(&first_later);
            std::mem::replace(&mut all.waiting, later)
        };
        for waiter in woken.into_values() {
            // Whoever no longer waits has missed nothing.
            let _ = waiter.send(());
        }
    }

    /// It will never move again: nobody waits any longer.
    pub fn close(&self) {
        let mut all = self.lock();
        all.closed = true;
        all.waiting.clear();
    }

    /// Waits until it is at `position` or further; false once that will never be.
    pub async fn reached(&self, position: Position) -> bool {
        let (woken, key) = {
            let mut all = self.lock();
            if all.reached >= position || all.closed {
                return all.reached >= position;
            }
            let (waiter, woken) = oneshot::channel();
            let key = (position, all.next);
            all.next += 1;
            all.waiting.insert(key, waiter);
            (woken, key)
        };
        // Also where the future is dropped: nobody is kept for whom nobody waits.
        let _gone = Leave { all: self, key };
        woken.await.is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Leave<'a> {
    all: &'a Waiters,
    key: (Position, u64),
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.all.lock().waiting.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn at(position: u64) -> Position {
        Position::new(position)
    }

    #[test]
    fn each_is_woken_when_its_position_is_reached_and_not_before() {
        let waiters = Waiters::default();
        let (mut second, mut third) = (Box::pin(waiters.reached(at(2))), Box::pin(waiters.reached(at(3))));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        waiters.reach(at(1));
        assert!(second.as_mut().now_or_never().is_none());
        waiters.reach(at(2));
        assert_eq!(second.as_mut().now_or_never(), Some(true));
        assert!(third.as_mut().now_or_never().is_none());
        waiters.reach(at(7));
        assert_eq!(third.as_mut().now_or_never(), Some(true));
        assert_eq!(waiters.reached(at(7)).now_or_never(), Some(true), "what is reached is not waited for");
    }

    #[test]
    fn once_it_is_closed_nobody_waits() {
        let waiters = Waiters::default();
        waiters.reach(at(1));
        let mut waits = Box::pin(waiters.reached(at(2)));
        assert!(waits.as_mut().now_or_never().is_none());
        waiters.close();
        assert_eq!(waits.as_mut().now_or_never(), Some(false));
        assert_eq!(waiters.reached(at(2)).now_or_never(), Some(false));
        assert_eq!(waiters.reached(at(1)).now_or_never(), Some(true));
    }

    #[test]
    fn it_never_goes_back() {
        let waiters = Waiters::default();
        waiters.reach(at(5));
        waiters.reach(at(3));
        assert_eq!(waiters.position(), at(5));
    }

    #[test]
    fn whoever_goes_away_is_forgotten() {
        let waiters = Waiters::default();
        let mut waits = Box::pin(waiters.reached(at(2)));
        assert!(waits.as_mut().now_or_never().is_none());
        assert_eq!(waiters.lock().waiting.len(), 1);
        drop(waits);
        assert!(waiters.lock().waiting.is_empty());
    }
}
