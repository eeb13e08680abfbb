//! What a password must not contain: the words of its user's names and address.

use std::collections::BTreeSet;
use std::fmt;

use domain::text::fold;
use domain::{Address, Name, Person};
use unicode_general_category::{GeneralCategory as Category, get_general_category};
use unicode_normalization::UnicodeNormalization;

/// The words by which a mailbox user is known, as far as they are known. Debug is redacted.
///
/// First name, last name, local part and the domain's first label (as a person reads it: `bücher`, not
/// `xn--bcher-kva`), each as a whole and split into words at everything but letters, marks and numbers.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Personal {
    /// Folded, [`Self::MIN_WORD`] code points or more: what a password must not contain.
    forbidden: BTreeSet<String>,
    /// Whole values and words of every length, in lower case and folded: what zxcvbn counts as guessable.
    guessable: BTreeSet<String>,
}

impl Personal {
    /// The shortest word that counts, in code points of its NFC form: shorter ones stand in other words by chance.
    pub const MIN_WORD: usize = 4;

    /// These words and those of a first or last name.
    #[must_use]
    pub fn with_name(mut self, name: &Name) -> Self {
        self.add(name.as_str());
        self
    }

    /// These words and those of an address.
    #[must_use]
    pub fn with_address(mut self, address: &Address) -> Self {
        let domain = address.domain();
        // A label that decodes to nothing readable stands for itself.
        let (label, decoded) = idna::domain_to_unicode(domain.first_label());
        self.add(address.local_part());
        self.add(if decoded.is_ok() { &label } else { domain.first_label() });
        self.guessable.insert(address.as_str().to_owned());
        self.guessable.insert(domain.as_str().to_owned());
        self
    }

    /// Whether `password` contains one of the words; case, accents and compatibility forms are ignored.
    pub(crate) fn is_in(&self, password: &str) -> bool {
        let folded = fold(password);
        self.forbidden.iter().any(|word| folded.contains(word.as_str()))
    }

    /// What a person who knows the user would guess first, for zxcvbn.
    pub(crate) fn guesses(&self) -> Vec<&str> {
        self.guessable.iter().map(String::as_str).collect()
    }

    fn add(&mut self, text: &str) {
        let text: String = text.nfc().collect();
        let words = text.split(|c| !is_of_a_word(c)).filter(|word| !word.is_empty());
        for word in words.chain([text.as_str()]) {
            let folded = fold(word);
            // Folding may leave nothing of a text of lone marks; the empty text stands in every password.
            if word.chars().count() >= Self::MIN_WORD && !folded.is_empty() {
                self.forbidden.insert(folded.to_string());
            }
            self.guessable
                .extend([folded.to_string(), word.to_lowercase()].into_iter().filter(|word| !word.is_empty()));
        }
    }
}

impl From<&Person> for Personal {
    fn from(person: &Person) -> Self {
        Self::default().with_name(&person.first_name).with_name(&person.last_name).with_address(&person.address)
    }
}

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Personal(…)")
    }
}

/// Letters, marks and numbers; `char::is_alphanumeric` would split Devanagari words at their viramas.
fn is_of_a_word(c: char) -> bool {
    use Category::{DecimalNumber, EnclosingMark, LetterNumber, NonspacingMark, OtherNumber, SpacingMark};
    c.is_alphabetic()
        || matches!(
            get_general_category(c),
            NonspacingMark | SpacingMark | EnclosingMark | DecimalNumber | LetterNumber | OtherNumber
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(first: &str, last: &str, address: &str) -> Personal {
        let name = |text| Name::parse(text).expect("a name");
        let address = Address::parse(address).expect("an address");
        Personal::from(&Person { address, first_name: name(first), last_name: name(last) })
    }

    #[test]
    fn names_local_part_and_the_domains_first_label_are_found_whatever_their_case() {
        let ann = user("Annika", "Müller-Lüdenscheidt", "a.mueller84@acme.example");
        for found in
            ["xANNIKA!", "9müller9", "MULLER", "lüdenscheidt", "mueller84", "Acme-7", "a.mueller84", "ＡＣＭＥ"]
        {
            assert!(ann.is_in(found), "{found:?}");
        }
        for passed in ["anni-ka", "example", "acm3", "mueller85", "correct horse"] {
            assert!(!ann.is_in(passed), "{passed:?}");
        }
    }

    #[test]
    fn words_of_three_code_points_or_fewer_do_not_count() {
        let li = user("Li", "Ann", "li.ann@abc.example");
        assert!(!li.is_in("Joanna abc li"));
        assert!(li.is_in("x-Li.Ann-x"), "but the whole local part does");
    }

    #[test]
    fn turkish_letters_are_found_in_every_spelling() {
        let isil = user("Işıl", "İpek", "x@acme.example");
        for found in ["IŞIL", "isil", "ışıl", "IPEK", "ipek", "İPEK", "ıpek"] {
            assert!(isil.is_in(found), "{found:?}");
        }
    }

    #[test]
    fn a_label_is_read_as_a_person_reads_it() {
        let reader = user("Li", "Wu", "x@bücher.example");
        assert!(reader.is_in("Bücher!1"));
        assert!(!reader.is_in("bcher"));
    }

    #[test]
    fn nobody_is_in_no_password() {
        assert!(!Personal::default().is_in("anything"));
        assert!(!user("\u{308}\u{308}\u{308}\u{308}", "Wu", "x@a.example").is_in("anything"));
    }

    #[test]
    fn personal_words_print_redacted() {
        assert!(!format!("{:?}", user("Annika", "Wu", "x@acme.example")).to_lowercase().contains("annika"));
    }
}
