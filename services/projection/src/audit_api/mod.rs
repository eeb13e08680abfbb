//! What happened, as the log has it: `GET /v1/audit/events`, the same as a stream, and how a user stood at a moment.
//!
//! Answers come from the log itself, opened with the keys, and go no further than the rows that panels look up: what a
//! change has made of a service is never told before the change, and a change that is in force is told. Who, what and when;
//! never a hash, a key, a box or a fingerprint. Entries about one user are found by the ledger's rows, and held against them.

pub(crate) mod activity;
mod entries;
pub(crate) mod events;
mod filter;
mod looking;
mod place;
pub(crate) mod reads;
pub(crate) mod seats;
pub(crate) mod stream;
mod telling;
pub(crate) mod user_then;

#[cfg(test)]
mod tests;
