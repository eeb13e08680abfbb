//! Passwords: what a policy asks of them, suggestions, their strength, and argon2id on a bounded pool.
//!
//! A [`Password`] is parsed against a [`Policy`], whose one list of rules is also behind the generator ([`suggest`])
//! and the page's checklist ([`PolicyObject`]). A [`Hasher`] turns it into a [`domain::CredentialHash`] and verifies
//! what people give at a login.
//!
//! This crate knows no storage, no events, no HTTP and no users but by the words that their passwords must not contain.
//! Salts and the generator's randomness come in as arguments; it takes no time, but for zxcvbn (see [`strength`]).
//!
//! Secrets are wiped when they are dropped, as far as they are ours: what a JSON parser, a normaliser's buffer, zxcvbn
//! or a register held is not.

mod base_form;
mod blocklist;
mod class;
mod hasher;
mod parameters;
mod password;
mod personal;
mod phc;
mod policy;
mod rule;
pub mod strength;
mod suggestion;
mod violation;

#[cfg(test)]
mod test_rng;

pub use class::Class;
pub use hasher::{
    Asker, Assessment, Depths, Hasher, HasherConfig, HasherStartError, OverloadReason, Overloaded, Verdict,
};
pub use parameters::{Parameters, ParametersError, SALT_BYTES};
pub use password::{GivenPassword, MAX_BYTES, Password};
pub use personal::Personal;
pub use policy::{Policy, PolicyObject, Profile, ProfileError};
pub use rule::{Rule, RuleObject};
pub use strength::Score;
pub use suggestion::suggest;
pub use violation::{Violation, ViolationCode};
