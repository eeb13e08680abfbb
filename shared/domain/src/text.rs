//! Texts as they are compared: without case, accents and compatibility forms; and text in memory that is wiped.

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The combining diacritical marks of Latin, Greek and Cyrillic. Only these are dropped: in Devanagari or Thai a mark
/// is a vowel, and dropping it would make other words of it.
const DIACRITICS: std::ops::RangeInclusive<char> = '\u{300}'..='\u{36f}';

/// Collects characters into a string that is wiped on drop, allocated once: growing would leave copies behind.
///
/// `text` is run twice, to measure and to fill. What an iterator buffers inside itself (a normaliser: a few code
/// points) is beyond our reach and is not wiped.
pub fn wiped<I: Iterator<Item = char>>(text: impl Fn() -> I) -> Zeroizing<String> {
    let mut collected = Zeroizing::new(String::with_capacity(text().map(char::len_utf8).sum()));
    collected.extend(text());
    collected
}

/// `text` in NFC (UAX #15), wiped on drop: the form in which a password is counted and hashed.
pub fn nfc(text: &str) -> Zeroizing<String> {
    wiped(|| text.nfc())
}

/// `text` without case, diacritics and compatibility forms (full-width letters, ligatures), in NFC, wiped on drop.
///
/// Each character is brought to lower, to upper, and again to lower case, which is full case folding but for its rarest
/// corners: ß and ẞ become ss, ς becomes σ. By the same step dotless ı becomes i, and İ loses its dot with the other marks: i, ı,
/// I and İ all fold to i. Turkish keeps them apart, but whoever is called Işıl may write Isil, isil or IŞIL in a
/// password, and a rule against one's own name has to see all of them; so has whoever searches for that name.
pub fn fold(text: &str) -> Zeroizing<String> {
    // The same for most texts, and for a fraction of the time: every row of a rebuild is folded.
    if text.is_ascii() { wiped(|| text.chars().map(|c| c.to_ascii_lowercase())) } else { folded_in_full(text) }
}

fn folded_in_full(text: &str) -> Zeroizing<String> {
    wiped(|| {
        let plain = text.nfkd().filter(|c| !DIACRITICS.contains(c));
        let upper = plain.flat_map(char::to_lowercase).flat_map(char::to_uppercase);
        upper.flat_map(char::to_lowercase).filter(|c| !DIACRITICS.contains(c)).nfc()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_ignores_case_accents_and_compatibility_forms() {
        for (text, folded) in [
            ("Straße", "strasse"),
            ("STRAẞE", "strasse"),
            ("STRASSE", "strasse"),
            ("Σίσυφος", "σισυφοσ"),
            ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
            ("Zoë", "zoe"),
            ("Zoe\u{308}", "zoe"),
            ("Ｐａｓｓ", "pass"),
            ("ﬁne", "fine"),
            ("한글", "한글"),
        ] {
            assert_eq!(fold(text).as_str(), folded, "{text:?}");
        }
    }

    #[test]
    fn ascii_folds_as_in_full() {
        let all: String = (0..0x80u8).map(char::from).collect();
        assert_eq!(fold(&all), folded_in_full(&all));
        assert!(all.chars().all(|c| fold(c.encode_utf8(&mut [0; 4])) == folded_in_full(c.encode_utf8(&mut [0; 4]))));
    }

    #[test]
    fn every_turkish_i_folds_to_i() {
        for text in ["Işıl", "IŞIL", "isil", "İŞİL", "ışıl"] {
            assert_eq!(fold(text).as_str(), "isil", "{text:?}");
        }
    }

    #[test]
    fn marks_that_are_vowels_stay() {
        assert_ne!(fold("कि"), fold("कु"));
    }

    #[test]
    fn a_wiped_text_is_allocated_once() {
        let text = wiped(|| "añb".chars());
        assert_eq!((text.as_str(), text.capacity()), ("añb", 4));
    }
}
