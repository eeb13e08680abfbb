//! One file an endpoint: what is asked, and what it becomes.

pub mod add_user;
pub mod change_password;
pub mod change_plan;
pub mod check_password;
pub mod edit_user;
pub mod password_policy;
pub mod provision_service;
pub mod reactivate_user;
pub mod remove_user;
pub mod suggest_password;
pub mod suspend_user;

mod state_change;

use postkey_http::Fields;
use secrecy::{ExposeSecret, SecretString};

use crate::context;

/// Reads `password`, a new one that must be there. What no mail program can send (SASL PLAIN ends at a NUL, RFC 4616)
/// would lock its user out.
fn new_password(fields: &mut Fields) -> Option<SecretString> {
    let given = fields.secret("password")?;
    sendable(fields, given)
}

/// Reads `password`, a new one that may be absent.
fn optional_new_password(fields: &mut Fields) -> Option<SecretString> {
    let given = fields.optional_secret("password")?;
    sendable(fields, given)
}

fn sendable(fields: &mut Fields, given: SecretString) -> Option<SecretString> {
    if given.expose_secret().chars().any(char::is_control) {
        fields.refuse(
            "password",
            "invalid",
            "a password must not hold control characters: mail programs can't send them",
        );
        return None;
    }
    context::note_password(&given);
    Some(given)
}
