//! The same journeys, by the same files, on NATS JetStream and PostgreSQL: [`stage::Scene`] sees the name of this target.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod documents;
mod edits;
mod erasure;
mod events;
mod idempotency;
mod keys_for_ever;
mod lists;
mod metrics;
mod panel_forms;
mod passwords;
mod plans;
mod position;
mod preconditions;
mod profiles;
mod roles;
mod search;
mod self_service;
mod states;
mod tenancy;
mod throttling;
mod typed_client;
