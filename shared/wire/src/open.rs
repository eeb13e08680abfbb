//! From stored bytes to a change: authenticate, fetch the keys of many entries in one batch, open.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use domain::event::{ServiceEvent, UserEvent};
use domain::{
    Customer, DomainName, Erasable, Event, KeyId, Plan, PolicyVersion, Position, Quota, Sealed, ServiceId, UserId,
};
use keys::{KeyState, Keys, MacKeys, Vault, VaultError};
use ledger::{Hash, leaf_hash};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::line::{
    BoxLine, EventLine, Line, LogCreatedData, NoData, PasswordChangedData, PlanChangedData, PlanData,
    ServiceProvisionedData, UserAddedData, UserEditedData, VERSION, VersionOnly,
};
use crate::parts::{Part, Place};
use crate::seal::mac_context;
use crate::{Body, By, Change, CommandId, Corrupt, EntryId, Link, LogId, Stored, Subject};

/// A change as it was found in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Where it stands, and the hash of its stored bytes: what the next entry of its subject names.
    pub link: Link,
    /// What it says.
    pub change: Change,
}

/// Why entries can't be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The bytes are not what a writer of ours left there.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// Their keys can't be had.
    #[error(transparent)]
    Keys(#[from] VaultError),
    /// The key store has lost a key that this entry, which is ours by its MAC, is sealed under. Those before it can be
    /// opened.
    #[error("the entry at position {position} can't be opened: {}", VaultError::Lost(*.key))]
    Lost {
        /// Where it stands.
        position: Position,
        /// The key.
        key: KeyId,
    },
}

/// Authenticates and opens entries in their order, with one question to the key store.
///
/// # Errors
/// At the first entry that is corrupt, or whose key was lost; where the keys can't be had.
pub async fn open_all(stored: &[Stored], log: LogId, vault: &Vault) -> Result<Vec<Opened>, OpenError> {
    open_parts(stored, log, vault, Parts::All).await
}

/// The same for whoever folds: origins, reasons and fingerprints stay sealed, and count as erased.
///
/// # Errors
/// As [`open_all`].
pub async fn open_events(stored: &[Stored], log: LogId, vault: &Vault) -> Result<Vec<Opened>, OpenError> {
    open_parts(stored, log, vault, Parts::Events).await
}

async fn open_parts(stored: &[Stored], log: LogId, vault: &Vault, parts: Parts) -> Result<Vec<Opened>, OpenError> {
    let keyring = vault.keyring();
    let sealed: Vec<_> =
        stored.iter().map(|stored| authenticate(stored, log, keyring.macs())).collect::<Result<_, _>>()?;
    let ids: Vec<KeyId> = sealed.iter().flat_map(SealedEntry::key_ids).collect();
    let keys = vault.fetch(&ids).await?;
    let open = |sealed: SealedEntry<'_>| match sealed.lost(&keys) {
        Some(key) => Err(OpenError::Lost { position: sealed.link.position, key }),
        None => Ok(sealed.read(Some(&keys), parts)?),
    };
    sealed.into_iter().map(open).collect()
}

/// An entry of our form that stands where it belongs; its parts are still sealed. That its bytes are ours, [`authenticate`]
/// says.
pub struct SealedEntry<'a> {
    link: Link,
    log: LogId,
    at: DateTime<Utc>,
    line: Line<'a>,
}

/// Checks an entry's MAC, its form, and that it stands on the subject that it implies.
///
/// # Errors
/// Where any of them is not as a writer of ours leaves it.
pub fn authenticate<'a>(stored: &'a Stored, log: LogId, macs: &MacKeys) -> Result<SealedEntry<'a>, Corrupt> {
    check_mac(stored, log, macs)?;
    read_sealed(stored, log)
}

/// Checks an entry's MAC, and nothing else.
///
/// # Errors
/// Where it was not made with one of these keys, for this log, subject and line.
pub fn check_mac(stored: &Stored, log: LogId, macs: &MacKeys) -> Result<(), Corrupt> {
    let corrupt = |what: &str| Corrupt::new(stored.position, what);
    let Halves { line, key, tag } = Halves::of(stored)?;
    let key = macs.get(key).ok_or_else(|| corrupt("it is authenticated with a key that is not in this keyring"))?;
    if !key.verifies(&[mac_context(log, &stored.entry.subject).as_bytes(), line], &tag) {
        return Err(corrupt("its MAC does not verify: the bytes were changed, or belong to another log or subject"));
    }
    Ok(())
}

/// Checks an entry's form, and that it stands on the subject that it implies, for whoever has no key: whoever can write to
/// the log may have written it.
///
/// # Errors
/// Where either is not as a writer of ours leaves it.
pub fn read_sealed(stored: &Stored, log: LogId) -> Result<SealedEntry<'_>, Corrupt> {
    let corrupt = |what: &str| Corrupt::new(stored.position, what);
    let Halves { line, .. } = Halves::of(stored)?;
    let line = parse(line).map_err(|what| Corrupt::new(stored.position, what))?;
    let subject = line.service.map_or_else(Subject::log, |service| Subject::service(ServiceId::new(service)));
    if subject != stored.entry.subject {
        return Err(corrupt("it stands on another subject than its own"));
    }
    let at = DateTime::parse_from_rfc3339(&line.at)
        .map(|at| at.to_utc())
        .ok()
        .filter(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true) == line.at)
        .ok_or_else(|| corrupt("its time is malformed"))?;
    let link = Link { position: stored.position, leaf: leaf_hash(&stored.entry.bytes) };
    Ok(SealedEntry { link, log, at, line })
}

/// An entry's bytes, taken apart.
struct Halves<'a> {
    line: &'a [u8],
    /// Of the key that the line is said to be authenticated with.
    key: Uuid,
    tag: Vec<u8>,
}

impl<'a> Halves<'a> {
    fn of(stored: &'a Stored) -> Result<Self, Corrupt> {
        let corrupt = |what: &str| Corrupt::new(stored.position, what);
        let bytes = &stored.entry.bytes;
        let newline = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(|| corrupt("it has no MAC"))?;
        let (line, trailer) = (&bytes[..newline], &bytes[newline + 1..]);
        let (key, tag) = trailer_parts(trailer).ok_or_else(|| corrupt("its MAC is malformed"))?;
        Ok(Self { line, key, tag })
    }
}

fn trailer_parts(trailer: &[u8]) -> Option<(Uuid, Vec<u8>)> {
    let (text, tag) = std::str::from_utf8(trailer).ok()?.split_once(' ')?;
    let key = Uuid::try_parse(text).ok()?;
    // It stands outside of what is authenticated: there is one way to write it.
    let as_written = key.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text;
    as_written.then_some(())?;
    Some((key, STANDARD.decode(tag).ok()?))
}

fn parse(line: &[u8]) -> Result<Line<'_>, String> {
    match serde_json::from_slice::<Line<'_>>(line) {
        Ok(line) if line.v == VERSION => Ok(line),
        other => Err(match serde_json::from_slice::<VersionOnly>(line) {
            Ok(VersionOnly { v }) if v != VERSION => {
                format!("it is of version {v}, which this postkey does not know: upgrade readers before writers")
            }
            _ => format!(
                "it is malformed{}",
                other.err().map(|error| format!(" at column {}", error.column())).unwrap_or_default()
            ),
        }),
    }
}

impl SealedEntry<'_> {
    /// Where it stands, and the hash of its stored bytes.
    pub const fn link(&self) -> Link {
        self.link
    }

    /// The ids of the keys that its parts are sealed under, each as often as it is used.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        let events = self.line.events.iter().flat_map(|event| &event.sealed);
        events.chain(&self.line.private).map(|part| KeyId::new(part.key))
    }

    /// A key of its that nobody has stored, as far as `keys` know.
    pub fn lost(&self, keys: &Keys) -> Option<KeyId> {
        self.key_ids().find(|id| matches!(keys.get(*id), KeyState::NeverSeen))
    }

    /// Opens the parts whose keys are there; those whose keys were destroyed are erased.
    ///
    /// # Errors
    /// Where a key is not among `keys`, a part does not open, or an event is malformed.
    pub fn open(self, keys: &Keys) -> Result<Opened, Corrupt> {
        self.read(Some(keys), Parts::All)
    }

    /// Reads all but the parts, which count as erased: for whoever needs no more than ids, and no key for it.
    ///
    /// # Errors
    /// Where an event is malformed.
    pub fn leave_sealed(self) -> Result<Opened, Corrupt> {
        self.read(None, Parts::All)
    }

    fn read(self, keys: Option<&Keys>, parts: Parts) -> Result<Opened, Corrupt> {
        let Self { link, log, at, line } = self;
        let place = Place {
            log,
            service: line.service.map(ServiceId::new),
            user: line.user.map(UserId::new),
            entry: EntryId::new(line.id),
        };
        let mut opener = Opener { position: link.position, place, keys, parts, index: 0 };
        let body = opener.body(&line)?;
        let prev = match line.prev {
            Some(prev) if prev.position < link.position.get() => {
                let leaf =
                    prev.leaf.0.try_into().map_err(|_| opener.corrupt("the hash of its predecessor is malformed"))?;
                Some(Link { position: Position::new(prev.position), leaf: Hash(leaf) })
            }
            Some(_) => return Err(opener.corrupt("it names a predecessor that stands behind it")),
            None => None,
        };
        let by = By { client: line.by.client.into_owned(), actor: line.by.actor };
        let id = EntryId::new(line.id);
        Ok(Opened { link, change: Change { id, at, prev, command: CommandId::new(line.command), by, body } })
    }
}

/// Which parts are opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parts {
    All,
    /// Those of events.
    Events,
}

struct Opener<'a> {
    position: Position,
    place: Place,
    /// None where all parts stay sealed.
    keys: Option<&'a Keys>,
    parts: Parts,
    index: u32,
}

impl Opener<'_> {
    fn corrupt(&self, what: impl Into<String>) -> Corrupt {
        Corrupt::new(self.position, what)
    }

    fn body(&mut self, line: &Line<'_>) -> Result<Body, Corrupt> {
        let Some(service) = self.place.service else {
            return match line.events.as_slice() {
                [event] if event.name == "LogCreated" && line.user.is_none() && line.private.is_empty() => {
                    let log = LogId::new(self.data::<LogCreatedData>(event)?.log);
                    self.none_sealed(event)?;
                    Ok(Body::LogCreated { log })
                }
                _ => Err(self.corrupt("it is neither about a service nor the log's first entry")),
            };
        };
        if line.events.is_empty() {
            return Err(self.corrupt("it holds no event"));
        }
        let events = line.events.iter().map(|event| self.event(event)).collect::<Result<_, _>>()?;
        let private = match self.parts {
            Parts::All => line.private.iter().map(|part| self.part(part)).collect::<Result<_, _>>()?,
            Parts::Events => {
                line.private.iter().map(|part| Sealed { key: KeyId::new(part.key), value: Erasable::Erased }).collect()
            }
        };
        Ok(Body::Service { service, user: self.place.user, events, private })
    }

    fn data<'e, T: Deserialize<'e>>(&self, event: &'e EventLine<'_>) -> Result<T, Corrupt> {
        let raw: &RawValue = &event.data;
        serde_json::from_str(raw.get()).map_err(|_| self.corrupt(format!("the data of {} is malformed", event.name)))
    }

    fn value<T>(&self, value: Option<T>, event: &EventLine<'_>) -> Result<T, Corrupt> {
        value.ok_or_else(|| self.corrupt(format!("the data of {} has a value that can't be", event.name)))
    }

    fn part<T: Part>(&mut self, part: &BoxLine) -> Result<Sealed<T>, Corrupt> {
        let id = KeyId::new(part.key);
        let associated = self.place.associated(self.index, id);
        self.index += 1;
        let value = match self.keys.map(|keys| keys.get(id)) {
            None | Some(KeyState::Destroyed) => Erasable::Erased,
            Some(KeyState::NeverSeen) => {
                return Err(self.corrupt(format!("a part is sealed under key {id}, which is not at hand")));
            }
            Some(KeyState::Live(key)) => {
                let text = key.open(&part.sealed.0, &associated).map_err(|error| self.corrupt(error.to_string()))?;
                Erasable::Known(T::from_text(&text).ok_or_else(|| self.corrupt("a sealed part is malformed"))?)
            }
        };
        Ok(Sealed { key: id, value })
    }

    fn none_sealed(&self, event: &EventLine<'_>) -> Result<(), Corrupt> {
        if event.sealed.is_empty() { Ok(()) } else { Err(self.parts(event)) }
    }

    fn one_sealed<T: Part>(&mut self, event: &EventLine<'_>) -> Result<Sealed<T>, Corrupt> {
        match event.sealed.as_slice() {
            [part] => self.part(part),
            _ => Err(self.parts(event)),
        }
    }

    fn parts(&self, event: &EventLine<'_>) -> Corrupt {
        self.corrupt(format!("{} has another number of sealed parts than it must", event.name))
    }

    fn event(&mut self, event: &EventLine<'_>) -> Result<Event, Corrupt> {
        match self.place.user {
            None => self.service_event(event).map(Event::Service),
            Some(user) => self.user_event(event).map(|event| Event::User(user, event)),
        }
    }

    fn service_event(&self, event: &EventLine<'_>) -> Result<ServiceEvent, Corrupt> {
        self.none_sealed(event)?;
        let plan = |data: &PlanData| self.value(Plan::new(data.mailboxes, data.pool_bytes).ok(), event);
        match &*event.name {
            "ServiceProvisioned" => {
                let data: ServiceProvisionedData<'_> = self.data(event)?;
                let domain = self.value(DomainName::parse(&data.domain).ok(), event)?;
                if Some(ServiceId::of(&domain)) != self.place.service {
                    return Err(self.corrupt("its service is not that of its domain"));
                }
                Ok(ServiceEvent::ServiceProvisioned {
                    domain,
                    customer: self.value(Customer::parse(&data.customer).ok(), event)?,
                    plan: plan(&data.plan)?,
                    key: KeyId::new(data.key),
                })
            }
            "PlanChanged" => Ok(ServiceEvent::PlanChanged { plan: plan(&self.data::<PlanChangedData>(event)?.plan)? }),
            _ => Err(self.unknown(event)),
        }
    }

    fn user_event(&mut self, event: &EventLine<'_>) -> Result<UserEvent, Corrupt> {
        let quota = |this: &Self, bytes| this.value(Quota::from_bytes(bytes).ok(), event);
        let plain = |this: &Self, plain: UserEvent| {
            this.none_sealed(event)?;
            this.data::<NoData>(event).map(|_| plain)
        };
        match &*event.name {
            "UserAdded" => {
                let quota = quota(self, self.data::<UserAddedData>(event)?.quota_bytes)?;
                Ok(UserEvent::UserAdded { person: self.one_sealed(event)?, quota })
            }
            "UserEdited" => {
                let bytes = self.data::<UserEditedData>(event)?.quota_bytes;
                let quota = bytes.map(|bytes| quota(self, bytes)).transpose()?;
                let names = if event.sealed.is_empty() { None } else { Some(self.one_sealed(event)?) };
                if names.is_none() && quota.is_none() {
                    return Err(self.corrupt("an edit that edits nothing"));
                }
                Ok(UserEvent::UserEdited { names, quota })
            }
            "PasswordChanged" => {
                let data: PasswordChangedData<'_> = self.data(event)?;
                let policy = self.value(PolicyVersion::parse(&data.policy).ok(), event)?;
                let proved = data.proved.map(Position::new);
                Ok(UserEvent::PasswordChanged { hash: self.one_sealed(event)?, policy, proved })
            }
            "UserSuspended" => plain(self, UserEvent::UserSuspended),
            "UserReactivated" => plain(self, UserEvent::UserReactivated),
            "UserRemoved" => plain(self, UserEvent::UserRemoved),
            "UserErased" => plain(self, UserEvent::UserErased),
            _ => Err(self.unknown(event)),
        }
    }

    fn unknown(&self, event: &EventLine<'_>) -> Corrupt {
        // The name is only shown where it could be one: stored bytes do not belong in a message.
        let name = if event.name.bytes().all(|c| c.is_ascii_alphanumeric()) { &event.name } else { "unreadable" };
        self.corrupt(format!("it holds an event of the unknown type {name}"))
    }
}
