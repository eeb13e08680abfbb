//! The same journeys, by the same files, on NATS JetStream and PostgreSQL: [`stage::Scene`] sees the name of this target.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod edits;
mod idempotency;
mod lists;
mod passwords;
mod plans;
mod position;
mod preconditions;
mod roles;
mod states;
mod tenancy;
