//! The same journeys, by the same files, on NATS JetStream and PostgreSQL: [`stage::Scene`] sees the name of this target.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod activity;
mod audit_cli;
mod audit_exports;
mod auditors;
mod documents;
mod drift;
mod edits;
mod erasure;
mod event_stream;
mod events;
mod idempotency;
mod keys_for_ever;
mod ledger;
mod lists;
mod metrics;
mod panel_forms;
mod passwords;
mod plans;
mod position;
mod preconditions;
mod profiles;
mod rebuild;
mod roles;
mod rotation;
mod search;
mod self_service;
mod states;
mod tenancy;
mod throttling;
mod typed_client;
