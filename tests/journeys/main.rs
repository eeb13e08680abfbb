//! What the services promise, over HTTP and on the command line: each sentence of the contract that a customer, a webmail
//! server or an operator relies on.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod at_the_shell;
mod edits;
mod health;
mod idempotency;
mod lists;
mod moving;
mod passwords;
mod plans;
mod position;
mod preconditions;
mod provisioning_to_login;
mod roles;
mod states;
mod tenancy;
