//! What the services promise, over HTTP and on the command line: each sentence of the contract that a customer, a webmail
//! server or an operator relies on.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod activity;
mod at_the_shell;
mod audit_cli;
mod audit_exports;
mod auditors;
mod documents;
mod drift;
mod edits;
mod erasure;
mod event_stream;
mod events;
mod health;
mod idempotency;
mod keys_for_ever;
mod ledger;
mod lists;
mod metrics;
mod moving;
mod panel_accounts;
mod panel_forms;
mod passwords;
mod plans;
mod position;
mod preconditions;
mod profiles;
mod provisioning_to_login;
mod rebuild;
mod roles;
mod rotation;
mod search;
mod self_service;
mod states;
mod tenancy;
mod throttling;
mod typed_client;
