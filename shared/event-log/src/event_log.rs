//! The log as the services use it: one store, one identity, and every check that doesn't depend on the kind of store.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_stream::try_stream;
use domain::Position;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::time::{Instant, sleep, timeout};
use wire::{Entry, LogId, Stored};

use crate::{Appended, Corrupt, Head, LogStore, ReadError, Scope};

/// How long an append goes on asking, unless told otherwise.
const DEADLINE: Duration = Duration::from_secs(10);
/// The pause before the second attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The pause doesn't grow beyond this, so that a store that is back is noticed.
const LONGEST_PAUSE: Duration = Duration::from_millis(320);

/// How long a store is known by what it said last: one log can be put in another's place under an open store.
const KNOWN_FOR: Duration = Duration::from_secs(1);
/// The pause before a subject that seems to have lost entries is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(300);
/// The pause before a log that seems to have lost entries is, and for how long one question goes on with that.
const ASK_AGAIN: Duration = Duration::from_millis(20);
const GO_ON_ASKING: Duration = Duration::from_secs(1);

/// Why an entry was not appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Another entry stands where this one should have; this one does not and will not. Load and decide again.
    #[error("the service has moved on since this was decided")]
    Conflict,
    /// The log is not sound, and is appended to no more by this process. Page an operator.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// No answer before the deadline. The entry may stand or may yet come to stand: the same command must be asked for
    /// again with the same key, and only then may anybody say what became of it.
    #[error("the log did not answer in time: what became of the entry is not known")]
    Unavailable,
    /// The entry is longer than [`Entry::MAX_BYTES`]; nothing was tried.
    #[error("the entry has {bytes} bytes, more than {}", Entry::MAX_BYTES)]
    TooLarge {
        /// How many it has.
        bytes: usize,
    },
    /// The log was closed to appends, or this way into it only reads. The entry does not stand and will not.
    #[error("the log is closed to appends")]
    Closed,
}

/// One log, known by its id, in whatever store it lies.
///
/// - **Appends** are atomic and durable on return, and retried here, not by the caller. A caller acts on the five cases
///   of [`AppendError`] and nothing else.
/// - **Reads** come back contiguous and in order, or stop with [`Corrupt`].
/// - **Identity.** The store is asked which log it holds with every head, and before an append unless it has said so
///   within the last second, and has answered since.
/// - **No fork.** The highest position ever seen is kept; a log that turns out to end below it was rolled back, once that
///   has been so for as long as its store may lag ([`LogStore::lag`]). Once this value has found its log corrupt it
///   appends nothing more: a restart, by an operator, is what clears that.
/// - **Concurrency.** Share it by `Arc` among any number of tasks. Dropping a future or a stream harms nobody else; an
///   append that is dropped is as good as [`AppendError::Unavailable`].
pub struct EventLog {
    store: Arc<dyn LogStore>,
    log: LogId,
    deadline: Duration,
    /// The highest position that this process has seen in the log.
    seen: AtomicU64,
    /// When the store last said that it holds this log, in milliseconds after `begun`, and 1; 0 while it has not.
    identified: AtomicU64,
    begun: Instant,
    /// The lowest position that the log did not come to, though it was seen in it, and since when.
    missed: Mutex<Option<(Position, Instant)>>,
    broken: OnceLock<Corrupt>,
}

/// What a re-read after an attempt of unknown outcome has found.
enum Found {
    Ours(Position),
    Others,
    Nothing,
}

impl EventLog {
    /// The log with this id, which `store` is expected to hold. Nothing is asked yet.
    pub fn new(store: Arc<dyn LogStore>, log: LogId) -> Self {
        Self {
            store,
            log,
            deadline: DEADLINE,
            seen: AtomicU64::new(0),
            identified: AtomicU64::new(0),
            begun: Instant::now(),
            missed: Mutex::new(None),
            broken: OnceLock::new(),
        }
    }

    /// The same log with another limit to how long one append may take in all (10 s unless set).
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The log's identity.
    pub fn id(&self) -> LogId {
        self.log
    }

    /// The highest position that has been seen in the log, by whatever was asked of this value.
    pub fn seen(&self) -> Position {
        Position::new(self.seen.load(Ordering::SeqCst))
    }

    /// Appends `entry`, if `expected` is still the last position of its subject, and answers where it stands.
    ///
    /// Atomic and durable on return. An attempt whose outcome is unknown, or that was refused, is looked up: the entry
    /// that follows `expected` in the subject is either ours, byte for byte, and the append has succeeded, now or in an
    /// earlier call; or another's, and it has failed for good; if there is none, the same append is made again, which the
    /// guard makes harmless, after pauses that grow, until the deadline.
    pub async fn append(&self, entry: &Entry, expected: Position) -> Result<Position, AppendError> {
        if let Some(corrupt) = self.broken.get() {
            return Err(corrupt.clone().into());
        }
        if entry.bytes.len() > Entry::MAX_BYTES {
            return Err(AppendError::TooLarge { bytes: entry.bytes.len() });
        }
        let floor = self.seen().max(expected);
        let answer = timeout(self.deadline, self.append_persistently(entry, expected, floor)).await;
        answer.unwrap_or(Err(AppendError::Unavailable))
    }

    /// The entries of `scope` after the position, each checked against the one before. The stream ends as
    /// [`LogStore::read`] says, or with the first error; after [`ReadError::Unavailable`], read on from the last
    /// position. It ends at an entry that was the last when it was read: ask for the head to know which one was last
    /// before.
    pub fn read(&self, scope: Scope, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        let entries = self.store.read(scope.clone(), after);
        self.checked(entries, scope, after).boxed()
    }

    /// The whole log after the position, without end, each entry checked against the one before. A log that ends
    /// before `after` was rolled back, and is [`Corrupt`] at once. Ends with the first error only; after
    /// [`ReadError::Unavailable`], follow again from the last position.
    pub fn follow(&self, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        try_stream! {
            self.head_beyond(after).await?;
            let mut entries = self.checked(self.store.follow(after), Scope::All, after).boxed();
            while let Some(entry) = entries.next().await {
                yield entry?;
            }
        }
        .boxed()
    }

    /// Where `scope` ends, from the store itself, at a moment after the call.
    pub async fn head(&self, scope: Scope) -> Result<Head, ReadError> {
        if scope == Scope::All { self.head_beyond(Position::START).await } else { self.asked(scope).await }
    }

    /// Where the whole log ends, of which the caller knows that it went as far as `seen`: where it does not, and may not
    /// lag, it was rolled back. That is remembered against the log where this value has seen so much itself.
    pub async fn head_beyond(&self, seen: Position) -> Result<Head, ReadError> {
        let begun = Instant::now();
        loop {
            let own = self.seen();
            let head = self.asked(Scope::All).await?;
            let floor = own.max(seen);
            if !self.has_missed(head.position, floor) {
                return Ok(head);
            }
            if self.missed_for() >= self.store.lag() {
                let corrupt = Corrupt::RolledBack { head: head.position, seen: floor };
                return Err(if head.position < own { self.broken(corrupt) } else { corrupt }.into());
            }
            if begun.elapsed() >= GO_ON_ASKING {
                return Err(ReadError::Unavailable(format!(
                    "the log ends at position {}, and position {floor} has been seen: the server that answers may lag",
                    head.position
                )));
            }
            sleep(ASK_AGAIN).await;
        }
    }

    async fn asked(&self, scope: Scope) -> Result<Head, ReadError> {
        let head = self.store.head(scope).await.map_err(|error| {
            // When it is back, it may be another.
            self.identified.store(0, Ordering::SeqCst);
            self.remembered(error)
        })?;
        if head.log != self.log {
            return Err(self.broken(Corrupt::OtherLog { expected: self.log, found: head.log }).into());
        }
        self.saw(head.position);
        self.identified.store(self.now(), Ordering::SeqCst);
        Ok(head)
    }

    /// Notes whether the log comes as far as `floor`.
    fn has_missed(&self, head: Position, floor: Position) -> bool {
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        if missed.is_some_and(|(position, _)| head >= position) {
            *missed = None;
        }
        if head >= floor {
            return false;
        }
        match &mut *missed {
            Some((position, _)) => *position = floor.min(*position),
            None => *missed = Some((floor, Instant::now())),
        }
        true
    }

    /// For how long it has not come so far.
    fn missed_for(&self) -> Duration {
        let missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        missed.map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }

    /// Tries until there is an answer; the caller sets the limit.
    async fn append_persistently(
        &self,
        entry: &Entry,
        expected: Position,
        floor: Position,
    ) -> Result<Position, AppendError> {
        // Whether an attempt may have been, or may yet be, written: then a plain refusal of a later one proves nothing.
        let mut unsure = false;
        let mut pause = FIRST_PAUSE;
        loop {
            let answer = match self.identify().await {
                Ok(()) => Some(self.store.try_append(entry, expected).await),
                Err(ReadError::Corrupt(corrupt)) => return Err(corrupt.into()),
                Err(ReadError::Unavailable(_)) => None,
            };
            match answer {
                Some(Appended::At(position)) => return self.accepted(position, floor),
                Some(Appended::Closed) if !unsure => return Err(AppendError::Closed),
                Some(Appended::Unknown) => {
                    if !unsure {
                        tracing::warn!(subject = %entry.subject, %expected, "an append's outcome is unknown");
                    }
                    unsure = true;
                    self.identified.store(0, Ordering::SeqCst);
                }
                Some(Appended::Conflict | Appended::Closed) | None => {}
            }
            if unsure || answer == Some(Appended::Conflict) {
                match self.look_after(entry, expected).await {
                    // `seen` by a follower already, perhaps, so that the floor says nothing about it.
                    Ok(Found::Ours(position)) => return Ok(position),
                    Ok(Found::Others) => return Err(AppendError::Conflict),
                    Ok(Found::Nothing) => match answer {
                        // Nothing of ours is in it, and an attempt that is still under way will be refused too.
                        Some(Appended::Closed) => return Err(AppendError::Closed),
                        // Refused, and nothing explains it: somebody's append is on its way through a replicated store
                        // and may come to nothing; or a server has answered that no longer leads.
                        Some(Appended::Conflict) => self.still_ends_at(entry, expected).await?,
                        _ => {}
                    },
                    Err(ReadError::Corrupt(corrupt)) => return Err(corrupt.into()),
                    Err(ReadError::Unavailable(_)) => {}
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Makes sure that the store holds this log, and did so lately. Of many that append, one asks again.
    async fn identify(&self) -> Result<(), ReadError> {
        let (before, now) = (self.identified.load(Ordering::SeqCst), self.now());
        let lately = u64::try_from(KNOWN_FOR.as_millis()).unwrap_or(u64::MAX);
        if before != 0 && now.saturating_sub(before) < lately {
            return Ok(());
        }
        let asks =
            before == 0 || self.identified.compare_exchange(before, now, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        if asks {
            self.head(Scope::All).await?;
        }
        Ok(())
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// What follows `expected` in the entry's subject. An attempt of ours can only stand right there.
    async fn look_after(&self, entry: &Entry, expected: Position) -> Result<Found, ReadError> {
        match self.read(Scope::Subject(entry.subject.clone()), expected).next().await {
            None => Ok(Found::Nothing),
            Some(Ok(stored)) if stored.entry.bytes == entry.bytes => Ok(Found::Ours(stored.position)),
            Some(Ok(_)) => Ok(Found::Others),
            Some(Err(error)) => Err(error),
        }
    }

    /// A new entry can't get a position that was taken before the append began, unless the log was rolled back.
    fn accepted(&self, position: Position, floor: Position) -> Result<Position, AppendError> {
        if position <= floor {
            return Err(self.broken(Corrupt::RolledBack { head: position, seen: floor }).into());
        }
        self.saw(position);
        Ok(position)
    }

    /// Makes sure that the subject has not lost entries that the caller has seen, which would be refused for ever.
    async fn still_ends_at(&self, entry: &Entry, expected: Position) -> Result<(), AppendError> {
        let mut looked = false;
        loop {
            match self.head(Scope::Subject(entry.subject.clone())).await {
                Ok(head) if head.position < expected && looked => {
                    return Err(self.broken(Corrupt::RolledBack { head: head.position, seen: expected }).into());
                }
                // One that has just been replaced as the leader of a store of several may not know it yet.
                Ok(head) if head.position < expected => {
                    looked = true;
                    sleep(LOOK_AGAIN).await;
                }
                Ok(_) | Err(ReadError::Unavailable(_)) => return Ok(()),
                Err(ReadError::Corrupt(corrupt)) => return Err(corrupt.into()),
            }
        }
    }

    /// The entry at a position; none where the log does not come so far.
    ///
    /// # Errors
    /// Where the store can't be asked, or holds no sound log.
    pub async fn at(&self, position: Position) -> Result<Option<Stored>, ReadError> {
        let stored = self.store.at(position).await.map_err(|error| self.remembered(error))?;
        if let Some(stored) = &stored {
            let before = Position::new(position.get().saturating_sub(1));
            check(&Scope::All, before, stored).map_err(|corrupt| self.broken(corrupt))?;
            self.saw(position);
        }
        Ok(stored)
    }

    fn checked<'a>(
        &'a self,
        mut entries: BoxStream<'a, Result<Stored, ReadError>>,
        scope: Scope,
        after: Position,
    ) -> impl futures::Stream<Item = Result<Stored, ReadError>> + Send + 'a {
        try_stream! {
            let mut last = after;
            while let Some(entry) = entries.next().await {
                let stored = entry.map_err(|error| self.remembered(error))?;
                check(&scope, last, &stored).map_err(|corrupt| self.broken(corrupt))?;
                last = stored.position;
                self.saw(last);
                yield stored;
            }
        }
    }

    fn saw(&self, position: Position) {
        self.seen.fetch_max(position.get(), Ordering::SeqCst);
    }

    fn remembered(&self, error: ReadError) -> ReadError {
        if let ReadError::Corrupt(corrupt) = &error {
            self.broken(corrupt.clone());
        }
        error
    }

    /// Remembers that the log is corrupt, so that nothing more is appended to it.
    fn broken(&self, corrupt: Corrupt) -> Corrupt {
        if self.broken.set(corrupt.clone()).is_ok() {
            tracing::error!(log = %self.log, position = %corrupt.position(), %corrupt, "the log is corrupt");
        }
        corrupt
    }
}

/// Whether `stored` may follow `last` in a read of `scope`.
fn check(scope: &Scope, last: Position, stored: &Stored) -> Result<(), Corrupt> {
    let position = stored.position;
    match scope {
        Scope::All if position != last.next() => Err(Corrupt::Gap { after: last, found: position }),
        Scope::All => Ok(()),
        Scope::Subject(asked) if *asked != stored.entry.subject => Err(Corrupt::WrongSubject {
            position,
            asked: Box::new(asked.clone()),
            found: Box::new(stored.entry.subject.clone()),
        }),
        Scope::Subject(subject) if position <= last => {
            Err(Corrupt::OutOfOrder { subject: subject.clone(), after: last, found: position })
        }
        Scope::Subject(_) => Ok(()),
    }
}
