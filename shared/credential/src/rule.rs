//! One rule of a policy: how it is checked, what it tells people, and what a page needs to check it by itself.

use serde::Serialize;
use utoipa::ToSchema;

use crate::class::Class;
use crate::strength::{Score, score};
use crate::{Personal, ViolationCode, blocklist};

/// A rule that a password keeps or breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// At least so many code points, in NFC.
    MinLength(usize),
    /// At most so many bytes of UTF-8, as given and in NFC.
    MaxBytes(usize),
    /// At least one character of the class.
    Contains(Class),
    /// None of its user's words.
    NotPersonal,
    /// No common password, plain or decorated.
    NotBlocklisted,
    /// At least this score by zxcvbn, knowing its user's words where they are known.
    MinScore(Score),
}

/// A password under judgement.
pub(crate) struct Candidate<'a> {
    /// Its length as given, before NFC, in bytes.
    pub given_bytes: usize,
    /// Its NFC form.
    pub nfc: &'a str,
    /// Its user; `None` judges by the rules that depend on nobody.
    pub personal: Option<&'a Personal>,
    /// Its score with that user's words, where it was computed before.
    pub score: Option<Score>,
}

impl Rule {
    /// The code under which a broken rule is reported.
    pub fn code(self) -> ViolationCode {
        match self {
            Self::MinLength(_) => ViolationCode::TooShort,
            Self::MaxBytes(_) => ViolationCode::TooLong,
            Self::Contains(Class::Upper) => ViolationCode::MissingUpper,
            Self::Contains(Class::Lower) => ViolationCode::MissingLower,
            Self::Contains(Class::Digit) => ViolationCode::MissingDigit,
            Self::Contains(Class::Symbol) => ViolationCode::MissingSymbol,
            Self::NotPersonal => ViolationCode::ContainsPersonal,
            Self::NotBlocklisted => ViolationCode::Blocklisted,
            Self::MinScore(_) => ViolationCode::TooGuessable,
        }
    }

    /// What to do, in one sentence for people. It depends on the rule alone, never on a password or its user.
    pub fn hint(self) -> String {
        match self {
            Self::MinLength(n) => format!("Use at least {n} characters."),
            Self::MaxBytes(n) => format!("Use at most {n} bytes; letters beyond A to Z take two to four."),
            Self::Contains(Class::Upper) => "Add an upper-case letter, such as A to Z.".into(),
            Self::Contains(Class::Lower) => "Add a lower-case letter, such as a to z.".into(),
            Self::Contains(Class::Digit) => "Add a digit, such as 0 to 9.".into(),
            Self::Contains(Class::Symbol) => "Add a symbol, such as - ! ? @ or a space.".into(),
            Self::NotPersonal => "Leave out the user's name, address and domain.".into(),
            Self::NotBlocklisted => {
                "Choose something else than a common password with digits, symbols or swapped letters.".into()
            }
            Self::MinScore(_) => {
                "Make it harder to guess: add more words or characters that do not belong together.".into()
            }
        }
    }

    /// Whether the answer depends on whose password it is.
    pub(crate) fn depends_on_user(self) -> bool {
        matches!(self, Self::NotPersonal | Self::MinScore(_))
    }

    /// Whether `candidate` breaks the rule.
    pub(crate) fn is_broken_by(self, candidate: &Candidate<'_>) -> bool {
        match self {
            Self::MinLength(n) => candidate.nfc.chars().count() < n,
            Self::MaxBytes(n) => candidate.given_bytes > n || candidate.nfc.len() > n,
            Self::Contains(class) => !candidate.nfc.chars().any(|c| class.has(c)),
            Self::NotPersonal => candidate.personal.is_some_and(|user| user.is_in(candidate.nfc)),
            Self::NotBlocklisted => blocklist::contains(candidate.nfc),
            Self::MinScore(least) => {
                candidate.score.unwrap_or_else(|| score(candidate.nfc, candidate.personal)) < least
            }
        }
    }

    /// The rule as the policy object shows it.
    pub(crate) fn describe(self) -> RuleObject {
        let mut object = RuleObject {
            code: self.code(),
            hint: self.hint(),
            min_length: None,
            max_bytes: None,
            categories: None,
            min_word_length: None,
            min_score: None,
        };
        match self {
            Self::MinLength(n) => object.min_length = Some(n),
            Self::MaxBytes(n) => object.max_bytes = Some(n),
            Self::Contains(class) => {
                object.categories = Some(class.categories().iter().map(|category| category.abbreviation()).collect());
            }
            Self::NotPersonal => object.min_word_length = Some(Personal::MIN_WORD),
            Self::NotBlocklisted => {}
            Self::MinScore(least) => object.min_score = Some(least),
        }
        object
    }
}

/// A rule in a [`PolicyObject`](crate::PolicyObject): its code, its hint, and the one parameter by which a page can
/// check it while somebody types. A rule without a parameter is checked by the server alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RuleObject {
    /// The code under which the rule is reported.
    pub code: ViolationCode,
    /// What to do, in one sentence for people.
    pub hint: String,
    /// `too_short`: the fewest code points, in NFC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_length: Option<usize>,
    /// `too_long`: the most bytes of UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<usize>,
    /// `missing_…`: the Unicode general categories of which one character is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<&'static str>>,
    /// `contains_personal`: the shortest word that counts, in code points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_word_length: Option<usize>,
    /// `too_guessable`: the lowest score taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_score: Option<Score>,
}
