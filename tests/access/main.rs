//! Who may do what on the NATS cluster: `infra/nats/accounts.conf` as it stands, on a real server, with keys and
//! certificates by `infra/nats/identities.sh`.
//!
//! A refusal is only worth something beside its control: whatever is refused here is also asked as `admin`, who may, so
//! that no misspelt subject passes for a refusal.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod compose;
mod duties;
mod journey;
mod permissions;
mod production;
mod refusals;
mod replies;
mod site;
mod tls;
