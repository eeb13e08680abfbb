//! A store that fails on demand, for tests of whatever stands on a log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use domain::Position;
use futures::stream::BoxStream;
use futures::{StreamExt, future, stream};
use wire::{Entry, LogId, Stored};

use crate::{Appended, Head, LogStore, ReadError, Scope};

/// How one append fails. A store never reports a conflict for an entry that it has written: there is no fault for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendFault {
    /// It never reaches the store; unknown.
    Lost,
    /// It is decided by the store, but the answer is lost; unknown.
    AckLost,
    /// It is lost, and another writer appends this entry, expecting the same position, right after; unknown.
    Overtaken(Entry),
    /// It is still under way: unknown at once, and decided by the store just before the next append is.
    Late,
    /// There is never an answer, and it never reaches the store.
    Hangs,
    /// The log is closed; nothing is written.
    Closed,
    /// A conflict, though nothing has moved: as a replicated store answers while another's append is on its way through
    /// its servers, that may come to nothing. Nothing is written.
    Refused,
}

/// How one read fails. `read`, `follow` and `head` are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// The store can't be asked. A head fails; a stream brings the error and ends.
    Unavailable,
    /// There is never an answer.
    Hangs,
    /// The first entry of a stream is missing. A head is true.
    Gap,
    /// The first entry of a stream comes twice. A head is true.
    Twice,
    /// A stream brings the whole log, whatever was asked for. A head is true.
    Unfiltered,
    /// A head says that this is another log. A stream is true.
    OtherLog(LogId),
    /// The log ends at this position, as if an older copy had been put in its place.
    RolledBack(Position),
}

/// A store in front of another one, with a script of what goes wrong: the nth append, the nth read, counted from 1.
/// Whatever the script doesn't name goes through.
pub struct FaultyStore {
    inner: Arc<dyn LogStore>,
    script: Mutex<Script>,
}

#[derive(Default)]
struct Script {
    appends: u64,
    reads: u64,
    on_append: BTreeMap<u64, AppendFault>,
    on_read: BTreeMap<u64, ReadFault>,
    from_append: Option<(u64, AppendFault)>,
    late: Option<(Entry, Position)>,
}

impl FaultyStore {
    /// In front of `inner`, with nothing going wrong yet.
    pub fn new(inner: Arc<dyn LogStore>) -> Self {
        Self { inner, script: Mutex::default() }
    }

    /// The `nth` append fails so.
    #[must_use]
    pub fn on_append(self, nth: u64, fault: AppendFault) -> Self {
        self.with_script(|script| script.on_append.insert(nth, fault));
        self
    }

    /// The `nth` append and all after it fail so, unless they are named for themselves.
    #[must_use]
    pub fn from_append(self, nth: u64, fault: AppendFault) -> Self {
        self.with_script(|script| script.from_append = Some((nth, fault)));
        self
    }

    /// The `nth` read fails so.
    #[must_use]
    pub fn on_read(self, nth: u64, fault: ReadFault) -> Self {
        self.with_script(|script| script.on_read.insert(nth, fault));
        self
    }

    /// How many appends have been tried.
    pub fn appends(&self) -> u64 {
        self.with_script(|script| script.appends)
    }

    /// How many reads have been made.
    pub fn reads(&self) -> u64 {
        self.with_script(|script| script.reads)
    }

    fn with_script<T>(&self, use_it: impl FnOnce(&mut Script) -> T) -> T {
        use_it(&mut self.script.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn next_read(&self) -> Option<ReadFault> {
        self.with_script(|script| {
            script.reads += 1;
            script.on_read.get(&script.reads).copied()
        })
    }

    fn next_append(&self) -> (Option<AppendFault>, Option<(Entry, Position)>) {
        self.with_script(|script| {
            script.appends += 1;
            let (nth, late) = (script.appends, script.late.take());
            let lasting = script.from_append.as_ref().filter(|(from, _)| nth >= *from).map(|(_, fault)| fault);
            (script.on_append.get(&nth).or(lasting).cloned(), late)
        })
    }

    fn faulty<'a>(
        &'a self,
        fault: Option<ReadFault>,
        scope: Scope,
        after: Position,
        open: impl FnOnce(&'a dyn LogStore, Scope) -> BoxStream<'a, Result<Stored, ReadError>>,
    ) -> BoxStream<'a, Result<Stored, ReadError>> {
        let inner = self.inner.as_ref();
        match fault {
            None | Some(ReadFault::OtherLog(_)) => open(inner, scope),
            Some(ReadFault::Unavailable) => stream::once(future::ready(Err(unavailable()))).boxed(),
            Some(ReadFault::Hangs) => stream::pending().boxed(),
            Some(ReadFault::Gap) => open(inner, scope).skip(1).boxed(),
            Some(ReadFault::Twice) => {
                let first = inner.read(scope.clone(), after).take(1);
                first.chain(open(inner, scope)).boxed()
            }
            Some(ReadFault::Unfiltered) => open(inner, Scope::All),
            Some(ReadFault::RolledBack(end)) => open(inner, scope)
                .take_while(move |entry| future::ready(!matches!(entry, Ok(stored) if stored.position > end)))
                .boxed(),
        }
    }
}

#[async_trait]
impl LogStore for FaultyStore {
    async fn try_append(&self, entry: &Entry, expected: Position) -> Appended {
        let (fault, late) = self.next_append();
        if let Some((entry, expected)) = late {
            self.inner.try_append(&entry, expected).await;
        }
        match fault {
            None => return self.inner.try_append(entry, expected).await,
            Some(AppendFault::Lost) => {}
            Some(AppendFault::AckLost) => {
                self.inner.try_append(entry, expected).await;
            }
            Some(AppendFault::Overtaken(other)) => {
                self.inner.try_append(&other, expected).await;
            }
            Some(AppendFault::Late) => self.with_script(|script| script.late = Some((entry.clone(), expected))),
            Some(AppendFault::Hangs) => future::pending().await,
            Some(AppendFault::Closed) => return Appended::Closed,
            Some(AppendFault::Refused) => return Appended::Conflict,
        }
        Appended::Unknown
    }

    fn read(&self, scope: Scope, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        self.faulty(self.next_read(), scope, after, move |store, scope| store.read(scope, after))
    }

    fn follow(&self, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        self.faulty(self.next_read(), Scope::All, after, move |store, _| store.follow(after))
    }

    async fn head(&self, scope: Scope) -> Result<Head, ReadError> {
        let fault = self.next_read();
        let head = self.inner.head(scope).await?;
        match fault {
            Some(ReadFault::Unavailable) => Err(unavailable()),
            Some(ReadFault::Hangs) => future::pending().await,
            Some(ReadFault::OtherLog(log)) => Ok(Head { log, ..head }),
            Some(ReadFault::RolledBack(end)) => Ok(Head { position: head.position.min(end), ..head }),
            Some(ReadFault::Gap | ReadFault::Twice | ReadFault::Unfiltered) | None => Ok(head),
        }
    }
}

fn unavailable() -> ReadError {
    ReadError::Unavailable("as the script says".to_owned())
}
