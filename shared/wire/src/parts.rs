//! What is sealed: the JSON inside a box, and the place that a box is bound to.

use std::net::IpAddr;

use domain::event::NameChange;
use domain::{Address, CredentialHash, KeyId, Name, Person, ServiceId, UserId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::line::Base64;
use crate::{EntryId, Fingerprint, LogId, Private};

/// A box's text is filled up with blanks to a multiple of so many bytes.
pub const PAD: usize = 64;

/// Where a box belongs. A box does not open anywhere else.
pub struct Place {
    pub log: LogId,
    pub service: Option<ServiceId>,
    pub user: Option<UserId>,
    pub entry: EntryId,
}

impl Place {
    /// The associated data of the part with this index and key.
    pub fn associated(&self, index: u32, key: KeyId) -> Vec<u8> {
        let service = self.service.as_ref().map_or(&[][..], |id| id.as_bytes());
        let user = self.user.as_ref().map_or(&[][..], |id| id.as_bytes());
        let index = index.to_be_bytes();
        let mut bytes = Vec::with_capacity(6 * 4 + 5 * 16 + 4);
        for part in [self.log.as_bytes(), service, user, self.entry.as_bytes(), &index, key.as_bytes()] {
            // The longest of these is 16 bytes.
            bytes.extend_from_slice(&(part.len() as u32).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

/// A value that can be sealed: its JSON form, and back through the domain's own constructors.
pub trait Part: Sized {
    type Form: Serialize + DeserializeOwned;

    fn form(&self) -> Self::Form;
    fn from_form(form: Self::Form) -> Option<Self>;

    /// The text of the box.
    fn to_text(&self) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
        let mut text = Zeroizing::new(serde_json::to_vec(&self.form())?);
        let length = text.len().next_multiple_of(PAD);
        text.resize(length, b' ');
        Ok(text)
    }

    fn from_text(text: &[u8]) -> Option<Self> {
        Self::from_form(serde_json::from_slice(text).ok()?)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonForm {
    address: Zeroizing<String>,
    first_name: Zeroizing<String>,
    last_name: Zeroizing<String>,
}

fn text(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

/// A name as it was sealed: exactly in the form that [`Name::parse`] leaves it.
fn name(sealed: &str) -> Option<Name> {
    Name::parse(sealed).ok().filter(|name| name.as_str() == sealed)
}

impl Part for Person {
    type Form = PersonForm;

    fn form(&self) -> PersonForm {
        PersonForm {
            address: text(self.address.as_str()),
            first_name: text(self.first_name.as_str()),
            last_name: text(self.last_name.as_str()),
        }
    }

    fn from_form(form: PersonForm) -> Option<Self> {
        Some(Self {
            address: Address::parse(&form.address).ok().filter(|address| address.as_str() == *form.address)?,
            first_name: name(&form.first_name)?,
            last_name: name(&form.last_name)?,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameChangeForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_name: Option<Zeroizing<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_name: Option<Zeroizing<String>>,
}

impl Part for NameChange {
    type Form = NameChangeForm;

    fn form(&self) -> NameChangeForm {
        NameChangeForm {
            first_name: self.first_name.as_ref().map(|name| text(name.as_str())),
            last_name: self.last_name.as_ref().map(|name| text(name.as_str())),
        }
    }

    fn from_form(form: NameChangeForm) -> Option<Self> {
        let parse = |sealed: Option<Zeroizing<String>>| match sealed {
            Some(sealed) => name(&sealed).map(Some),
            None => Some(None),
        };
        let change = Self { first_name: parse(form.first_name)?, last_name: parse(form.last_name)? };
        (change.first_name.is_some() || change.last_name.is_some()).then_some(change)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashForm {
    hash: Zeroizing<String>,
}

impl Part for CredentialHash {
    type Form = HashForm;

    fn form(&self) -> HashForm {
        HashForm { hash: text(self.expose()) }
    }

    fn from_form(mut form: HashForm) -> Option<Self> {
        Self::parse(std::mem::take(&mut form.hash)).ok()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivateForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Zeroizing<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Base64>,
}

impl Part for Private {
    type Form = PrivateForm;

    fn form(&self) -> PrivateForm {
        PrivateForm {
            origin: self.origin,
            reason: self.reason.as_deref().map(text),
            fingerprint: self.fingerprint.map(|fingerprint| Base64(fingerprint.0.to_vec())),
        }
    }

    fn from_form(form: PrivateForm) -> Option<Self> {
        let fingerprint = match form.fingerprint {
            Some(bytes) => Some(Fingerprint(bytes.0.try_into().ok()?)),
            None => None,
        };
        Some(Self {
            origin: form.origin,
            reason: form.reason.map(|mut reason| std::mem::take(&mut *reason)),
            fingerprint,
        })
    }
}
