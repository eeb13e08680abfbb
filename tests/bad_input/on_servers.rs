//! The same input, by the same files, on NATS JetStream and PostgreSQL: [`stage::Scene`] sees the name of this target. What
//! SQLite takes and PostgreSQL does not, such as a NUL in a text, has to be refused before either sees it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod bodies;
mod documented;
mod fields;
mod headers;
mod passwords;
mod queries;
mod routes;
