//! The four classes of characters that a policy asks for, by Unicode general category.

use serde::Serialize;
use unicode_general_category::GeneralCategory as Category;
use unicode_general_category::get_general_category;
use utoipa::ToSchema;

/// A class of characters, by the general categories of UAX #44 (table 12), as of Unicode 16.
///
/// - Letters of scripts without case (`Lo`, such as 漢 or ع) and modifier letters (`Lm`) are in no class: they count
///   towards the length, and "upper" and "lower" have to come from elsewhere in the password.
/// - Marks (`M*`) are in no class, alone or not: after NFC a mark that stands by itself is a part of a letter.
/// - A space is a symbol, so that a phrase of words is not asked for punctuation; an emoji is one too. Code points that
///   are unassigned in this version are symbols, so that next year's emoji are.
/// - What can't be seen is in no class: control (`Cc`) and format characters (`Cf`), line and paragraph separators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// An upper-case or title-case letter.
    Upper,
    /// A lower-case letter.
    Lower,
    /// A decimal digit of any script.
    Digit,
    /// Punctuation, a symbol, a space, or a number that is no decimal digit.
    Symbol,
}

impl Class {
    /// The general categories that make up the class: the one list behind the check and the page's checklist.
    pub fn categories(self) -> &'static [Category] {
        match self {
            Self::Upper => &[Category::UppercaseLetter, Category::TitlecaseLetter],
            Self::Lower => &[Category::LowercaseLetter],
            Self::Digit => &[Category::DecimalNumber],
            Self::Symbol => &[
                Category::ConnectorPunctuation,
                Category::DashPunctuation,
                Category::OpenPunctuation,
                Category::ClosePunctuation,
                Category::InitialPunctuation,
                Category::FinalPunctuation,
                Category::OtherPunctuation,
                Category::MathSymbol,
                Category::CurrencySymbol,
                Category::ModifierSymbol,
                Category::OtherSymbol,
                Category::LetterNumber,
                Category::OtherNumber,
                Category::SpaceSeparator,
                Category::PrivateUse,
                Category::Unassigned,
            ],
        }
    }

    /// Whether `c` is of this class.
    pub fn has(self, c: char) -> bool {
        self.categories().contains(&get_general_category(c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(c: char) -> Vec<Class> {
        [Class::Upper, Class::Lower, Class::Digit, Class::Symbol].into_iter().filter(|class| class.has(c)).collect()
    }

    #[test]
    fn ascii_falls_into_exactly_one_class() {
        for c in ' '..='~' {
            let expected = match c {
                'A'..='Z' => Class::Upper,
                'a'..='z' => Class::Lower,
                '0'..='9' => Class::Digit,
                _ => Class::Symbol,
            };
            assert_eq!(classes(c), [expected], "{c:?}");
        }
    }

    #[test]
    fn other_scripts_have_the_same_classes() {
        for (c, expected) in [('Ж', Class::Upper), ('ǅ', Class::Upper), ('ß', Class::Lower), ('İ', Class::Upper)] {
            assert_eq!(classes(c), [expected], "{c:?}");
        }
        for (c, expected) in [('٣', Class::Digit), ('€', Class::Symbol), ('😀', Class::Symbol), ('½', Class::Symbol)]
        {
            assert_eq!(classes(c), [expected], "{c:?}");
        }
    }

    #[test]
    fn caseless_letters_marks_and_what_cannot_be_seen_are_in_no_class() {
        for c in ['漢', 'ع', 'ʰ', '\u{301}', '\u{0}', '\n', '\u{7f}', '\u{200d}', '\u{feff}', '\u{2028}'] {
            assert_eq!(classes(c), [], "{c:?}");
        }
    }
}
