//! The versioned policy: one list of rules behind the check, the generator and the page's checklist.

use std::fmt;
use std::str::FromStr;

use domain::PolicyVersion;
use domain::text::nfc;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use crate::class::Class;
use crate::password::MAX_BYTES;
use crate::rule::{Candidate, Rule, RuleObject};
use crate::strength::Score;
use crate::{Personal, Violation};

/// The policies that can be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// At least 8 characters with an upper-case letter, a lower-case letter, a digit and a symbol.
    Guide,
    /// [`Self::Guide`], and neither the user's own words nor a common password, plain or decorated.
    #[default]
    Standard,
    /// [`Self::Standard`], and at least 12 characters and a zxcvbn score of 3.
    Strict,
}

impl Profile {
    /// The profile as settings spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guide => "guide",
            Self::Standard => "standard",
            Self::Strict => "strict",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a policy is one of: guide, standard, strict")]
pub struct ProfileError;

impl FromStr for Profile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, ProfileError> {
        [Self::Guide, Self::Standard, Self::Strict].into_iter().find(|p| p.as_str() == text).ok_or(ProfileError)
    }
}

/// What a password has to keep to. A version's rules never change: a change of rules is a new version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    profile: Profile,
    version: &'static str,
    rules: &'static [Rule],
}

const UPPER: Rule = Rule::Contains(Class::Upper);
const LOWER: Rule = Rule::Contains(Class::Lower);
const DIGIT: Rule = Rule::Contains(Class::Digit);
const SYMBOL: Rule = Rule::Contains(Class::Symbol);
const BYTES: Rule = Rule::MaxBytes(MAX_BYTES);

/// `guide-1`. Eight characters is also the least of NIST SP 800-63B for a password that people choose.
const GUIDE_1: &[Rule] = &[Rule::MinLength(8), BYTES, UPPER, LOWER, DIGIT, SYMBOL];
/// `standard-1`.
const STANDARD_1: &[Rule] =
    &[Rule::MinLength(8), BYTES, UPPER, LOWER, DIGIT, SYMBOL, Rule::NotPersonal, Rule::NotBlocklisted];
/// `strict-1`. Score 3 is "safely unguessable: moderate protection from offline slow-hash scenario" in zxcvbn's words.
const STRICT_1: &[Rule] = &[
    Rule::MinLength(12),
    BYTES,
    UPPER,
    LOWER,
    DIGIT,
    SYMBOL,
    Rule::NotPersonal,
    Rule::NotBlocklisted,
    Rule::MinScore(Score::at_most(3)),
];

impl Policy {
    /// Version `guide-1` of [`Profile::Guide`].
    pub fn guide() -> Self {
        Self { profile: Profile::Guide, version: "guide-1", rules: GUIDE_1 }
    }

    /// Version `standard-1` of [`Profile::Standard`].
    pub fn standard() -> Self {
        Self { profile: Profile::Standard, version: "standard-1", rules: STANDARD_1 }
    }

    /// Version `strict-1` of [`Profile::Strict`].
    pub fn strict() -> Self {
        Self { profile: Profile::Strict, version: "strict-1", rules: STRICT_1 }
    }

    /// The current version of a profile.
    pub fn of(profile: Profile) -> Self {
        match profile {
            Profile::Guide => Self::guide(),
            Profile::Standard => Self::standard(),
            Profile::Strict => Self::strict(),
        }
    }

    /// The profile that this is a version of.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The version, as each change of a password records it.
    pub fn version(&self) -> PolicyVersion {
        PolicyVersion::parse(self.version).expect("versions are plain; a test parses each")
    }

    /// The rules, in the order in which they are reported.
    pub fn rules(&self) -> &'static [Rule] {
        self.rules
    }

    /// Whether a rule asks for a zxcvbn score, so that the check is work for the [`Hasher`](crate::Hasher)'s threads.
    pub fn needs_score(&self) -> bool {
        self.rules.iter().any(|rule| matches!(rule, Rule::MinScore(_)))
    }

    /// Every rule that `given` breaks. `personal: None` leaves out its user's words.
    pub fn violations(&self, given: &SecretString, personal: Option<&Personal>) -> Vec<Violation> {
        let given = given.expose_secret();
        let nfc = nfc(given);
        self.broken(&Candidate { given_bytes: given.len(), nfc: &nfc, personal, score: None }, |_| true)
    }

    /// The policy as `GET /v1/password-policy` serves it.
    pub fn describe(&self) -> PolicyObject {
        let find = |pick: fn(&Rule) -> Option<usize>| self.rules.iter().find_map(pick);
        PolicyObject {
            version: self.version,
            profile: self.profile,
            min_length: find(|rule| if let Rule::MinLength(n) = rule { Some(*n) } else { None }).unwrap_or(0),
            max_bytes: find(|rule| if let Rule::MaxBytes(n) = rule { Some(*n) } else { None }).unwrap_or(MAX_BYTES),
            required: self
                .rules
                .iter()
                .filter_map(|rule| if let Rule::Contains(class) = rule { Some(*class) } else { None })
                .collect(),
            personal: self.rules.contains(&Rule::NotPersonal),
            blocklist: self.rules.contains(&Rule::NotBlocklisted),
            min_score: self.rules.iter().find_map(|r| if let Rule::MinScore(least) = r { Some(*least) } else { None }),
            rules: self.rules.iter().map(|rule| rule.describe()).collect(),
        }
    }

    /// The violations of `candidate` among the rules that `asked` picks.
    pub(crate) fn broken(&self, candidate: &Candidate<'_>, asked: impl Fn(Rule) -> bool) -> Vec<Violation> {
        let broken = self.rules.iter().filter(|rule| asked(**rule) && rule.is_broken_by(candidate));
        broken.map(|rule| Violation { code: rule.code(), hint: rule.hint() }).collect()
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::of(Profile::default())
    }
}

/// A policy described for panels: what is asked for, and each rule for a live checklist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PolicyObject {
    /// The version that a change of a password records.
    pub version: &'static str,
    /// The profile's name.
    pub profile: Profile,
    /// The fewest code points, in NFC.
    pub min_length: usize,
    /// The most bytes of UTF-8, as given and in NFC.
    pub max_bytes: usize,
    /// The classes of which one character each is needed.
    pub required: Vec<Class>,
    /// Whether the user's own words are refused.
    pub personal: bool,
    /// Whether common passwords are refused.
    pub blocklist: bool,
    /// The lowest zxcvbn score taken; null where any is.
    #[schema(required = true)]
    pub min_score: Option<Score>,
    /// The rules, in the order in which they are reported.
    pub rules: Vec<RuleObject>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ViolationCode::{self, *};

    fn codes(policy: &Policy, password: &str) -> Vec<ViolationCode> {
        policy.violations(&password.into(), None).into_iter().map(|v| v.code).collect()
    }

    #[test]
    fn every_version_is_plain_and_named_by_its_profile() {
        for profile in [Profile::Guide, Profile::Standard, Profile::Strict] {
            let policy = Policy::of(profile);
            assert_eq!(policy.version().as_str(), format!("{profile}-1"));
            assert_eq!(profile.as_str().parse(), Ok(profile));
        }
        assert_eq!("lax".parse::<Profile>(), Err(ProfileError));
        assert_eq!(Policy::default().profile(), Profile::Standard);
    }

    #[test]
    fn all_broken_rules_are_reported_at_once() {
        let classes = [MissingUpper, MissingLower, MissingDigit, MissingSymbol];
        assert_eq!(codes(&Policy::guide(), ""), [&[TooShort][..], &classes].concat());
        assert_eq!(codes(&Policy::guide(), &"漢".repeat(400)), [&[TooLong][..], &classes].concat());
        assert_eq!(
            codes(&Policy::strict(), "password"),
            [TooShort, MissingUpper, MissingDigit, MissingSymbol, Blocklisted, TooGuessable]
        );
    }

    #[test]
    fn the_guide_asks_for_its_five_rules_and_no_more() {
        assert_eq!(codes(&Policy::guide(), "P@ssw0rd1!"), []);
        for (password, missing) in [
            ("Aa1!aaa", TooShort),
            ("aa1!aaaa", MissingUpper),
            ("AA1!AAAA", MissingLower),
            ("Aaa!aaaa", MissingDigit),
            ("Aa1aaaaa", MissingSymbol),
        ] {
            assert_eq!(codes(&Policy::guide(), password), [missing], "{password:?}");
        }
    }

    #[test]
    fn lengths_are_code_points_of_the_nfc_form() {
        assert_eq!(codes(&Policy::guide(), "Aé1!aaa"), [TooShort]);
        assert_eq!(codes(&Policy::guide(), "Ae\u{301}1!aaa"), [TooShort], "decomposed or not");
        assert_eq!(codes(&Policy::guide(), "Aé1!aaaa"), []);
        assert_eq!(codes(&Policy::guide(), &format!("Aa1!{}", "a".repeat(1020))), []);
        assert_eq!(codes(&Policy::guide(), &format!("Aa1!{}", "a".repeat(1021))), [TooLong]);
        assert_eq!(codes(&Policy::guide(), &format!("Aa1!{}", "e\u{301}".repeat(341))), [TooLong], "as given");
        let grows = "\u{1d160}".repeat(255);
        assert_eq!(codes(&Policy::guide(), &format!("Aa1!{grows}")), [TooLong], "NFC of U+1D160 is longer");
    }

    #[test]
    fn the_standard_adds_the_blocklist_and_the_strict_length_and_score() {
        assert_eq!(codes(&Policy::standard(), "P@ssw0rd1!"), [Blocklisted]);
        assert_eq!(codes(&Policy::standard(), "Vkd9-mnR"), []);
        assert_eq!(codes(&Policy::strict(), "Vkd9-mnRtq7"), [TooShort]);
        assert_eq!(codes(&Policy::strict(), "Aa1-Aa1-Aa1-"), [TooGuessable]);
        assert_eq!(codes(&Policy::strict(), "Correct-Horse-Battery-Staple7"), []);
    }

    #[test]
    fn the_object_says_what_the_rules_say() {
        let object = Policy::strict().describe();
        assert_eq!((object.version, object.min_length, object.max_bytes), ("strict-1", 12, 1024));
        assert_eq!(object.required, [Class::Upper, Class::Lower, Class::Digit, Class::Symbol]);
        assert_eq!((object.personal, object.blocklist, object.min_score), (true, true, Some(Score::at_most(3))));
        assert_eq!(object.rules.len(), Policy::strict().rules().len());
        assert_eq!(object.rules[2].categories.as_deref(), Some(&["Lu", "Lt"][..]));
        let json = serde_json::to_value(&object).expect("JSON");
        assert_eq!(
            (&json["profile"], &json["min_score"], &json["required"][0]),
            (&"strict".into(), &3.into(), &"upper".into())
        );
        assert_eq!(
            json["rules"][0],
            serde_json::json!({
                "code": "too_short", "hint": "Use at least 12 characters.", "min_length": 12
            })
        );
        let guide = Policy::guide().describe();
        assert_eq!((guide.personal, guide.blocklist, guide.min_score), (false, false, None));
    }
}
