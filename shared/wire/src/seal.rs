//! From a change to the bytes that are stored.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::SecondsFormat;
use domain::event::{ServiceEvent, UserEvent};
use domain::{Erasable, Event, KeyId, Plan, Sealed};
use keys::{Keys, MacKey};
use rand_core::CryptoRng;
use serde::Serialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::line::{
    Base64, BoxLine, ByLine, EventLine, Line, LinkLine, LogCreatedData, NoData, PasswordChangedData, PlanChangedData,
    PlanData, ServiceProvisionedData, UserAddedData, UserEditedData, VERSION,
};
use crate::parts::{Part, Place};
use crate::{Body, Change, Entry, LogId, Subject};

/// A change that can't be written. All of these are bugs of the caller's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A part's key is not among the keys at hand.
    #[error("the key {0} of a part to seal is not at hand")]
    KeyMissing(KeyId),
    /// A part is erased already.
    #[error("an erased part can't be sealed again")]
    Erased,
    /// An event is about another user than the entry, or there is none.
    #[error("an entry holds at least one event, all about its own service or user")]
    Events,
    /// The entry would be larger than a log takes.
    #[error("an entry of {0} bytes is over the limit of {max}", max = Entry::MAX_BYTES)]
    TooLarge(usize),
    /// The JSON could not be written.
    #[error("an entry could not be written as JSON")]
    Json,
}

/// The message that is authenticated: what stands before the line.
pub fn mac_context(log: LogId, subject: &Subject) -> String {
    format!("postkey entry v1\n{log}\n{subject}\n")
}

/// Seals a change's parts and writes its bytes.
///
/// # Errors
/// Where the change is not one that a command could have made; see [`SealError`].
pub fn seal(
    change: &Change,
    log: LogId,
    keys: &Keys,
    mac: &MacKey,
    rng: &mut dyn CryptoRng,
) -> Result<Entry, SealError> {
    let subject = change.subject();
    let mut bytes = serde_json::to_vec(&line(change, log, keys, rng)?).map_err(|_| SealError::Json)?;
    let tag = mac.mac(&[mac_context(log, &subject).as_bytes(), &bytes]);
    bytes.extend_from_slice(format!("\n{} {}", mac.id(), STANDARD.encode(tag)).as_bytes());
    if bytes.len() > Entry::MAX_BYTES {
        return Err(SealError::TooLarge(bytes.len()));
    }
    Ok(Entry { subject, bytes })
}

fn line<'a>(change: &'a Change, log: LogId, keys: &Keys, rng: &mut dyn CryptoRng) -> Result<Line<'a>, SealError> {
    let (service, user) = match &change.body {
        Body::LogCreated { .. } => (None, None),
        Body::Service { service, user, .. } => (Some(*service), *user),
    };
    let place = Place { log, service, user, entry: change.id };
    let mut sealer = Sealer { place, keys, rng, index: 0 };
    let (events, private) = match &change.body {
        Body::LogCreated { log } => {
            let data = data(&LogCreatedData { log: log.uuid() })?;
            (vec![EventLine { name: "LogCreated".into(), data, sealed: Vec::new() }], Vec::new())
        }
        Body::Service { events, private, .. } => {
            if events.is_empty() {
                return Err(SealError::Events);
            }
            let events = events.iter().map(|event| sealer.event(event)).collect::<Result<_, _>>()?;
            let private = private.iter().map(|part| sealer.part(part)).collect::<Result<_, _>>()?;
            (events, private)
        }
    };
    Ok(Line {
        v: VERSION,
        id: change.id.uuid(),
        at: change.at.to_rfc3339_opts(SecondsFormat::Micros, true).into(),
        prev: change.prev.map(|link| LinkLine { position: link.position.get(), leaf: Base64(link.leaf.0.to_vec()) }),
        command: change.command.uuid(),
        by: ByLine { client: Cow::Borrowed(&change.by.client), actor: change.by.actor.clone() },
        service: service.map(domain::ServiceId::uuid),
        user: user.map(domain::UserId::uuid),
        events,
        private,
    })
}

fn data(data: &impl Serialize) -> Result<Cow<'static, RawValue>, SealError> {
    serde_json::value::to_raw_value(data).map(Cow::Owned).map_err(|_| SealError::Json)
}

const fn plan_data(plan: Plan) -> PlanData {
    PlanData { mailboxes: plan.mailboxes() as u64, pool_bytes: plan.pool_bytes() }
}

struct Sealer<'a> {
    place: Place,
    keys: &'a Keys,
    rng: &'a mut dyn CryptoRng,
    index: u32,
}

impl Sealer<'_> {
    fn part<T: Part>(&mut self, part: &Sealed<T>) -> Result<BoxLine, SealError> {
        let key = self.keys.live(part.key).ok_or(SealError::KeyMissing(part.key))?;
        let Erasable::Known(value) = &part.value else { return Err(SealError::Erased) };
        let text: Zeroizing<Vec<u8>> = value.to_text().map_err(|_| SealError::Json)?;
        let associated = self.place.associated(self.index, part.key);
        self.index += 1;
        let sealed = key.seal(&text, &associated, self.rng);
        Ok(BoxLine { key: part.key.uuid(), sealed: Base64(sealed) })
    }

    fn event(&mut self, event: &Event) -> Result<EventLine<'static>, SealError> {
        let (data, sealed) = match event {
            Event::Service(event) if self.place.user.is_none() => (service_data(event)?, None),
            Event::User(user, event) if self.place.user == Some(*user) => self.user_event(event)?,
            Event::Service(_) | Event::User(..) => return Err(SealError::Events),
        };
        Ok(EventLine { name: event.name().into(), data, sealed: sealed.into_iter().collect() })
    }

    fn user_event(&mut self, event: &UserEvent) -> Result<(Cow<'static, RawValue>, Option<BoxLine>), SealError> {
        Ok(match event {
            UserEvent::UserAdded { person, quota } => {
                (data(&UserAddedData { quota_bytes: quota.bytes() })?, Some(self.part(person)?))
            }
            UserEvent::UserEdited { names, quota } => (
                data(&UserEditedData { quota_bytes: quota.map(domain::Quota::bytes) })?,
                names.as_ref().map(|names| self.part(names)).transpose()?,
            ),
            UserEvent::PasswordChanged { hash, policy, proved } => {
                let proved = proved.map(domain::Position::get);
                (data(&PasswordChangedData { policy: policy.as_str().into(), proved })?, Some(self.part(hash)?))
            }
            UserEvent::UserSuspended | UserEvent::UserReactivated | UserEvent::UserRemoved | UserEvent::UserErased => {
                (data(&NoData {})?, None)
            }
        })
    }
}

fn service_data(event: &ServiceEvent) -> Result<Cow<'static, RawValue>, SealError> {
    match event {
        ServiceEvent::ServiceProvisioned { domain, customer, plan, key } => data(&ServiceProvisionedData {
            domain: domain.as_str().into(),
            customer: customer.as_str().into(),
            plan: plan_data(*plan),
            key: key.uuid(),
        }),
        ServiceEvent::PlanChanged { plan } => data(&PlanChangedData { plan: plan_data(*plan) }),
    }
}
