//! Reading fields one by one into types that cannot be wrong, and naming every wrong one at once.

use std::fmt::{self, Display};
use std::ops::RangeInclusive;

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::Violation;
use crate::describe::{Described, Field, whole, words};
use crate::json::{Members, Value};

/// What can be read from the fields of a body or a query.
///
/// Read every field first and only then unwrap with `?`, so that one refusal names them all:
///
/// ```
/// # use postkey_http::{Fields, FromFields};
/// struct AddUser { address: domain::Address, quota: domain::Quota }
///
/// impl FromFields for AddUser {
///     fn from_fields(fields: &mut Fields) -> Option<Self> {
///         let address = fields.required("address", domain::Address::parse);
///         let quota = fields.number("quota_bytes", domain::Quota::from_bytes);
///         Some(Self { address: address?, quota: quota? })
///     }
/// }
/// ```
pub trait FromFields: Sized {
    /// Reads the fields. `None` where a wrong one leaves nothing to be made; what is wrong stands in `fields`, and
    /// fields that were not asked for are refused afterwards.
    fn from_fields(fields: &mut Fields) -> Option<Self>;
}

/// No fields at all, for a call that takes none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFields;

impl FromFields for NoFields {
    fn from_fields(_: &mut Fields) -> Option<Self> {
        Some(Self)
    }
}

/// Where fields come from, which decides how a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Json,
    /// A query or a form: everything is text.
    Pairs,
}

/// The fields of one object, query or form, and what was found wrong with them.
///
/// A field that is absent, wrong or repeated reads as `None`; all but an absent optional one are recorded. `null` is
/// refused: "absent" means "leave as it is" in a PATCH, and a client that sends `null` may mean something else.
/// The error that a parser returns becomes the hint, so it must not repeat the value.
///
/// The same reader says what the fields are ([`describe`](crate::describe::describe)), for the OpenAPI document: then
/// there are none, each that is asked for is noted, and all are absent.
pub struct Fields {
    source: Source,
    /// `plan.` inside of `plan`.
    prefix: String,
    members: Members,
    violations: Vec<Violation>,
    /// What was asked for, where that is all that is wanted.
    asked: Option<Vec<Field>>,
}

impl Fields {
    pub(crate) fn new(source: Source, members: Members) -> Self {
        Self { source, prefix: String::new(), members, violations: Vec::new(), asked: None }
    }

    /// What `read` asks for, in its order.
    pub(crate) fn asked_by<T>(read: impl FnOnce(&mut Self) -> Option<T>) -> Vec<Field> {
        let mut fields = Self::new(Source::Json, Vec::new());
        fields.asked = Some(Vec::new());
        // There is nothing to be made of no fields.
        let _ = read(&mut fields);
        fields.asked.unwrap_or_default()
    }

    /// Notes a field, where that is all that is wanted.
    fn only_notes(&mut self, name: &str, required: bool, schema: impl FnOnce() -> serde_json::Value) -> bool {
        let Some(asked) = &mut self.asked else { return false };
        asked.push(Field { name: name.to_owned(), required, schema: schema() });
        true
    }

    /// Reads a whole `T`, or names everything that is wrong.
    pub(crate) fn read<T: FromFields>(mut self) -> Result<T, Vec<Violation>> {
        let value = T::from_fields(&mut self);
        let violations = self.finish();
        match value {
            Some(value) if violations.is_empty() => Ok(value),
            // A reader that gives up must have said why; one that did not is refused all the same, and visibly.
            _ if violations.is_empty() => Err(vec![Violation::new("body", "invalid", "could not be read")]),
            _ => Err(violations),
        }
    }

    /// A text that must be there.
    pub fn required<T: Described, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if self.only_notes(name, true, T::schema) {
            return None;
        }
        let text = self.require(name, Self::take_text)?;
        self.judge(name, parse(&text))
    }

    /// A text that may be absent.
    pub fn optional<T: Described, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if self.only_notes(name, false, T::schema) {
            return None;
        }
        let text = self.take_text(name)?;
        self.judge(name, parse(&text))
    }

    /// A secret that must be there. It is moved out, not copied, and wiped by its owner.
    pub fn secret(&mut self, name: &str) -> Option<SecretString> {
        if self.only_notes(name, true, SecretString::schema) {
            return None;
        }
        self.require(name, Self::taken_secret)
    }

    /// A secret that may be absent.
    pub fn optional_secret(&mut self, name: &str) -> Option<SecretString> {
        if self.only_notes(name, false, SecretString::schema) {
            return None;
        }
        self.taken_secret(name)
    }

    fn taken_secret(&mut self, name: &str) -> Option<SecretString> {
        let mut text = self.take_text(name)?;
        Some(SecretString::from(std::mem::take(&mut *text)))
    }

    /// A whole number that must be there, as it is.
    pub fn u64(&mut self, name: &str) -> Option<u64> {
        self.within(name, 0..=u64::MAX, "")
    }

    /// A whole number that may be absent, as it is.
    pub fn optional_u64(&mut self, name: &str) -> Option<u64> {
        if self.only_notes(name, false, || whole(0..=u64::MAX)) {
            return None;
        }
        self.taken_number(name)
    }

    fn taken_number(&mut self, name: &str) -> Option<u64> {
        const HINT: &str = "a whole number from 0 to 18446744073709551615, in digits only";
        let read = match (self.source, self.take(name)?) {
            (Source::Json, Value::Whole(number)) => Ok(number),
            (Source::Json, Value::OtherNumber) => Err(("malformed", HINT)),
            (Source::Json, Value::Text(_)) => Err(("wrong_type", "a number, without quotes")),
            (Source::Pairs, Value::Text(text)) => digits(&text).ok_or(("malformed", HINT)),
            _ => Err(("wrong_type", HINT)),
        };
        read.map_err(|(code, hint)| self.refuse(name, code, hint)).ok()
    }

    /// Whether something is so, `true` or `false`, which may be absent.
    pub fn optional_truth(&mut self, name: &str) -> Option<bool> {
        if self.only_notes(name, false, || serde_json::json!({"type": "boolean"})) {
            return None;
        }
        let read = match (self.source, self.take(name)?) {
            (Source::Json, Value::Bool(truth)) => Some(truth),
            (Source::Pairs, Value::Text(text)) => text.parse().ok(),
            _ => None,
        };
        if read.is_none() {
            self.refuse(name, "wrong_type", "true or false, without quotes");
        }
        read
    }

    /// A whole number that must be there, parsed further.
    pub fn number<T: Described, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(u64) -> Result<T, E>,
    ) -> Option<T> {
        if self.only_notes(name, true, T::schema) {
            return None;
        }
        let number = self.require(name, Self::taken_number)?;
        self.judge(name, parse(number))
    }

    /// A whole number that may be absent, parsed further.
    pub fn optional_number<T: Described, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(u64) -> Result<T, E>,
    ) -> Option<T> {
        if self.only_notes(name, false, T::schema) {
            return None;
        }
        let number = self.taken_number(name)?;
        self.judge(name, parse(number))
    }

    /// A whole number within bounds that must be there; what else is said of it is `wrong`.
    pub fn within<E: Display>(&mut self, name: &str, bounds: RangeInclusive<u64>, wrong: E) -> Option<u64> {
        if self.only_notes(name, true, || whole(bounds.clone())) {
            return None;
        }
        let number = self.require(name, Self::taken_number)?;
        self.judge(name, if bounds.contains(&number) { Ok(number) } else { Err(wrong) })
    }

    /// A whole number within bounds that may be absent.
    pub fn optional_within<E: Display>(&mut self, name: &str, bounds: RangeInclusive<u64>, wrong: E) -> Option<u64> {
        if self.only_notes(name, false, || whole(bounds.clone())) {
            return None;
        }
        let number = self.taken_number(name)?;
        self.judge(name, if bounds.contains(&number) { Ok(number) } else { Err(wrong) })
    }

    /// An object that must be there; its fields are named `name.field`. `T::from_fields` reads it, or a closure.
    pub fn object<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.asked.is_some() {
            let schema = words(Self::asked_by(read));
            self.only_notes(name, true, || schema);
            return None;
        }
        self.require(name, |fields, name| fields.taken_object(name, read))
    }

    fn taken_object<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        match self.take(name)? {
            Value::Object(members) => {
                let mut inner = Self::new(self.source, members);
                inner.prefix = format!("{}{name}.", self.prefix);
                let value = read(&mut inner);
                self.violations.extend(inner.finish());
                value
            }
            _ => {
                self.refuse(name, "wrong_type", "an object");
                None
            }
        }
    }

    /// Records what only the fields together can get wrong.
    pub fn refuse(&mut self, name: &str, code: &'static str, hint: impl Into<String>) {
        self.violations.push(Violation::new(format!("{}{name}", self.prefix), code, hint));
    }

    /// Everything that is wrong, with the fields that nobody asked for.
    fn finish(mut self) -> Vec<Violation> {
        for (name, _) in std::mem::take(&mut self.members) {
            self.refuse(&shortened(&name), "unknown", "this call has no such field");
        }
        self.violations
    }

    /// Takes a field out. `null` and a repeated field are recorded, and gone.
    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.members.iter().position(|(candidate, _)| candidate == name)?;
        match self.members.remove(at).1 {
            Value::Repeated => {
                self.refuse(name, "repeated", "say it once");
                None
            }
            Value::Malformed => {
                self.refuse(name, "malformed", "percent-encoded UTF-8");
                None
            }
            Value::Null => {
                self.refuse(name, "wrong_type", "null is no value; leave the field out");
                None
            }
            value => Some(value),
        }
    }

    fn take_text(&mut self, name: &str) -> Option<Zeroizing<String>> {
        match self.take(name)? {
            Value::Text(text) => Some(text),
            _ => {
                self.refuse(name, "wrong_type", "a text");
                None
            }
        }
    }

    /// Reads a field that must be there. What was read wrongly has been recorded by `read`; absence is recorded here.
    fn require<T>(&mut self, name: &str, read: impl FnOnce(&mut Self, &str) -> Option<T>) -> Option<T> {
        if self.members.iter().any(|(candidate, _)| candidate == name) {
            return read(self, name);
        }
        self.refuse(name, "missing", "this field is required");
        None
    }

    fn judge<T, E: Display>(&mut self, name: &str, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.refuse(name, "invalid", error.to_string())).ok()
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.members.iter().map(|(name, _)| shortened(name)).collect();
        f.debug_struct("Fields").field("names", &names).field("violations", &self.violations).finish_non_exhaustive()
    }
}

/// Digits only, so that `+1`, ` 1` and the empty text are refused, which `parse` alone would not all do.
fn digits(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// A name as a stranger sent it, short enough to be said back.
fn shortened(name: &str) -> String {
    match name.char_indices().nth(64) {
        Some((at, _)) => format!("{}…", &name[..at]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use domain::{Address, Plan, Quota};
    use secrecy::ExposeSecret;

    use super::*;
    use crate::json;

    fn fields(text: &str) -> Fields {
        match json::parse(text.as_bytes()) {
            Ok(Value::Object(members)) => Fields::new(Source::Json, members),
            _ => panic!("no object: {text}"),
        }
    }

    fn wrong(violations: &[Violation]) -> Vec<String> {
        violations.iter().map(|v| format!("{} {}", v.field, v.code)).collect()
    }

    #[derive(Debug)]
    struct Everything {
        address: Address,
        password: SecretString,
        quota: Option<Quota>,
        plan: Plan,
    }

    impl FromFields for Everything {
        fn from_fields(fields: &mut Fields) -> Option<Self> {
            let address = fields.required("address", Address::parse);
            let password = fields.secret("password");
            let quota = fields.optional_number("quota_bytes", Quota::from_bytes);
            let plan = fields.object("plan", |plan| {
                let (mailboxes, pool) = (plan.u64("mailboxes"), plan.u64("pool_bytes"));
                Plan::new(mailboxes?, pool?).map_err(|e| plan.refuse("mailboxes", "invalid", e.to_string())).ok()
            });
            Some(Self { address: address?, password: password?, quota, plan: plan? })
        }
    }

    #[test]
    fn good_fields_are_read() {
        let read = fields(
            r#"{"address":"Ann@acme.example","password":"s\"3cret","plan":{"mailboxes":5,"pool_bytes":1048576}}"#,
        )
        .read::<Everything>()
        .unwrap();
        assert_eq!(read.address.as_str(), "ann@acme.example");
        assert_eq!(read.password.expose_secret(), "s\"3cret");
        assert_eq!((read.quota, read.plan.mailboxes()), (None, 5));
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let violations = fields(
            r#"{"address":"ann","password":1,"quota_bytes":1.5,"plan":{"mailboxes":"5","pools":1},"extra":null}"#,
        )
        .read::<Everything>()
        .unwrap_err();
        let expected = [
            "address invalid",
            "password wrong_type",
            "quota_bytes malformed",
            "plan.mailboxes wrong_type",
            "plan.pool_bytes missing",
            "plan.pools unknown",
            "extra unknown",
        ];
        assert_eq!(wrong(&violations), expected);
        assert_eq!(violations[0].hint, "not an address: it has no @");
    }

    #[test]
    fn what_is_missing_repeated_or_null_is_named() {
        let violations = fields(r#"{"address":"a@b.c","address":"a@b.c","quota_bytes":null,"plan":[]}"#)
            .read::<Everything>()
            .unwrap_err();
        let expected = ["address repeated", "password missing", "quota_bytes wrong_type", "plan wrong_type"];
        assert_eq!(wrong(&violations), expected);
    }

    #[test]
    fn a_number_is_whole_and_in_digits() {
        for refused in ["1.0", "-1", "1e3", "\"1\"", "18446744073709551616", "true", "[]", "null"] {
            let mut fields = fields(&format!("{{\"n\":{refused}}}"));
            assert_eq!(fields.u64("n"), None, "{refused}");
            assert_eq!(fields.violations.len(), 1, "{refused}");
        }
        assert_eq!(fields(r#"{"n":18446744073709551615}"#).u64("n"), Some(u64::MAX));
        for (text, number) in [("7", Some(7)), ("", None), ("+7", None), (" 7", None), ("7.0", None), ("٧", None)] {
            assert_eq!(digits(text), number, "{text:?}");
        }
    }

    #[test]
    fn neither_a_refusal_nor_a_debug_print_holds_a_value() {
        let mut fields = fields(r#"{"address":"hunter2","password":"hunter2","n":"hunter2"}"#);
        assert!(!format!("{fields:?}").contains("hunter2"));
        fields.required("address", Address::parse);
        let secret = fields.secret("password").unwrap();
        assert!(!format!("{secret:?} {fields:?} {:?}", fields.optional_u64("n")).contains("hunter2"));
        assert!(!format!("{:?}", fields.violations).contains("hunter2"));
    }

    #[test]
    fn a_strangers_name_is_said_back_shortened() {
        let violations = fields(&format!("{{\"{}\":1}}", "ä".repeat(5_000))).read::<NoFields>().unwrap_err();
        assert_eq!(violations[0].field.chars().count(), 65);
    }

    #[test]
    fn a_reader_that_gives_up_without_a_word_is_refused_all_the_same() {
        struct Mute;
        impl FromFields for Mute {
            fn from_fields(_: &mut Fields) -> Option<Self> {
                None
            }
        }
        assert!(fields("{}").read::<Mute>().is_err());
        let read = fields("{}").optional("x", |text| Ok::<_, Infallible>(text.to_owned()));
        assert_eq!(read, None);
    }
}
