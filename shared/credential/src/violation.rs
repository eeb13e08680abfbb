//! What a password was refused for.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

/// The code of a broken rule, as it stands in the HTTP contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ViolationCode {
    /// Fewer code points than asked for.
    TooShort,
    /// More bytes than are taken.
    TooLong,
    /// No upper-case letter.
    MissingUpper,
    /// No lower-case letter.
    MissingLower,
    /// No digit.
    MissingDigit,
    /// No symbol.
    MissingSymbol,
    /// A name, the local part or the domain's label of its user stands in it.
    ContainsPersonal,
    /// zxcvbn scores it below the policy's minimum.
    TooGuessable,
    /// A common password, plain or decorated.
    Blocklisted,
}

impl ViolationCode {
    /// The code as the HTTP contract spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::MissingUpper => "missing_upper",
            Self::MissingLower => "missing_lower",
            Self::MissingDigit => "missing_digit",
            Self::MissingSymbol => "missing_symbol",
            Self::ContainsPersonal => "contains_personal",
            Self::TooGuessable => "too_guessable",
            Self::Blocklisted => "blocklisted",
        }
    }
}

impl fmt::Display for ViolationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A broken rule: its code for programs, and what to do about it for people. Holds nothing of the password or its user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Violation {
    /// The broken rule.
    pub code: ViolationCode,
    /// One sentence on what to do.
    pub hint: String,
}
