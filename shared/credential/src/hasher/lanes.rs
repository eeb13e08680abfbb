//! The queues in front of the threads, and who is served next.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::bench::Bench;

/// Whose work it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// A change that a client asks for, and somebody waits for: always next.
    Command,
    /// A sign-in, or a user's own change.
    Login,
    /// A look at a password while it is typed.
    Check,
}

/// A number of jobs for each lane. For metrics: by the time it is read it has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depths {
    /// Hashes and strict judgements for clients' commands.
    pub commands: usize,
    /// Verifications for sign-ins, and all that users' own changes take.
    pub logins: usize,
    /// Scores for checks.
    pub checks: usize,
}

impl Depths {
    /// Each with its lane's name, as metrics have it.
    pub const fn named(&self) -> [(&'static str, usize); 3] {
        [("commands", self.commands), ("logins", self.logins), ("checks", self.checks)]
    }

    pub(super) fn of(&self, lane: Lane) -> usize {
        match lane {
            Lane::Command => self.commands,
            Lane::Login => self.logins,
            Lane::Check => self.checks,
        }
    }
}

/// Work and somebody who waits for it.
pub(super) trait Job: Send {
    /// Whether anybody still waits.
    fn is_wanted(&self) -> bool;
    /// Does it and answers.
    fn run(self: Box<Self>, bench: &mut Bench);
}

/// A closure, and the channel that its result goes to. Dropped unrun, it closes the channel, and the waiter knows.
pub(super) struct Task<T, F> {
    pub answer: oneshot::Sender<T>,
    pub work: F,
}

impl<T: Send, F: FnOnce(&mut Bench) -> T + Send> Job for Task<T, F> {
    fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    fn run(self: Box<Self>, bench: &mut Bench) {
        // A waiter that has gone meanwhile takes the result with it.
        drop(self.answer.send((self.work)(bench)));
    }
}

/// Why a job was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// So many wait already.
    Full(usize),
    /// No thread will come for it.
    Closed,
}

/// The lanes, with a bound on each.
///
/// Commands come first, so that one waits at most for the jobs in hand and the commands before it. Logins and checks
/// take turns: neither can starve the other. A job whose waiter has gone is dropped when its turn comes, or earlier,
/// where its place is needed.
pub(super) struct Lanes {
    bounds: Depths,
    queues: Mutex<Queues>,
    changed: Condvar,
}

#[derive(Default)]
struct Queues {
    commands: VecDeque<Box<dyn Job>>,
    logins: VecDeque<Box<dyn Job>>,
    checks: VecDeque<Box<dyn Job>>,
    checks_turn: bool,
    closed: bool,
    taken: Depths,
}

impl Queues {
    fn count(&mut self, lane: Lane) {
        let taken = match lane {
            Lane::Command => &mut self.taken.commands,
            Lane::Login => &mut self.taken.logins,
            Lane::Check => &mut self.taken.checks,
        };
        *taken += 1;
    }

    fn lane(&mut self, lane: Lane) -> &mut VecDeque<Box<dyn Job>> {
        match lane {
            Lane::Command => &mut self.commands,
            Lane::Login => &mut self.logins,
            Lane::Check => &mut self.checks,
        }
    }

    fn next_wanted(&mut self) -> Option<Box<dyn Job>> {
        let (first, second) = if self.checks_turn { (Lane::Check, Lane::Login) } else { (Lane::Login, Lane::Check) };
        for lane in [Lane::Command, first, second] {
            while let Some(job) = self.lane(lane).pop_front() {
                if job.is_wanted() {
                    if lane != Lane::Command {
                        self.checks_turn = lane == Lane::Login;
                    }
                    return Some(job);
                }
            }
        }
        None
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("bounds", &self.bounds).field("depths", &self.depths()).finish_non_exhaustive()
    }
}

impl Lanes {
    /// Empty lanes.
    pub fn new(bounds: Depths) -> Self {
        Self { bounds, queues: Mutex::default(), changed: Condvar::new() }
    }

    /// Queues a job, or refuses it at once.
    pub fn push(&self, lane: Lane, job: Box<dyn Job>) -> Result<(), Refused> {
        let mut queues = self.lock();
        if queues.closed {
            return Err(Refused::Closed);
        }
        let queue = queues.lane(lane);
        if queue.len() >= self.bounds.of(lane) {
            queue.retain(|job| job.is_wanted());
        }
        if queue.len() >= self.bounds.of(lane) {
            return Err(Refused::Full(queue.len()));
        }
        queue.push_back(job);
        queues.count(lane);
        drop(queues);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for the next job; `None` once closed. A thread that has to wait wipes its bench first.
    pub fn next(&self, bench: &mut Bench) -> Option<Box<dyn Job>> {
        let mut queues = self.lock();
        loop {
            if queues.closed {
                return None;
            }
            if let Some(job) = queues.next_wanted() {
                return Some(job);
            }
            if bench.is_used() {
                drop(queues);
                bench.wipe();
                // Jobs may have come meanwhile: look again before waiting.
                queues = self.lock();
            } else {
                queues = self.changed.wait(queues).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Lets the threads end after the jobs in hand, and drops the others: their waiters are told.
    pub fn close(&self) {
        let mut queues = self.lock();
        let closed = Queues { closed: true, taken: queues.taken, ..Queues::default() };
        let dropped = std::mem::replace(&mut *queues, closed);
        drop(queues);
        self.changed.notify_all();
        drop(dropped);
    }

    /// Whether [`Self::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// How many jobs each lane has taken so far.
    pub fn taken(&self) -> Depths {
        self.lock().taken
    }

    /// How many jobs wait in each lane; those in hand don't count.
    pub fn depths(&self) -> Depths {
        let queues = self.lock();
        Depths { commands: queues.commands.len(), logins: queues.logins.len(), checks: queues.checks.len() }
    }

    /// No job runs under the lock, so a poisoned one guards nothing half-done.
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
