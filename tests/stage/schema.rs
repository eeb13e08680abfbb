//! JSON Schema (2020-12), as far as the services' documents use it. What is not known here fails, so that nothing is said in
//! a document that nobody holds.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::Regex;
use serde_json::{Map, Value};
use uuid::Uuid;

/// What a schema can say. The second half only tells of a value, and holds it to nothing.
const KEYWORDS: &[&str] = &[
    "$ref",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "enum",
    "format",
    "items",
    "maxLength",
    "maximum",
    "minLength",
    "minimum",
    "multipleOf",
    "oneOf",
    "pattern",
    "properties",
    "required",
    "type",
    "description",
    "example",
    "examples",
    "writeOnly",
];

/// An instant as RFC 3339 has it. How many days a month has is not looked at.
const DATE_TIME: &str = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";

/// The schemas of a document, by which references are followed.
#[derive(Clone, Copy, Debug)]
pub struct Schemas<'a>(pub &'a Value);

impl<'a> Schemas<'a> {
    /// What a reference stands for.
    pub fn resolve(self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.0.pointer(reference.strip_prefix('#').unwrap()).expect(reference),
            None => value,
        }
    }

    /// A text that is a parameter, a header or a field of a form, as the value that it stands for.
    pub fn read(self, text: &str, schema: &'a Value) -> Value {
        let mut parts = Vec::new();
        self.gather(schema, &mut parts);
        let is_number = parts.iter().any(|part| part["type"] == "integer");
        let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        match text.parse::<u64>() {
            Ok(number) if is_number && digits => number.into(),
            _ => text.into(),
        }
    }

    /// Whether a value is what a schema says. Fields that no part of the schema names are too many, whether it says so or
    /// not: undocumented is wrong.
    ///
    /// # Errors
    /// Why it is not.
    pub fn fits(self, value: &Value, schema: &'a Value) -> Result<(), String> {
        let mut parts = Vec::new();
        self.gather(schema, &mut parts);
        if parts.iter().all(|part| part.as_object().is_none_or(Map::is_empty)) {
            return Err(format!("nothing is said of {value}"));
        }
        for part in &parts {
            self.fits_part(value, part)?;
        }
        let Value::Object(fields) = value else { return Ok(()) };
        for (name, field) in fields {
            let said: Vec<_> = parts.iter().filter_map(|part| part["properties"].get(name)).collect();
            if said.is_empty() && !parts.iter().any(|part| chosen(part)) {
                return Err(format!("the document knows no field {name}"));
            }
            for schema in said {
                self.fits(field, schema).map_err(|why| format!("{name}: {why}"))?;
            }
        }
        Ok(())
    }

    /// A schema with what it refers to and is made of.
    fn gather(self, schema: &'a Value, parts: &mut Vec<&'a Value>) {
        if schema.get("$ref").is_some() {
            self.gather(self.resolve(schema), parts);
        }
        parts.push(schema);
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.gather(part, parts);
        }
    }

    fn fits_part(self, value: &Value, schema: &'a Value) -> Result<(), String> {
        let keywords = schema.as_object().into_iter().flatten().map(|(keyword, _)| keyword.as_str());
        if let Some(unknown) = keywords.into_iter().find(|keyword| !KEYWORDS.contains(keyword)) {
            panic!("nobody holds what {unknown} says, in {schema}");
        }
        self.is_chosen(value, schema)?;
        is_of_type(value, schema)?;
        let missing = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        if let Some(name) =
            value.as_object().and_then(|value| missing.into_iter().find(|name| !value.contains_key(*name)))
        {
            return Err(format!("{name} is missing"));
        }
        for item in value.as_array().into_iter().flatten() {
            self.fits(item, &schema["items"])?;
        }
        if let Value::Number(_) = value {
            is_in_bounds(value, schema)?;
        }
        if let Value::String(text) = value {
            is_written_as(text, schema)?;
        }
        Ok(())
    }

    /// One of `oneOf` and no more, one of `anyOf` at least.
    fn is_chosen(self, value: &Value, schema: &'a Value) -> Result<(), String> {
        for (keyword, most) in [("oneOf", 1), ("anyOf", usize::MAX)] {
            let Some(choices) = schema[keyword].as_array() else { continue };
            let fitting = choices.iter().filter(|choice| self.fits(value, choice).is_ok()).count();
            if !(1..=most).contains(&fitting) {
                return Err(format!("{value} is {fitting} of {keyword}"));
            }
        }
        Ok(())
    }
}

/// Whether a part of a schema leaves it to its choices which fields there are.
fn chosen(part: &Value) -> bool {
    part.get("oneOf").or(part.get("anyOf")).is_some()
}

fn is_of_type(value: &Value, schema: &Value) -> Result<(), String> {
    let types = match &schema["type"] {
        Value::Null => Vec::new(),
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    if !types.is_empty() && !types.iter().any(|name| is_a(value, name.as_str().unwrap())) {
        return Err(format!("{value} is none of {types:?}"));
    }
    let is_other = |only: &Value| only != value;
    if schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(value))
        || schema.get("const").is_some_and(is_other)
    {
        return Err(format!("{value} is not one of {}", schema["enum"]));
    }
    Ok(())
}

fn is_a(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type of JSON: {other}"),
    }
}

fn is_in_bounds(value: &Value, schema: &Value) -> Result<(), String> {
    let whole = |value: &Value| value.as_u64().map(i128::from).or(value.as_i64().map(i128::from));
    let below = |one: &Value, other: &Value| match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one < other,
        _ => one.as_f64() < other.as_f64(),
    };
    let is_multiple = |of: &Value| whole(value).zip(whole(of)).is_some_and(|(value, of)| value % of == 0);
    let fits = match schema["format"].as_str() {
        Some("int64") => value.is_i64(),
        Some("int32") => value.as_i64().is_some_and(|value| i32::try_from(value).is_ok()),
        Some("double") | None => true,
        Some(format) => panic!("no format of numbers: {format}"),
    };
    let small = schema.get("minimum").is_some_and(|least| below(value, least));
    let large = schema.get("maximum").is_some_and(|most| below(most, value));
    if small || large || !fits || !schema.get("multipleOf").is_none_or(is_multiple) {
        return Err(format!("{value} is out of bounds"));
    }
    Ok(())
}

fn is_written_as(text: &str, schema: &Value) -> Result<(), String> {
    let fits = match schema["format"].as_str() {
        Some("uuid") => text.len() == 36 && Uuid::try_parse(text).is_ok(),
        Some("date-time") => matches(DATE_TIME, text),
        Some("ipv4") => text.parse::<Ipv4Addr>().is_ok(),
        Some("ipv6") => text.parse::<Ipv6Addr>().is_ok(),
        Some("password") | None => true,
        Some(format) => panic!("no format of texts: {format}"),
    };
    if !fits {
        return Err(format!("{text:?} is no {}", schema["format"]));
    }
    let length = text.chars().count() as u64;
    let short = schema["minLength"].as_u64().is_some_and(|least| length < least);
    if short || schema["maxLength"].as_u64().is_some_and(|most| length > most) {
        return Err(format!("{text:?} has {length} characters"));
    }
    match schema["pattern"].as_str() {
        Some(pattern) if !matches(pattern, text) => Err(format!("{text:?} is not like {pattern}")),
        _ => Ok(()),
    }
}

/// Whether a text is like a pattern. Each is made ready once.
fn matches(pattern: &str, text: &str) -> bool {
    static READY: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut ready = READY.lock().unwrap_or_else(PoisonError::into_inner);
    let made = || Regex::new(pattern).unwrap_or_else(|error| panic!("no pattern: {error}"));
    ready.entry(pattern.to_owned()).or_insert_with(made).is_match(text)
}
