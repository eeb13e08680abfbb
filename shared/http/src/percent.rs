//! Percent-encoding, read strictly: a broken escape is refused, where the usual decoders let it stand.

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::Violation;
use crate::fields::{Fields, Source};
use crate::json::{Gathering, MAX_FIELDS, TooMany, Value};

/// The text that was encoded; `None` if an escape is broken or what comes out is not UTF-8.
pub fn decode(text: &str) -> Option<Zeroizing<String>> {
    let mut escapes = text.split('%');
    escapes.next();
    let whole = |escape: &str| escape.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    if !escapes.all(whole) {
        return None;
    }
    // Gathered with room for all of it, and then cut to size once: a decoder that grows leaves copies behind, which
    // would be of a password where a form holds one.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    bytes.extend(percent_decode_str(text));
    std::str::from_utf8(&bytes).ok().map(|text| Zeroizing::new(text.to_owned()))
}

/// The pairs of a query or a form (`application/x-www-form-urlencoded`) as fields. `whole` is what the pairs are called
/// where no single one can be named.
pub fn pairs(text: &str, whole: &'static str) -> Result<Fields, Vec<Violation>> {
    let mut gathering = Gathering::default();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (raw, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A name with a broken escape is nobody's name; as it stands, it will be refused as unknown.
        let name = decode(&raw.replace('+', " ")).map_or_else(|| raw.to_owned(), |mut name| std::mem::take(&mut *name));
        let value = decode(&Zeroizing::new(value.replace('+', " "))).map_or(Value::Malformed, Value::Text);
        if let Err(TooMany) = gathering.add(name, value) {
            return Err(vec![Violation::new(whole, "invalid", format!("at most {MAX_FIELDS} fields"))]);
        }
    }
    Ok(Fields::new(Source::Pairs, gathering.members))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read_strictly() {
        let decoded = |text| decode(text).map(|text| text.to_string());
        assert_eq!(decoded("a%20b%C3%A4+"), Some("a bä+".into()));
        for broken in ["%", "%4", "%zz", "a%+1", "%ff", "%E2%82", "100%"] {
            assert_eq!(decoded(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_form_writes_spaces_as_plus() {
        let mut fields = pairs("user=a%2Bb&pass=one+two&flag", "body").unwrap();
        let mut text = |name| fields.required(name, |text| Ok::<_, std::convert::Infallible>(text.to_owned())).unwrap();
        assert_eq!((text("user"), text("pass"), text("flag")), ("a+b".into(), "one two".into(), String::new()));
    }

    #[test]
    fn a_broken_escape_is_named_as_far_as_it_can_be() {
        let mut fields = pairs("user=%zz&%zz=1", "body").unwrap();
        assert_eq!(fields.secret("user").map(|_| ()), None);
        let violations = fields.read::<crate::NoFields>().unwrap_err();
        let named: Vec<_> = violations.iter().map(|v| (v.field.as_str(), v.code.as_ref())).collect();
        assert_eq!(named, [("user", "malformed"), ("%zz", "unknown")]);
    }

    #[test]
    fn a_form_has_a_bound() {
        let many: String = (0..=MAX_FIELDS).map(|n| format!("f{n}=&")).collect();
        assert!(pairs(&many, "body").is_err());
    }
}
