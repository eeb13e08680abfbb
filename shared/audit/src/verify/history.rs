//! What entries say together, one after the other: their places, the chain of each service, their tree, and what they add up
//! to. Goes on behind whatever it finds: a service of which something was altered is followed by its chain alone from there on.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::{Event, KeyId, Moment, Position, ServiceId, User, UserId, UserKeys};
use ledger::{Frontier, Hash, Node};
use wire::{Body, Corrupt, Link, LogId, Opened};

use super::anchors::{Anchor, Anchors};
use super::examine::{Examined, PartsSeen};
use super::finding::{Findings, Kind};
use super::tally::Tally;
use crate::fold::Folding;
use crate::rows::Rows;

/// Of what the entries are all there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The log.
    Log,
    /// A service.
    Service(ServiceId),
    /// A user of a service: what happened to the service's other users stands in between.
    User(ServiceId, UserId),
    /// Nothing: it is the one entry at a position, and says nothing of what stands around it.
    Entry(Position),
}

/// The history of a log, or of a part of it, as far as it was read.
pub struct History {
    log: LogId,
    extent: Extent,
    /// Users, where no more is known of their service.
    alone: HashMap<UserId, User>,
    /// The last position that was read.
    last: Position,
    entries: u64,
    /// Of the tree; none any more where positions are missing.
    frontier: Option<Frontier>,
    /// What has come since it was last taken, where it is asked for.
    pub(super) grown: Option<Grown>,
    chains: HashMap<ServiceId, Chain>,
    folding: Folding,
    /// The keys of users, where doomed ones are asked for.
    keys: Option<HashMap<UserId, UserKeys>>,
    /// Services of which a key was lost: what their rows hold can't be told.
    opaque: HashSet<ServiceId>,
    anchors: Anchors,
    /// What was found.
    pub findings: Findings,
    /// What happened.
    pub tally: Tally,
    /// What became of sealed parts.
    pub parts: PartsSeen,
    /// Keys that entries doom, and where, since they were last taken.
    pub doomed: Vec<(Position, KeyId)>,
    /// Keys that were destroyed, and that no entry has doomed so far: by which entry they were used, where doomed ones are asked
    /// for.
    pub(super) undoomed: HashMap<KeyId, (ServiceId, Position)>,
}

/// What a ledger beside the log has to have too.
#[derive(Default)]
pub(super) struct Grown {
    /// Leaves, and the nodes above them that are whole.
    pub nodes: Vec<Node>,
    /// Whom entries are about; those that say it.
    pub about: Vec<(Position, Option<UserId>)>,
}

/// The entries of one service.
struct Chain {
    last: Link,
    at: Option<DateTime<Utc>>,
    /// Whether all of them could be folded.
    sound: bool,
    /// An entry whose bytes are not those that the last one names: which of the two was altered, the next one says.
    disputed: Option<Position>,
}

impl Chain {
    const fn broken(last: Link) -> Self {
        Self { last, at: None, sound: false, disputed: None }
    }
}

impl History {
    /// Nothing of `log` yet, whose tree is to be what `anchors` say. `dooms` is whether doomed keys are asked for.
    pub fn new(log: LogId, extent: Extent, mut anchors: Anchors, dooms: bool) -> Self {
        let (mut findings, frontier) = (Findings::default(), Frontier::default());
        anchors.hold(0, frontier.root(), &mut findings);
        Self {
            log,
            extent,
            alone: HashMap::new(),
            last: Position::START,
            entries: 0,
            frontier: (extent == Extent::Log).then_some(frontier),
            grown: None,
            chains: HashMap::new(),
            folding: Folding::new(Rows::default()),
            keys: dooms.then(HashMap::new),
            opaque: HashSet::new(),
            anchors,
            findings,
            tally: Tally::default(),
            parts: PartsSeen::default(),
            doomed: Vec::new(),
            undoomed: HashMap::new(),
        }
    }

    /// The same, and what a ledger has beside it is asked for too.
    #[must_use]
    pub fn with_ledger(self) -> Self {
        Self { grown: Some(Grown::default()), ..self }
    }

    /// The log.
    pub const fn log(&self) -> LogId {
        self.log
    }

    /// How many entries were read.
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// The last position that was read.
    pub const fn last(&self) -> Position {
        self.last
    }

    /// How many services there are.
    pub fn services(&self) -> usize {
        self.chains.len()
    }

    /// The root of the tree of everything that was read; none where positions are missing.
    pub fn root(&self) -> Option<Hash> {
        self.frontier.as_ref().map(Frontier::root)
    }

    /// Whether the tree was as an anchor says.
    pub fn held(&self, anchor: Anchor) -> bool {
        self.anchors.held(anchor)
    }

    /// What it adds up to.
    pub(super) const fn folding(&self) -> &Folding {
        &self.folding
    }

    /// Whether all entries of a service could be opened and folded; one that has none has nothing that could not be.
    pub(super) fn is_sound(&self, service: ServiceId) -> bool {
        !self.opaque.contains(&service) && self.chains.get(&service).is_none_or(|chain| chain.sound)
    }

    /// Takes in the next entry.
    pub fn take(&mut self, examined: Examined) {
        self.stands(&examined);
        self.entries += 1;
        let Examined { position, subject, leaf, entry, mac, parts } = examined;
        let authentic = mac.as_ref().map(Result::is_ok);
        if let Some(Err(corrupt)) = mac {
            self.findings.add(position, Kind::Mac, corrupt.what);
        }
        self.parts.sealed += parts.sealed;
        self.parts.opened += parts.opened;
        self.parts.erased += parts.erased;
        if let (Some(service), true) = (subject.of_service(), self.keys.is_some()) {
            for key in parts.destroyed {
                self.undoomed.entry(key).or_insert((service, position));
            }
        }
        if !parts.lost.is_empty() {
            self.opaque.extend(subject.of_service());
        }
        for (key, what) in parts.lost {
            let what =
                format!("key {key}, which it is sealed under, {what}: restore the key store that belongs to the log");
            self.findings.add(position, Kind::Key, what);
        }
        match entry {
            Ok(opened) => self.says(&opened, authentic),
            Err(corrupt) => {
                self.findings.add(position, Kind::Bytes, corrupt.what);
                if let Some(service) = subject.of_service() {
                    self.chains.insert(service, Chain::broken(Link { position, leaf }));
                    self.folding.forget(service);
                }
            }
        }
    }

    /// What the store could not even say of a position.
    pub fn unreadable(&mut self, position: Position, what: impl Into<String>) {
        self.findings.add(position, Kind::Bytes, what);
        self.last = self.last.max(position);
        self.frontier = None;
    }

    /// The log has ended.
    pub fn end(&mut self) {
        if self.last == Position::START {
            self.findings.add(Position::new(1), Kind::Missing, "there are no entries");
        }
        for (last, disputed) in self.chains.values().filter_map(|chain| Some((chain.last.position, chain.disputed?))) {
            undecided(&mut self.findings, disputed, last);
        }
        if self.extent == Extent::Log {
            self.anchors.end(self.last, &mut self.findings);
        }
    }

    /// Whether it stands where the one before it has ended; and its leaf of the tree.
    fn stands(&mut self, examined: &Examined) {
        let (position, expected) = (examined.position, self.last.next());
        if position > expected && self.extent == Extent::Log {
            let what = match position.get() - 1 {
                last if last == expected.get() => "there is no entry: it was removed".to_owned(),
                last => format!("there are no entries at positions {expected} to {last}: they were removed"),
            };
            self.findings.add(expected, Kind::Missing, what);
            self.frontier = None;
        } else if position < expected {
            self.findings.add(position, Kind::Order, format!("it was read after position {}", self.last));
            self.frontier = None;
        }
        self.last = self.last.max(position);
        let Some(frontier) = &mut self.frontier else { return };
        match &mut self.grown {
            None => frontier.push(examined.leaf),
            Some(grown) => {
                grown.nodes.push(Node { level: 0, index: frontier.size(), hash: examined.leaf });
                frontier.append(examined.leaf, &mut grown.nodes);
            }
        }
        if self.anchors.wants(frontier.size()) {
            self.anchors.hold(frontier.size(), frontier.root(), &mut self.findings);
        }
    }

    fn says(&mut self, opened: &Opened, authentic: Option<bool>) {
        self.tally.count(opened);
        let position = opened.link.position;
        let first = position == Position::new(1);
        if let Some(grown) = &mut self.grown {
            let user = match &opened.change.body {
                Body::Service { user, .. } => *user,
                Body::LogCreated { .. } => None,
            };
            grown.about.push((position, user));
        }
        match &opened.change.body {
            _ if matches!(self.extent, Extent::Entry(only) if only != position) => self.stranger(position),
            Body::LogCreated { .. } if matches!(self.extent, Extent::Service(_) | Extent::User(..)) => {
                self.stranger(position);
            }
            Body::LogCreated { log } if first => {
                if *log != self.log {
                    let what = format!("the log is {log} by its first entry, and {} by its store", self.log);
                    self.findings.add(position, Kind::Order, what);
                }
                if opened.change.prev.is_some() {
                    self.findings.add(position, Kind::Order, "the log's first entry names one before it");
                }
            }
            Body::LogCreated { .. } => self.findings.add(position, Kind::Order, "a log begins twice"),
            Body::Service { service, user, events, .. } => {
                if first {
                    self.findings.add(position, Kind::Order, "the log does not begin with its first entry");
                }
                let within = match self.extent {
                    Extent::Log | Extent::Entry(_) => true,
                    Extent::Service(only) => *service == only,
                    Extent::User(only, one) => *service == only && *user == Some(one),
                };
                if !within {
                    self.stranger(position);
                    return;
                }
                let (follows, disputed) = self.follows(*service, opened, authentic);
                let sound = follows && self.folds(*service, *user, opened);
                if sound {
                    self.dooms(events, opened);
                } else {
                    self.folding.forget(*service);
                }
                let at = Some(opened.change.at);
                self.chains.insert(*service, Chain { last: opened.link, at, sound, disputed });
            }
        }
    }

    fn stranger(&mut self, position: Position) {
        self.findings.add(position, Kind::Export, "it is not of what the export says that it is of");
    }

    /// Whether it follows the entry before it on its service, by place, hash and time; and an entry of which that is disputed.
    fn follows(&mut self, service: ServiceId, opened: &Opened, authentic: Option<bool>) -> (bool, Option<Position>) {
        let (position, prev) = (opened.link.position, opened.change.prev);
        let findings = &mut self.findings;
        let Some(before) = self.chains.get(&service) else {
            if matches!(self.extent, Extent::User(..) | Extent::Entry(_)) {
                return (true, None);
            }
            if let Some(prev) = prev {
                gone(findings, service, prev.position, position);
            }
            return (prev.is_none(), None);
        };
        let last = before.last;
        if prev == Some(last) {
            if let Some(disputed) = before.disputed {
                altered(findings, disputed, last.position, "it was altered");
            }
            back_in_time(findings, before, opened);
            return (before.sound, None);
        }
        match prev {
            // What stands in between is of others.
            Some(prev) if prev.position > last.position && matches!(self.extent, Extent::User(..)) => {
                if let Some(disputed) = before.disputed {
                    undecided(findings, disputed, last.position);
                }
                back_in_time(findings, before, opened);
                return (before.sound, None);
            }
            Some(prev) if prev.position == last.position => match (before.disputed, authentic) {
                // It was said of this one already.
                (None, Some(false)) => {}
                (None, None) if !findings.has(last.position, Kind::Bytes) => return (false, Some(last.position)),
                _ => altered(findings, last.position, position, "it was altered"),
            },
            Some(prev) if prev.leaf == last.leaf => {
                let what = format!(
                    "it stood at position {} when position {position} was written after it: it was moved",
                    prev.position
                );
                findings.add(last.position, Kind::Order, what);
            }
            Some(prev) if prev.position > last.position => gone(findings, service, prev.position, position),
            prev => {
                let prev =
                    prev.map_or_else(|| "as the first".to_owned(), |prev| format!("after position {}", prev.position));
                let what = format!(
                    "it was written {prev} of service {service}, and stands after position {}: it was repeated or moved, or \
                     something was put in between",
                    last.position
                );
                findings.add(position, Kind::Order, what);
            }
        }
        (false, None)
    }

    /// Whether a decision can have made it after what went before.
    fn folds(&mut self, service: ServiceId, user: Option<UserId>, opened: &Opened) -> bool {
        let folded = match self.extent {
            // What it was decided on is not there.
            Extent::Entry(_) => return false,
            Extent::User(..) => self.folds_alone(opened),
            Extent::Log | Extent::Service(_) => self.folding.entry(service, user, opened),
        };
        match folded {
            Ok(()) => true,
            Err(corrupt) => {
                self.findings.add(corrupt.position, Kind::History, corrupt.what);
                false
            }
        }
    }

    /// The same of a user of whose service not everything is there.
    fn folds_alone(&mut self, opened: &Opened) -> Result<(), Corrupt> {
        let moment = Moment { position: opened.link.position, at: opened.change.at };
        for event in opened.change.events() {
            let Event::User(id, event) = event else { continue };
            if let Some(user) = User::evolve(self.alone.remove(id), event, moment)? {
                self.alone.insert(*id, user);
            }
        }
        Ok(())
    }

    /// Notes the keys that its events doom.
    fn dooms(&mut self, events: &[Event], opened: &Opened) {
        let Some(keys) = &mut self.keys else { return };
        let moment = Moment { position: opened.link.position, at: opened.change.at };
        for event in events {
            let Event::User(id, event) = event else { continue };
            let before = keys.remove(id);
            // The fold before has found it possible.
            let Ok(after) = UserKeys::evolve(before, event, moment) else { continue };
            for key in UserKeys::doomed(before, after) {
                self.undoomed.remove(&key);
                self.doomed.push((moment.position, key));
            }
            keys.extend(after.map(|after| (*id, after)));
        }
    }
}

/// Names an entry that is from before the one that it comes after.
fn back_in_time(findings: &mut Findings, before: &Chain, opened: &Opened) {
    if before.at.is_some_and(|at| opened.change.at < at) {
        let what = format!("it is from before position {}, which it follows on its service", before.last.position);
        findings.add(opened.link.position, Kind::Order, what);
    }
}

/// Names two entries of which one was altered, and nobody says which.
fn undecided(findings: &mut Findings, disputed: Position, last: Position) {
    altered(findings, disputed, last, "one of the two was altered");
    findings.add(last, Kind::Bytes, format!("it names other bytes for position {disputed} than stand there"));
}

/// Names an entry whose bytes are not those that another was written after.
fn altered(findings: &mut Findings, position: Position, by: Position, what: &str) {
    if !findings.has(position, Kind::Bytes) {
        findings.add(
            position,
            Kind::Bytes,
            format!("its bytes are not those that position {by} was written after: {what}"),
        );
    }
}

/// Names an entry that another was written after, and that is not there.
fn gone(findings: &mut Findings, service: ServiceId, position: Position, by: Position) {
    if !findings.has(position, Kind::Missing) && !findings.has(position, Kind::Bytes) {
        let what = format!(
            "the entry of service {service} that position {by} was written after is not there: it was removed or moved"
        );
        findings.add(position, Kind::Missing, what);
    }
}
