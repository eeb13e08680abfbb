//! The undecorated forms of a password: what is left of `P@ssw0rd1!` without its costume.

use domain::text::fold;
use zeroize::Zeroizing;

/// How many digits or symbols at either end may still belong to the base, as in `$unshine` or `qwerty123`.
const KEPT_AT_AN_END: usize = 12;

/// The most characters of a base, and so of a key: the list's longest real passwords (the few longer entries are a
/// broken character over and over).
pub(crate) const MAX_KEY: usize = 24;

/// The fewest characters of a base. `Test123!` must fall, but three characters stand in random passwords by chance.
pub(crate) const MIN_KEY: usize = 4;

/// The fewest characters of a base that is found only by leaving out symbols inside, as in `Pass-word`.
const MIN_JOINED: usize = 6;

/// Calls `found` with the key of each form that `text` may be a decoration of, until it answers true.
///
/// A form is `text` folded (see [`fold`]), without the digits and symbols at its ends, of which up to
/// [`KEPT_AT_AN_END`] may stay at each: `$unshine1!` is tried as `$unshine`, `unshine`, `$unshine1`, … Its key undoes
/// the usual substitutions (`0`→o `1!|`→i `2`→z `3`→e `4@`→a `5$`→s `6 9`→g `7+`→t `8`→b; l and i share a key, as `1`
/// stands for either) and leaves out all other symbols; a second key leaves out the substituting symbols too, for
/// `Pass+word`. A text without letters has one form and one key: its digits. Only keys of [`MIN_KEY`] to [`MAX_KEY`]
/// characters count, and of [`MIN_JOINED`] where a symbol was left out.
pub(crate) fn any_base_form(text: &str, mut found: impl FnMut(&str) -> bool) -> bool {
    let text = fold(text);
    let mut folded = Zeroizing::new(Vec::with_capacity(text.len()));
    folded.extend(text.chars());
    let mut key = Zeroizing::new(String::with_capacity(MAX_KEY * 4));
    let Some((start, end)) = core_of(&folded) else {
        return write_key(&folded, digit, &mut key) && found(&key);
    };
    let ends = end..=folded.len().min(end + KEPT_AT_AN_END);
    (start.saturating_sub(KEPT_AT_AN_END)..=start).any(|start| {
        ends.clone().any(|end| {
            [letter_of_any as Reading, letter_of_digit]
                .into_iter()
                .any(|reading| write_key(&folded[start..end], reading, &mut key) && found(&key))
        })
    })
}

/// The key of an entry as it stands in the list, and that of its own base (`charlie1` → `charlie`).
pub(crate) fn entry_keys(entry: &str) -> [Option<String>; 2] {
    let folded: Vec<char> = fold(entry).chars().collect();
    let key = |form: &[char], reading| {
        let mut key = String::new();
        write_key(form, reading, &mut key).then_some(key)
    };
    match core_of(&folded) {
        None => [key(&folded, digit), None],
        Some((start, end)) => [key(&folded, letter_of_any), key(&folded[start..end], letter_of_any)],
    }
}

/// From the first letter to behind the last; `None` without any letter.
fn core_of(text: &[char]) -> Option<(usize, usize)> {
    let first = text.iter().position(|c| c.is_alphabetic())?;
    let last = text.iter().rposition(|c| c.is_alphabetic())?;
    Some((first, last + 1))
}

/// How a character is read; `None` leaves it out.
type Reading = fn(char) -> Option<char>;

/// Writes the key of `form`; false where it is too short or too long to be one.
fn write_key(form: &[char], reading: Reading, key: &mut String) -> bool {
    key.clear();
    let mut length = 0;
    for letter in form.iter().copied().filter_map(reading) {
        length += 1;
        if length > MAX_KEY {
            return false;
        }
        key.push(letter);
    }
    length >= if length == form.len() { MIN_KEY } else { MIN_JOINED }
}

/// A digit as it is: in a text without letters it stands for none.
fn digit(c: char) -> Option<char> {
    c.is_numeric().then_some(c)
}

/// The letter that a character stands for; `None` for a symbol that stands for nothing.
fn letter_of_any(c: char) -> Option<char> {
    match c {
        '@' => Some('a'),
        '!' | '|' => Some('i'),
        '$' => Some('s'),
        '+' => Some('t'),
        _ => letter_of_digit(c),
    }
}

/// The letter that a letter or digit stands for; `None` for any symbol.
fn letter_of_digit(c: char) -> Option<char> {
    match c {
        '0' => Some('o'),
        '1' | 'l' => Some('i'),
        '2' => Some('z'),
        '3' => Some('e'),
        '4' => Some('a'),
        '5' => Some('s'),
        '6' | '9' => Some('g'),
        '7' => Some('t'),
        '8' => Some('b'),
        _ => c.is_alphanumeric().then_some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(text: &str) -> Vec<String> {
        let mut forms = Vec::new();
        any_base_form(text, |key| {
            forms.push(key.to_owned());
            false
        });
        forms
    }

    #[test]
    fn a_base_form_is_bare_of_ends_case_accents_and_substitutions() {
        for text in ["P@ssw0rd1!", "123Pässwörd!!!", "pa$$w0rd", "P.a.s.s.w.o.r.d", "Pass+word7", "**PASSWORD**2024"]
        {
            assert!(forms(text).contains(&"password".to_owned()), "{text:?}: {:?}", forms(text));
        }
    }

    #[test]
    fn what_stands_for_a_letter_at_an_end_is_kept_in_one_form() {
        assert!(forms("$unshine1!").contains(&"sunshine".to_owned()));
        assert!(forms("Qwerty123!").contains(&"qwertyize".to_owned()));
    }

    #[test]
    fn digits_alone_stand_for_no_letters() {
        assert_eq!(forms("12345678!"), ["12345678"]);
    }

    #[test]
    fn four_letters_among_symbols_are_no_base() {
        assert!(forms("}s*E-;4N").is_empty());
        assert!(forms("4%Test!7").contains(&"test".to_owned()));
    }

    #[test]
    fn an_entry_has_a_key_and_that_of_its_base() {
        assert_eq!(entry_keys("charlie1"), [Some("chariiei".into()), Some("chariie".into())]);
        assert_eq!(entry_keys("a1b"), [None, None]);
        assert_eq!(entry_keys("1234"), [Some("1234".into()), None]);
        assert_eq!(entry_keys("!~!1"), [None, None]);
    }

    #[test]
    fn short_and_long_texts_have_no_form() {
        assert!(forms("").is_empty());
        assert!(forms("ab-").is_empty());
        assert!(forms(&"ab".repeat(500)).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn forms_are_within_bounds_for_any_text(text in "\\PC{0,80}") {
            for form in forms(&text) {
                proptest::prop_assert!((MIN_KEY..=MAX_KEY).contains(&form.chars().count()));
            }
        }
    }
}
