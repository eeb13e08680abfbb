//! What is said of passwords: the policy, what it makes of one, and a suggestion.

use std::borrow::Cow;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

/// What the policy says of a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checked {
    /// Every broken rule; none where the password may be set.
    #[schema(inline)]
    pub violations: Vec<BrokenRule>,
    /// zxcvbn's score, 0 to 4.
    #[schema(maximum = 4)]
    pub score: u8,
}

// A rule that a password breaks.
#[expect(missing_docs, reason = "it is described where it stands in what the policy says")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BrokenRule {
    /// The rule, such as `too_short`.
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
    /// What to do, for a person.
    pub hint: String,
}

impl Checked {
    /// One as a caller might get it.
    pub fn example() -> Self {
        let rule = BrokenRule { code: Cow::Borrowed("missing_digit"), hint: "Add a digit, such as 0 to 9.".to_owned() };
        Self { violations: vec![rule], score: 2 }
    }
}

/// A strong password.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Suggestion {
    /// Satisfies the policy, with 128 bits of randomness or more.
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    pub password: SecretString,
}

impl Suggestion {
    /// One as a caller might get it.
    pub fn example() -> Self {
        Self { password: SecretString::from("Kq7-vTz3mWp-Rb9xLd2-hNc6") }
    }
}

/// A suggestion is there to be shown; it is kept nowhere.
fn exposed<S: Serializer>(password: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(password.expose_secret())
}

/// The policy in force, as a client reads it: what is asked for, and each rule for a live checklist. The service writes its own,
/// which only the policy's crate knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordPolicy {
    /// The version that a change of a password records.
    pub version: String,
    /// The profile's name.
    pub profile: String,
    /// The fewest code points, in NFC.
    pub min_length: u64,
    /// The most bytes of UTF-8, as given and in NFC.
    pub max_bytes: u64,
    /// The classes of which one character each is needed: `upper`, `lower`, `digit`, `symbol`.
    pub required: Vec<String>,
    /// Whether the user's own words are refused.
    pub personal: bool,
    /// Whether common passwords are refused.
    pub blocklist: bool,
    /// The lowest zxcvbn score taken; none where any is.
    pub min_score: Option<u8>,
    /// The rules, in the order in which they are reported.
    pub rules: Vec<PolicyRule>,
}

/// A rule of a [`PasswordPolicy`], with the one parameter by which a page can check it while somebody types. A rule without one
/// is checked by the server alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRule {
    /// The code under which the rule is reported.
    pub code: String,
    /// What to do, in one sentence for people.
    pub hint: String,
    /// `too_short`: the fewest code points, in NFC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_length: Option<u64>,
    /// `too_long`: the most bytes of UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// `missing_…`: the Unicode general categories of which one character is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<String>>,
    /// `contains_personal`: the shortest word that counts, in code points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_word_length: Option<u64>,
    /// `too_guessable`: the lowest score taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_score: Option<u8>,
}
