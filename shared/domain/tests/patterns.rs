//! What a pattern promises is read, and what is read is like the pattern.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use domain::{Address, Customer, DomainName, Name};
use proptest::prelude::*;
use proptest::string::string_regex;
use regex::Regex;

fn of(pattern: &str) -> impl Strategy<Value = String> {
    string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).unwrap()
}

fn is_like(text: &str, pattern: &'static str) -> bool {
    static READY: LazyLock<Mutex<HashMap<&str, Regex>>> = LazyLock::new(Mutex::default);
    READY.lock().unwrap().entry(pattern).or_insert_with(|| Regex::new(pattern).unwrap()).is_match(text)
}

/// Texts that are nearly a domain.
const NEARLY: &str = r"[a-zA-Z0-9-]{0,3}(\.[a-zA-Z0-9_-]{0,3}){0,3}\.?[ünK。]?";

proptest! {
    #[test]
    fn a_customer_is(text in of(Customer::PATTERN)) {
        prop_assert!(Customer::parse(&text).is_ok(), "{text:?}");
    }

    #[test]
    fn a_domain_is_unless_it_is_too_long_or_holds_a_broken_a_label(text in of(DomainName::PATTERN)) {
        let read = DomainName::parse(&text).is_ok();
        prop_assert!(read || text.len() > DomainName::MAX_CHARACTERS || has_a_label(&text), "{text:?}");
    }

    #[test]
    fn an_address_is_unless_its_domain_is_not(text in of(Address::PATTERN)) {
        let (_, domain) = text.rsplit_once('@').unwrap();
        prop_assert_eq!(Address::parse(&text).is_ok(), DomainName::parse(domain).is_ok(), "{:?}", text);
    }

    #[test]
    fn a_name_is_unless_it_is_too_long(text in of(Name::PATTERN)) {
        let short = text.chars().count() <= Name::MAX_CODE_POINTS;
        prop_assert!(Name::parse(&text).is_ok() || !short, "{text:?}");
    }

    #[test]
    fn whoever_is_read_as_a_customer_is_like_one(text in r"[a-zA-Z0-9._ /-]{0,66}") {
        prop_assert!(Customer::parse(&text).is_err() || is_like(&text, Customer::PATTERN), "{text:?}");
    }

    #[test]
    fn what_is_read_as_a_domain_is_like_one_or_not_in_ascii(text in NEARLY) {
        let like = is_like(&text, DomainName::PATTERN) && text.len() <= DomainName::MAX_CHARACTERS;
        prop_assert!(DomainName::parse(&text).is_err() || like || !text.is_ascii(), "{text:?}");
    }

    #[test]
    fn what_is_read_as_an_address_is_like_one_or_not_in_ascii(local in r"[a-zA-Z0-9._+ @-]{0,5}", domain in NEARLY) {
        let text = format!("{local}@{domain}");
        let like = is_like(&text, Address::PATTERN) && text.len() <= Address::MAX_CHARACTERS;
        prop_assert!(Address::parse(&text).is_err() || like || !text.is_ascii(), "{text:?}");
    }

    #[test]
    fn what_is_read_as_a_name_is_like_one(text in r"\PC{0,3}|[ \u{85}\u{a0}\u{1680}\u{180e}\u{2000}-\u{200f}\u{2028}-\u{202f}\u{205f}\u{3000}\u{feff}]{0,3}") {
        prop_assert!(Name::parse(&text).is_err() || is_like(&text, Name::PATTERN), "{text:?}");
    }
}

fn has_a_label(domain: &str) -> bool {
    domain.split('.').any(|label| label.to_ascii_lowercase().starts_with("xn--"))
}
