//! What happened, as the log has it: `GET /v1/audit/events`.
//!
//! Answers come from the log itself, opened with the keys, and go no further than the rows that panels look up: what a
//! change has made of a service is never told before the change, and a change that is in force is told. Who, what and when;
//! never a hash, a key, a box or a fingerprint.

mod entries;
pub(crate) mod events;
mod filter;
mod looking;
mod place;
mod view;

#[cfg(test)]
mod tests;
