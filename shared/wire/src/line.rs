//! The line of JSON, version 1, as serde reads and writes it. Field order is the order in which it is written.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

/// The version that is written.
pub const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line<'a> {
    pub v: u32,
    pub id: Uuid,
    #[serde(borrow)]
    pub at: Cow<'a, str>,
    #[serde(deserialize_with = "present")]
    pub prev: Option<LinkLine>,
    pub command: Uuid,
    #[serde(borrow)]
    pub by: ByLine<'a>,
    #[serde(deserialize_with = "present")]
    pub service: Option<Uuid>,
    #[serde(deserialize_with = "present")]
    pub user: Option<Uuid>,
    #[serde(borrow)]
    pub events: Vec<EventLine<'a>>,
    pub private: Vec<BoxLine>,
}

/// What tells an entry of a newer postkey from a broken one.
#[derive(Deserialize)]
pub struct VersionOnly {
    pub v: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkLine {
    pub position: u64,
    pub leaf: Base64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByLine<'a> {
    #[serde(borrow)]
    pub client: Cow<'a, str>,
    #[serde(deserialize_with = "present")]
    pub actor: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLine<'a> {
    #[serde(rename = "type", borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow)]
    pub data: Cow<'a, RawValue>,
    pub sealed: Vec<BoxLine>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoxLine {
    pub key: Uuid,
    #[serde(rename = "box")]
    pub sealed: Base64,
}

/// Bytes as RFC 4648 §4 base64 with padding.
#[derive(Clone)]
pub struct Base64(pub Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'_, str>>::deserialize(deserializer)?;
        STANDARD.decode(&*text).map(Self).map_err(D::Error::custom)
    }
}

/// A field that may be null but not absent.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogCreatedData {
    pub log: Uuid,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceProvisionedData<'a> {
    #[serde(borrow)]
    pub domain: Cow<'a, str>,
    #[serde(borrow)]
    pub customer: Cow<'a, str>,
    pub plan: PlanData,
    pub key: Uuid,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanData {
    pub mailboxes: u64,
    pub pool_bytes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanChangedData {
    pub plan: PlanData,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserAddedData {
    pub quota_bytes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserEditedData {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_bytes: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordChangedData<'a> {
    #[serde(borrow)]
    pub policy: Cow<'a, str>,
    #[serde(deserialize_with = "present")]
    pub proved: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoData {}
