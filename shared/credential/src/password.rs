//! Passwords: one that a policy has judged, and one that somebody gave at a login.

use std::fmt;

use domain::text::nfc;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::rule::{Candidate, Rule};
use crate::{Personal, Policy, Violation};

/// The longest password taken, in bytes of UTF-8, as given and in NFC: far above what people or generators make, and
/// small enough that nothing about it costs noticeable time.
pub const MAX_BYTES: usize = 1024;

/// A new password in NFC (as RFC 8265 has it) that keeps to a policy. It can't be printed, cloned or serialised, and is
/// wiped on drop.
///
/// Control characters are allowed, as no rule of any profile names them: they count towards the length and are in no
/// class. A NUL ends nothing, the whole text is hashed; but SASL PLAIN (RFC 4616) can't carry one, so a mail client
/// could not sign in with such a password.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Judges a new password and keeps its NFC form, or tells every rule that it breaks.
    ///
    /// `personal: None` judges by the rules that depend on nobody: [`Self::check_personal`] does the others, later.
    /// Where [`Policy::needs_score`], this takes milliseconds: a service asks
    /// [`Hasher::parse`](crate::Hasher::parse) instead.
    ///
    /// # Errors
    /// All broken rules, in the policy's order.
    pub fn parse(raw: SecretString, policy: &Policy, personal: Option<&Personal>) -> Result<Self, Vec<Violation>> {
        let given = raw.expose_secret();
        let nfc = nfc(given);
        let candidate = Candidate { given_bytes: given.len(), nfc: &nfc, personal, score: None };
        let violations = policy.broken(&candidate, |_| true);
        if violations.is_empty() { Ok(Self(nfc)) } else { Err(violations) }
    }

    /// Judges by the rules that depend on whose password it is, after the others were judged without.
    ///
    /// # Errors
    /// All broken rules, in the policy's order.
    pub fn check_personal(&self, policy: &Policy, personal: &Personal) -> Result<(), Vec<Violation>> {
        let candidate = Candidate { given_bytes: 0, nfc: &self.0, personal: Some(personal), score: None };
        let violations = policy.broken(&candidate, Rule::depends_on_user);
        if violations.is_empty() { Ok(()) } else { Err(violations) }
    }

    /// Whether a password given at a login is this one, in time that depends on their lengths alone.
    pub fn is(&self, given: &GivenPassword) -> bool {
        self.0.as_bytes().ct_eq(given.0.as_bytes()).into()
    }

    /// The NFC form: for hashing and for a request's fingerprint, for no log line and no answer.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A password that somebody gave to prove who they are: in NFC, judged by no policy, since old ones must go on working.
/// It can't be printed, cloned or serialised, and is wiped on drop.
pub struct GivenPassword(Zeroizing<String>);

impl GivenPassword {
    /// The NFC form of a password given at a login; `None` for one that can never match, being empty or over
    /// [`MAX_BYTES`]. A login with such a one must not be answered any sooner:
    /// [`Hasher::verify`](crate::Hasher::verify) takes care of it.
    pub fn parse(given: &SecretString) -> Option<Self> {
        let given = given.expose_secret();
        if given.is_empty() || given.len() > MAX_BYTES {
            return None;
        }
        let nfc = nfc(given);
        (nfc.len() <= MAX_BYTES).then_some(Self(nfc))
    }

    /// The NFC form: for hashing and for the key of a cache of verified logins, for no log line and no answer.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for GivenPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenPassword(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ViolationCode;

    fn personal(name: &str) -> Personal {
        Personal::default().with_name(&domain::Name::parse(name).expect("a name"))
    }

    fn codes<T>(judged: Result<T, Vec<Violation>>) -> Vec<ViolationCode> {
        judged.err().unwrap_or_default().into_iter().map(|violation| violation.code).collect()
    }

    #[test]
    fn a_password_prints_redacted() {
        let password = Password::parse("Vkd9-mnR".into(), &Policy::guide(), None).expect("a password");
        let given = GivenPassword::parse(&"Vkd9-mnR".into()).expect("a password");
        assert_eq!(format!("{password:?} {given:?}"), "Password(…) GivenPassword(…)");
    }

    #[test]
    fn personal_rules_are_judged_with_the_others_or_later() {
        let (policy, user) = (Policy::standard(), personal("Annika"));
        let judged = Password::parse("x-annikA-1".into(), &policy, Some(&user));
        assert_eq!(codes(judged), [ViolationCode::ContainsPersonal]);
        let password = Password::parse("x-annikA-1".into(), &policy, None).expect("a password");
        assert_eq!(codes(password.check_personal(&policy, &user)), [ViolationCode::ContainsPersonal]);
        assert_eq!(password.check_personal(&policy, &personal("Berit")), Ok(()));
        assert_eq!(password.check_personal(&Policy::guide(), &user), Ok(()), "the guide has no such rule");
    }

    #[test]
    fn a_score_that_falls_with_the_users_words_is_found_later_too() {
        let (policy, user) = (Policy::strict(), personal("wojciechowska zdzislawa"));
        let password = Password::parse("Wojciech0wska 1".into(), &policy, None).expect("a password");
        assert_eq!(codes(password.check_personal(&policy, &user)), [ViolationCode::TooGuessable]);
    }

    #[test]
    fn hints_hold_nothing_of_the_password_or_its_user() {
        let judged = Password::parse("annika".into(), &Policy::strict(), Some(&personal("Annika")));
        for violation in judged.expect_err("weak") {
            assert!(!violation.hint.to_lowercase().contains("annika"), "{violation:?}");
        }
    }

    #[test]
    fn what_is_typed_decomposed_is_the_same_password() {
        let password = Password::parse("Zoë-12345".into(), &Policy::guide(), None).expect("a password");
        let given = |text: &str| GivenPassword::parse(&text.into()).expect("a password");
        assert!(password.is(&given("Zoe\u{308}-12345")));
        assert!(!password.is(&given("Zoe-12345")));
    }

    #[test]
    fn a_nul_ends_nothing() {
        let password = Password::parse("Abcdef1!\0more".into(), &Policy::guide(), None).expect("a password");
        assert_eq!(password.expose(), "Abcdef1!\0more");
        assert!(!password.is(&GivenPassword::parse(&"Abcdef1!".into()).expect("a password")));
    }

    #[test]
    fn a_login_with_nothing_or_too_much_can_never_match() {
        assert!(GivenPassword::parse(&"".into()).is_none());
        assert!(GivenPassword::parse(&"a".repeat(MAX_BYTES + 1).into()).is_none());
        assert!(GivenPassword::parse(&"\u{1d160}".repeat(256).into()).is_none(), "its NFC form is longer");
        assert!(GivenPassword::parse(&"a".repeat(MAX_BYTES).into()).is_some());
    }

    proptest::proptest! {
        #[test]
        fn every_password_that_is_taken_can_be_given_at_a_login(text in "\\PC{0,12}Aa1!\\PC{0,12}") {
            if let Ok(password) = Password::parse(text.as_str().into(), &Policy::guide(), None) {
                let given = GivenPassword::parse(&text.into()).expect("a password");
                proptest::prop_assert!(password.is(&given));
            }
        }
    }
}
