//! What fields are, for whoever reads the OpenAPI document: told by the same readers that read them.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use domain::{Address, Customer, DomainName, MAX_BYTES, MIB, Name, Quota};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::fields::Fields;
use crate::{Actor, FromFields, IdempotencyKey, Reason};

/// How a value is written.
pub trait Described {
    /// Its JSON Schema (2020-12): what it says of the text or number that is parsed may be looser than the parser, and
    /// is never stricter.
    fn schema() -> Value;
}

/// A field that a reader asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Whether it must be there.
    pub required: bool,
    /// Its schema.
    pub schema: Value,
}

/// The fields that `T` is read from.
pub fn describe<T: FromFields>() -> Vec<Field> {
    Fields::asked_by(T::from_fields)
}

/// The schema of an object of these fields, and no others.
pub fn words(fields: Vec<Field>) -> Value {
    let required: Vec<_> = fields.iter().filter(|field| field.required).map(|field| field.name.clone()).collect();
    let properties: Map<_, _> = fields.into_iter().map(|field| (field.name, field.schema)).collect();
    let mut object = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// The schema of a whole number within bounds.
pub fn whole(bounds: RangeInclusive<u64>) -> Value {
    let mut schema = json!({"type": "integer", "minimum": bounds.start(), "maximum": bounds.end()});
    if i64::try_from(*bounds.end()).is_ok() {
        schema["format"] = json!("int64");
    }
    schema
}

/// What is brought to A-labels: like `pattern`, and of so many characters at most, or not in ASCII alone.
fn other_spellings(pattern: &str, most: usize) -> Value {
    json!([{"pattern": pattern, "maxLength": most}, {"pattern": r"[^\u0000-\u007f]"}])
}

/// A text, with more to say of it.
fn text(more: Value) -> Value {
    let mut schema = json!({"type": "string"});
    if let (Some(schema), Value::Object(more)) = (schema.as_object_mut(), more) {
        schema.extend(more);
    }
    schema
}

impl Described for String {
    fn schema() -> Value {
        text(json!({}))
    }
}

impl Described for SecretString {
    fn schema() -> Value {
        text(json!({"format": "password", "writeOnly": true}))
    }
}

impl Described for Address {
    fn schema() -> Value {
        text(json!({
            "description": "A mailbox address. Upper case is brought to lower case, a domain's U-labels to A-labels.",
            "anyOf": other_spellings(Self::PATTERN, Self::MAX_CHARACTERS), "examples": ["zoe@walk.example"],
        }))
    }
}

impl Described for DomainName {
    fn schema() -> Value {
        text(json!({
            "description": "A domain. Upper case is brought to lower case, U-labels to A-labels.",
            "anyOf": other_spellings(Self::PATTERN, Self::MAX_CHARACTERS), "examples": ["walk.example"],
        }))
    }
}

impl Described for Customer {
    fn schema() -> Value {
        text(json!({"description": "A customer of the hosting company, by the panel's own id for it.",
            "pattern": Self::PATTERN, "examples": ["walkers"]}))
    }
}

impl Described for Name {
    fn schema() -> Value {
        let says = format!(
            "A name: blanks at its ends are dropped, the rest is brought to Unicode's NFC, and has at most {} code points then.",
            Self::MAX_CODE_POINTS
        );
        text(json!({"description": says, "pattern": Self::PATTERN, "minLength": 1, "examples": ["Zoe"]}))
    }
}

impl Described for Quota {
    fn schema() -> Value {
        json!({"description": "The mailbox's quota in bytes: whole MiB.", "type": "integer", "format": "int64",
            "minimum": MIB, "maximum": MAX_BYTES, "multipleOf": MIB, "examples": [1_073_741_824]})
    }
}

impl Described for Uuid {
    fn schema() -> Value {
        text(json!({"format": "uuid"}))
    }
}

impl Described for DateTime<Utc> {
    fn schema() -> Value {
        text(json!({"format": "date-time"}))
    }
}

impl Described for IpAddr {
    fn schema() -> Value {
        text(json!({"description": "The IPv4 or IPv6 address that the person came from.",
            "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}], "examples": ["203.0.113.7", "2001:db8::7"]}))
    }
}

impl Described for Reason {
    fn schema() -> Value {
        text(json!({"description": "Why, for the history.", "pattern": Self::PATTERN, "minLength": 1,
            "maxLength": Self::MAX_CODE_POINTS, "examples": ["left the company"]}))
    }
}

impl Described for Actor {
    fn schema() -> Value {
        text(json!({"pattern": Self::PATTERN, "examples": ["person-7"]}))
    }
}

impl Described for IdempotencyKey {
    fn schema() -> Value {
        text(json!({"pattern": Self::PATTERN, "examples": ["save-1"]}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Everything;

    impl FromFields for Everything {
        fn from_fields(fields: &mut Fields) -> Option<Self> {
            let domain = fields.required("domain", DomainName::parse);
            let secret = fields.optional_secret("password");
            let plan = fields.object("plan", |plan| plan.within("mailboxes", 1..=5, "1 to 5"));
            let quota = fields.optional_number("quota_bytes", Quota::from_bytes);
            domain.and(secret).and(plan).and(quota).map(|_| Self)
        }
    }

    #[test]
    fn a_reader_tells_what_it_reads() {
        let told = words(describe::<Everything>());
        assert_eq!(told["required"], json!(["domain", "plan"]));
        assert_eq!(told["additionalProperties"], false);
        assert_eq!(told["properties"]["password"]["format"], "password");
        assert_eq!(told["properties"]["quota_bytes"]["multipleOf"], MIB);
        assert_eq!(told["properties"]["domain"]["anyOf"][0]["pattern"], DomainName::PATTERN);
        let plan = json!({"type": "object", "additionalProperties": false, "required": ["mailboxes"],
            "properties": {"mailboxes": whole(1..=5)}});
        assert_eq!(told["properties"]["plan"], plan);
    }
}
