//! JSON as it was sent: fields in their order, repeated ones noticed, whole numbers told from others.
//!
//! serde's derived readers stop at the first error and take a repeated field's last value, so nothing here derives.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

/// The most fields that an object has. It bounds what a refusal lists.
pub const MAX_FIELDS: usize = 100;

/// A value of a JSON document. Text may be a password, so it is wiped; there is no debug print.
pub enum Value {
    Null,
    Bool(bool),
    /// A whole number, written as one.
    Whole(u64),
    /// Any other number: with a sign, a point or an exponent, or too large.
    OtherNumber,
    Text(Zeroizing<String>),
    List,
    Object(Members),
    /// What stands for the value of a field that was sent more than once: nobody can say which was meant.
    Repeated,
    /// What stands for a value whose percent-encoding is broken.
    Malformed,
}

/// The fields of an object, each name once.
pub type Members = Vec<(String, Value)>;

/// Why a text is no document.
#[derive(Debug, PartialEq, Eq)]
pub struct NotJson(pub String);

/// Reads a document. What is wrong is told by its place, never by what stands there, which may be secret.
///
/// The values are wiped with their owner and `text` by its own. What serde_json copies while it undoes a string's
/// escapes is out of reach and goes back to the allocator as it is.
pub fn parse(text: &[u8]) -> Result<Value, NotJson> {
    let text = std::str::from_utf8(text).map_err(|e| NotJson(format!("not UTF-8 at byte {}", e.valid_up_to())))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Value::deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|e| match e.classify() {
        serde_json::error::Category::Data => NotJson(format!("an object takes at most {MAX_FIELDS} fields")),
        _ => NotJson(format!("not JSON at line {}, column {}", e.line(), e.column())),
    })
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Whole(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::OtherNumber)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::OtherNumber)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        // Exactly as large as the text, so that nothing is copied when it becomes a secret.
        Ok(Value::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut members = Gathering::default();
        while let Some(name) = object.next_key::<String>()? {
            let value = object.next_value()?;
            members.add(name, value).map_err(|TooMany| A::Error::custom("too many fields"))?;
        }
        Ok(Value::Object(members.members))
    }
}

/// More than [`MAX_FIELDS`] names.
pub struct TooMany;

/// Fields as they come in, from JSON or from a query.
#[derive(Default)]
pub struct Gathering {
    /// What has come in so far.
    pub members: Members,
    index: HashMap<String, usize>,
}

impl Gathering {
    /// Takes one more; the second of a name makes both void.
    pub fn add(&mut self, name: String, value: Value) -> Result<(), TooMany> {
        if let Some(&at) = self.index.get(&name) {
            self.members[at].1 = Value::Repeated;
            return Ok(());
        }
        if self.members.len() == MAX_FIELDS {
            return Err(TooMany);
        }
        self.index.insert(name.clone(), self.members.len());
        self.members.push((name, value));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> String {
        fn show(value: &Value) -> String {
            match value {
                Value::Null => "null".into(),
                Value::Bool(_) => "bool".into(),
                Value::Whole(n) => n.to_string(),
                Value::OtherNumber => "number".into(),
                Value::Text(text) => format!("{:?}", text.as_str()),
                Value::List => "[]".into(),
                Value::Object(members) => {
                    let members: Vec<_> = members.iter().map(|(name, v)| format!("{name}:{}", show(v))).collect();
                    format!("{{{}}}", members.join(" "))
                }
                Value::Repeated => "repeated".into(),
                Value::Malformed => "malformed".into(),
            }
        }
        parse(text.as_bytes()).map_or_else(|e| e.0, |value| show(&value))
    }

    #[test]
    fn only_whole_numbers_written_as_such_are_whole() {
        assert_eq!(shape("18446744073709551615"), "18446744073709551615");
        for other in ["1.0", "-1", "-0", "1e3", "18446744073709551616", "1e400"] {
            assert_ne!(shape(other), "0", "{other}");
            assert!(["number", "not JSON at line 1, column 5"].contains(&shape(other).as_str()), "{other}");
        }
    }

    #[test]
    fn a_field_sent_twice_is_noticed_at_any_depth_and_however_it_is_escaped() {
        assert_eq!(shape(r#"{"a":1,"b":{"c":1,"\u0063":1},"a":"x","a":null}"#), "{a:repeated b:{c:repeated}}");
    }

    #[test]
    fn what_is_no_document_is_told_by_its_place_only() {
        for broken in [r#"{"password":"hunter2"#, r#"{"a":hunter2}"#, r#"{"hunter2" 1}"#, "{} hunter2", ""] {
            let said = shape(broken);
            assert!(said.starts_with("not JSON at line 1, column"), "{broken}: {said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
        assert_eq!(parse(b"{\"a\":\"\xff\"}").map(|_| ()), Err(NotJson("not UTF-8 at byte 6".into())));
        assert!(shape(r#"{"a":"\ud800"}"#).starts_with("not JSON"));
    }

    #[test]
    fn depth_and_width_have_bounds() {
        let deep = "[".repeat(60_000);
        assert!(shape(&deep).starts_with("not JSON"));
        let deep = r#"{"a":"#.repeat(10_000);
        assert!(shape(&deep).starts_with("not JSON"));
        let wide: Vec<_> = (0..=MAX_FIELDS).map(|n| format!("\"f{n}\":0")).collect();
        assert_eq!(shape(&format!("{{{}}}", wide.join(","))), "an object takes at most 100 fields");
    }
}
