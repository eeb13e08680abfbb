//! What an export tells of an entry's events, held against what its bytes say as far as they could be opened here.

use postkey_http::{Event, EventData};

use crate::export::Personal;

/// Why it does not hold.
const OTHERS: &str = "the events that the export tells of it are not those that its bytes say";
const LEFT_OUT: &str = "the export says that personal data was left out, and tells some of it";
const NOT_ERASED: &str = "the export tells as erased what can be opened";

/// A value that was sealed: none where there is none, null where it is not known.
type Value = Option<Option<String>>;

/// Holds events against an entry's own. How many values are told that could not be opened here: nothing speaks for them.
///
/// # Errors
/// What is wrong with what is told.
pub(super) fn hold(own: &[Event], told: &[Event], personal: Personal) -> Result<u64, &'static str> {
    if own.len() != told.len() {
        return Err(OTHERS);
    }
    own.iter().zip(told).try_fold(0, |unopened, (own, told)| Ok(unopened + event(own, told, personal)?))
}

fn event(own: &Event, told: &Event, personal: Personal) -> Result<u64, &'static str> {
    if clear(own) != clear(told) {
        return Err(OTHERS);
    }
    let values = |event: &'_ Event| {
        let EventData { address, first_name, last_name, .. } = event.data.clone();
        ([address], [first_name, last_name], [event.origin.clone(), event.reason.clone()])
    };
    let (own, told) = (values(own), values(told));
    if personal == Personal::Redacted && [&told.0[..], &told.1, &told.2].into_iter().flatten().any(is_known) {
        return Err(LEFT_OUT);
    }
    // That there is an address, or a name, stands in the clear.
    for (own, told) in [(&own.0[..], &told.0[..]), (&own.1, &told.1)] {
        if own.iter().any(Option::is_some) != told.iter().any(Option::is_some) {
            return Err(OTHERS);
        }
    }
    if personal == Personal::Redacted {
        return Ok(0);
    }
    Ok(part(&own.0, &told.0)? + part(&own.1, &told.1)? + part(&own.2, &told.2)?)
}

/// The values of one part, where the export tells all that it could open.
fn part(own: &[Value], told: &[Value]) -> Result<u64, &'static str> {
    // Which of them there are is sealed itself.
    if own.contains(&Some(None)) {
        return Ok(told.iter().filter(|value| is_known(value)).count() as u64);
    }
    if own == told {
        return Ok(0);
    }
    let erased = own.iter().zip(told).all(|(own, told)| own == told || !is_known(told));
    Err(if erased && own.iter().any(is_known) { NOT_ERASED } else { OTHERS })
}

const fn is_known(value: &Value) -> bool {
    matches!(value, Some(Some(_)))
}

/// All but what may have been sealed.
fn clear(event: &Event) -> Event {
    let data = EventData { address: None, first_name: None, last_name: None, ..event.data.clone() };
    Event { data, origin: None, reason: None, ..event.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(text: &str) -> Value {
        Some(Some(text.to_owned()))
    }

    /// Somebody was added: address, first name, origin.
    fn added(address: Value, first_name: Value, origin: Value) -> Event {
        let data = EventData { address, first_name, quota_bytes: Some(1), ..EventData::default() };
        Event { data, origin, ..Event::example() }
    }

    fn held(own: &Event, told: &Event, personal: Personal) -> Result<u64, &'static str> {
        hold(std::slice::from_ref(own), std::slice::from_ref(told), personal)
    }

    #[test]
    fn what_is_told_is_what_can_be_opened_or_nobodys_word_but_the_exporters() {
        let open = added(known("ann@acme.example"), known("Ann"), known("192.0.2.7"));
        let sealed = added(Some(None), Some(None), Some(None));
        assert_eq!(held(&open, &open, Personal::Shown), Ok(0));
        assert_eq!(held(&sealed, &sealed, Personal::Shown), Ok(0));
        assert_eq!(held(&sealed, &open, Personal::Shown), Ok(3));
        // A null of an origin is nothing in CSV.
        assert_eq!(held(&sealed, &added(Some(None), Some(None), None), Personal::Shown), Ok(0));
        for hidden in [
            added(Some(None), known("Ann"), known("192.0.2.7")),
            added(known("ann@acme.example"), known("Ann"), None),
            sealed.clone(),
        ] {
            assert_eq!(held(&open, &hidden, Personal::Shown), Err(NOT_ERASED), "{hidden:?}");
        }
    }

    #[test]
    fn nothing_personal_stands_where_it_was_left_out() {
        let open = added(known("ann@acme.example"), known("Ann"), None);
        let sealed = added(Some(None), Some(None), None);
        for own in [&open, &sealed] {
            assert_eq!(held(own, &sealed, Personal::Redacted), Ok(0));
            assert_eq!(held(own, &added(Some(None), Some(None), Some(None)), Personal::Redacted), Ok(0));
            for told in [
                added(known("ann@acme.example"), Some(None), None),
                added(Some(None), known("Ann"), None),
                added(Some(None), Some(None), known("192.0.2.7")),
            ] {
                assert_eq!(held(own, &told, Personal::Redacted), Err(LEFT_OUT));
            }
        }
    }

    #[test]
    fn other_events_are_told_whether_they_could_be_opened_or_not() {
        let open = added(known("ann@acme.example"), known("Ann"), None);
        let sealed = added(Some(None), Some(None), None);
        let moved = Event { position: 1, ..open.clone() };
        let silent = added(None, Some(None), None);
        for own in [&open, &sealed] {
            for told in [&moved, &silent] {
                assert_eq!(held(own, told, Personal::Shown), Err(OTHERS));
            }
            assert_eq!(hold(std::slice::from_ref(own), &[], Personal::Shown), Err(OTHERS));
        }
        let other = added(known("eve@acme.example"), known("Ann"), None);
        let invented = added(known("ann@acme.example"), known("Ann"), known("192.0.2.7"));
        for told in [other, invented] {
            assert_eq!(held(&open, &told, Personal::Shown), Err(OTHERS));
        }
        // There is no name to tell.
        let password = Event::example();
        assert_eq!(held(&password, &added(None, known("Ann"), None), Personal::Shown), Err(OTHERS));
    }
}
