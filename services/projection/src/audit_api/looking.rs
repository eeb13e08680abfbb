//! Looking through entries for a page of events: so far and no further.

use std::collections::{HashMap, HashSet};

use domain::{Position, ServiceId};
use futures::TryStreamExt;
use futures::stream::StreamExt;
use keys::{Vault, VaultError};
use postkey_http::{Code, Event, Problem};
use wire::{Body, Link, LogId, OpenError, Opened, Stored, open_all};

use super::entries::{Entries, Looked};
use super::filter::Filter;
use super::place::Place;

/// So many entries are looked at for one page, about: then it ends with what was found, and its `next` goes on from there.
const LOOKED_AT: usize = 4_096;
/// The fewest entries that are read and opened as one.
const BATCH: usize = 256;

/// What is looked for, and with what.
pub struct Looking<'a> {
    pub log: LogId,
    pub vault: &'a Vault,
    pub filter: &'a Filter,
    /// Whose entries these are.
    pub among: Among<'a>,
    pub told: Told,
    pub after: Place,
    pub limit: usize,
}

/// Whose entries are looked through.
#[derive(Clone, Copy)]
pub enum Among<'a> {
    /// Everybody's: all entries.
    All,
    /// These services': all of theirs.
    Services(&'a HashSet<ServiceId>),
    /// One user's: all of its own, and no others; where its service is not among these, if any, nothing is told.
    User(Option<&'a HashSet<ServiceId>>),
}

impl Among<'_> {
    /// Whether an entry of a service may be told of.
    fn allows(self, service: ServiceId) -> bool {
        match self {
            Self::All | Self::User(None) => true,
            Self::Services(services) | Self::User(Some(services)) => services.contains(&service),
        }
    }

    /// Whether each entry of a service that comes is the next one of it.
    const fn is_whole(self) -> bool {
        matches!(self, Self::All | Self::Services(_))
    }

    /// Whether nothing more can be asked for, where it can't of these services.
    fn is_over(self, over: &HashSet<ServiceId>) -> bool {
        match self {
            Self::All => false,
            Self::Services(services) => over.len() == services.len(),
            Self::User(_) => !over.is_empty(),
        }
    }
}

/// Who is told, beyond what panels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A panel, of its own services.
    Panel,
    /// An operator or auditor: origins and reasons too; addresses and names only where `personal`.
    Auditor {
        /// Whether it sees addresses and names.
        personal: bool,
    },
}

/// Events with their places, and where the next page begins; nowhere at the end.
#[derive(Debug)]
pub struct Found {
    pub events: Vec<(Place, Event)>,
    pub next: Option<Place>,
}

/// What was found so far.
#[derive(Default)]
struct Gathered {
    events: Vec<(Place, Event)>,
    /// The last entry that was seen of each service, which its next one must name.
    last: HashMap<ServiceId, Link>,
    /// Services whose further entries are too late to be asked for.
    over: HashSet<ServiceId>,
}

impl Looking<'_> {
    /// Looks through the entries of the services from `after`'s on.
    ///
    /// # Errors
    /// 503 where they can't be read or opened, or are corrupt. Where the keys of one are lost, the page ends before it; the
    /// page that would begin with it is refused.
    pub async fn through(&self, mut entries: Entries<'_>) -> Result<Found, Problem> {
        // One more than asked for tells whether there are more; without a filter no more than these are read.
        let batch = BATCH.max(self.limit + 1);
        let (mut gathered, mut looked_at) = (Gathered::default(), 0);
        loop {
            let looked: Vec<Looked> = entries.by_ref().take(batch).try_collect().await?;
            let ended = looked.len() < batch;
            looked_at += looked.len();
            let reached = looked.last().map(|(position, _)| *position);
            let own = looked.into_iter().filter_map(|(_, stored)| stored).collect();
            let lost = self.gather(own, &mut gathered).await?;
            if gathered.events.len() > self.limit {
                gathered.events.truncate(self.limit);
                let next = gathered.events.last().map(|(place, _)| *place);
                return Ok(gathered.page(next));
            }
            if let Some((position, problem)) = lost {
                let before = Place::behind(Position::new(position.get().saturating_sub(1)));
                return if gathered.events.is_empty() { Err(problem) } else { Ok(gathered.page(Some(before))) };
            }
            if ended || self.among.is_over(&gathered.over) {
                return Ok(gathered.page(None));
            }
            if looked_at >= LOOKED_AT {
                return Ok(gathered.page(reached.map(Place::behind)));
            }
        }
    }

    /// Takes what is asked for of these entries; where the keys of one are lost, of those before it.
    async fn gather(
        &self,
        mut stored: Vec<Stored>,
        gathered: &mut Gathered,
    ) -> Result<Option<(Position, Problem)>, Problem> {
        let (opened, lost) = match open_all(&stored, self.log, self.vault).await {
            Err(error @ OpenError::Lost { position, .. }) => {
                stored.retain(|stored| stored.position < position);
                let opened = open_all(&stored, self.log, self.vault).await.map_err(|error| not_opened(&error))?;
                (opened, Some((position, not_opened(&error))))
            }
            opened => (opened.map_err(|error| not_opened(&error))?, None),
        };
        for opened in &opened {
            self.take(opened, gathered)?;
        }
        Ok(lost)
    }

    fn take(&self, opened: &Opened, gathered: &mut Gathered) -> Result<(), Problem> {
        let (link, change) = (opened.link, &opened.change);
        let Body::Service { service, .. } = &change.body else { return Ok(()) };
        if !self.among.allows(*service) {
            return Ok(());
        }
        if self.among.is_whole()
            && let Some(last) = gathered.last.insert(*service, link)
        {
            let follows = change.follows(link.position, Some(last));
            follows.map_err(|corrupt| not_opened(&OpenError::Corrupt(corrupt)))?;
        }
        if self.filter.ends_before(change) {
            gathered.over.insert(*service);
        }
        for (nth, event) in change.events().iter().enumerate() {
            let place = Place::behind_event(link.position, nth);
            if place > self.after && self.filter.takes(change, event) {
                let event = match self.told {
                    Told::Panel => audit::shown::event(opened, event),
                    Told::Auditor { personal } => audit::shown::event_with_private(opened, event, personal),
                };
                gathered.events.push((place, event));
            }
        }
        Ok(())
    }
}

impl Gathered {
    fn page(self, next: Option<Place>) -> Found {
        Found { events: self.events, next }
    }
}

/// What is said of entries that can't be opened.
pub fn not_opened(error: &OpenError) -> Problem {
    match error {
        OpenError::Corrupt(_) => {
            tracing::error!(%error, "the log is corrupt");
            Problem::new(Code::LogCorrupt)
        }
        OpenError::Keys(VaultError::Unavailable(_)) => Problem::new(Code::KeysUnavailable),
        OpenError::Keys(VaultError::Foreign(_) | VaultError::Lost(_)) | OpenError::Lost { .. } => {
            tracing::error!(%error, "an entry can't be opened");
            Problem::new(Code::KeysUnavailable)
                .with_detail("the key store lacks keys of these entries: they have to be restored")
        }
    }
}
