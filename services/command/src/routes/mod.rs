//! One file an endpoint: what is asked, and what it becomes.

pub mod add_user;
pub mod change_own_password;
pub mod change_own_password_roundcube;
pub mod change_password;
pub mod change_plan;
pub mod check_password;
pub mod edit_user;
pub mod erase_user;
pub mod password_policy;
pub mod provision_service;
pub mod reactivate_user;
pub mod remove_user;
pub mod suggest_password;
pub mod suspend_user;

mod state_change;

use axum::http::StatusCode;
use postkey_http::{Code, Fields, Operation, Receipt};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::context::{self, Asked, Sent};

/// What a command says of itself in the OpenAPI document: what all of them say, its body with examples, and the refusals
/// that are its own.
fn command<T: Asked>(
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    examples: &[(&str, Value)],
    refusals: &[Code],
) -> Operation {
    let operation = Operation::new(id, tag, summary).roles(T::ROLES).command().problems(refusals);
    match T::SENT {
        Sent::Json => operation.body::<T>(examples),
        Sent::JsonOrNothing => operation.optional_body::<T>(examples),
        Sent::Form => operation.form::<T>(examples),
    }
}

/// The receipts that a command is answered with: `done`, once it is in force, and before.
fn receipts(operation: Operation, done: StatusCode, says: &str, example: Receipt) -> Operation {
    let later = "Stored, and not in force within the wait. It will be: repeated with the same key, the command says since when.";
    operation.answers(done, says, &example).answers(StatusCode::ACCEPTED, later, &example.later())
}

/// Reads `field`, a new password that must be there. What no mail program can send (SASL PLAIN ends at a NUL, RFC 4616)
/// would lock its user out.
fn new_password(fields: &mut Fields, field: &'static str) -> Option<SecretString> {
    let given = fields.secret(field)?;
    sendable(fields, field, given)
}

/// Reads `field`, a new password that may be absent.
fn optional_new_password(fields: &mut Fields, field: &'static str) -> Option<SecretString> {
    let given = fields.optional_secret(field)?;
    sendable(fields, field, given)
}

fn sendable(fields: &mut Fields, field: &'static str, given: SecretString) -> Option<SecretString> {
    if given.expose_secret().chars().any(char::is_control) {
        let hint = "a password must not hold control characters: mail programs can't send them";
        fields.refuse(field, "invalid", hint);
        return None;
    }
    context::note_password(field, &given);
    Some(given)
}
